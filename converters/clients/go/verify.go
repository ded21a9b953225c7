// SPDX-License-Identifier: BSD-3-Clause

// Package safeserial verifies a signed ONNX model, then runs it.
//
// Nothing of a model is looked at before its signature was found right, and the engine gets the very bytes
// that were verified. Verify needs no engine; Open and Verified.Load need ONNX Runtime's shared library.
package safeserial

// Said is who signed a model and what they say of it.
type Said struct {
	Signers  []string       `json:"signers"` // ids of those of your keys that signed
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	Created  string         `json:"created"`
	Metadata map[string]any `json:"metadata"`
	Classes  []any          `json:"classes,omitempty"` // artifacts alone say them
}

// Verified is a model whose signature is right; the only thing that can be loaded.
type Verified struct {
	Said
	data []byte
}

// Bytes returns a copy of the ONNX model.
func (v *Verified) Bytes() []byte { return append([]byte(nil), v.data...) }

// Verify holds a model (the content of a .onnx or .safeserial file) against keys that you trust. The signature
// is the content of the .sig file beside an .onnx file, else nil.
func Verify(model, signature []byte, keys ...*Key) (*Verified, error) {
	// A copy, so that nobody changes it between the check and the use.
	return verify(append([]byte(nil), model...), signature, keys)
}

func verify(data, signature []byte, keys []*Key) (*Verified, error) {
	if len(keys) == 0 {
		return nil, refuse(CodeKey, "give the sender's public key", "no key was given")
	}
	var said Said
	var err error
	if looksLikeArtifact(data) {
		data, said, err = verifyArtifact(data, keys)
	} else if signature == nil {
		err = refuse(CodeUnsigned, "the sender signs it with: safeserial sign model.onnx",
			"the model comes without a signature")
	} else {
		said, err = verifyBeside(data, signature, keys)
	}
	if err != nil {
		return nil, err
	}
	if err := checkModel(data); err != nil {
		return nil, err
	}
	return &Verified{Said: said, data: data}, nil
}
