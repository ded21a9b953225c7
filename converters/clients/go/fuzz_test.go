// SPDX-License-Identifier: BSD-3-Clause
// Fuzzing, from the vectors on: go test -fuzz FuzzVerify (or FuzzJSON, FuzzModel).

package safeserial

import (
	"bytes"
	"testing"
)

func FuzzVerify(f *testing.F) {
	model := bytesOf(f, "mixed/model.onnx")
	f.Add(model, bytesOf(f, "signed/mixed.p256.sig"))
	for _, one := range casesOf(f) {
		if one.Signature != nil {
			f.Add(model, bytesOf(f, *one.Signature))
			continue
		}
		// The models in the artifacts are long, and random bytes in them show nothing new.
		data := bytesOf(f, one.Model)
		f.Add(data[:min(len(data), 1<<14+1<<11)], []byte(nil))
	}
	keys := []*Key{keyOf(f, "keys/ed25519.pem"), keyOf(f, "keys/p256.pem"), keyOf(f, "keys/hmac.txt")}
	f.Fuzz(func(t *testing.T, model, signature []byte) {
		if found, err := Verify(model, signature, keys...); err != nil {
			refusal(t, err)
		} else if len(found.Signers) == 0 || !bytes.Contains(model, found.data) {
			t.Fatal("verified, and not what was given")
		}
	})
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func FuzzJSON(f *testing.F) {
	for _, one := range []string{`{"a":[1,"\ud83d\ude00",null]}`, `{"a":1,"a":2}`, `["\ud800"]`, `-0`, `"\u00e9"`} {
		f.Add([]byte(one))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := strictJSON(data, "it", deepest); err != nil {
			refusal(t, err)
			if _, err := canonicalJSON(data, "it"); err == nil {
				t.Fatal("canonical, and not strict")
			}
		}
	})
}

func FuzzModel(f *testing.F) {
	for _, name := range []string{"mixed", "text"} {
		f.Add(bytesOf(f, name+"/model.onnx"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := checkModel(data); err != nil {
			refusal(t, err)
		}
	})
}
