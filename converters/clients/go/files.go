// SPDX-License-Identifier: BSD-3-Clause
// What a caller names, as bytes: files are read once, and not without bound.

package safeserial

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

const longestModel = 1<<31 - 1

// Options say how to open a model.
type Options struct {
	Keys      []*Key   // whom you trust
	KeyFiles  []string // files with a public key in PEM, or a shared secret
	Signature string   // path of the signature; default: the model's path with .sig added, if it is there
}

// Open reads a .onnx or .safeserial file, verifies it, then loads it into ONNX Runtime.
func Open(path string, options Options) (*Model, error) {
	verified, err := VerifyFile(path, options)
	if err != nil {
		return nil, err
	}
	return verified.Load()
}

// VerifyFile reads a .onnx or .safeserial file and verifies it. It needs no engine.
func VerifyFile(path string, options Options) (*Verified, error) {
	keys := append([]*Key(nil), options.Keys...)
	for _, name := range options.KeyFiles {
		key, err := ReadKeyFile(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	data, err := content(path, longestModel)
	if err != nil {
		return nil, err
	}
	beside := options.Signature
	if beside == "" {
		beside = path + ".sig"
	}
	signature, err := content(beside, longestSignature)
	if options.Signature == "" && errors.Is(err, fs.ErrNotExist) {
		signature, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return verify(data, signature, keys)
}

// ReadKeyFile is ReadKey on the content of a file.
func ReadKeyFile(path string) (*Key, error) {
	text, err := content(path, longestKey)
	if err != nil {
		return nil, err
	}
	return ReadKey(string(text))
}

func content(path string, most int64) ([]byte, error) {
	data, err := limited(path, most)
	if err != nil {
		return nil, &Error{CodeFormat, "cannot read " + path + ": " + reason(err), "look at the path", err}
	}
	if int64(len(data)) > most {
		return nil, malformed("%s is too large", path)
	}
	return data, nil
}

func limited(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most+1))
}

func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
