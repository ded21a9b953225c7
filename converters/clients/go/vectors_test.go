// SPDX-License-Identifier: BSD-3-Clause
// Every vector: what must be refused is, the rest answers as scikit-learn does.

package safeserial

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
)

type testCase struct {
	Name, Model, Key, Needs string
	Signature               *string
	Accept                  bool
}

func place(name string) string {
	folder := os.Getenv("SAFESERIAL_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "vectors")
	}
	return filepath.Join(folder, filepath.FromSlash(name))
}

func bytesOf(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(place(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func jsonOf(t testing.TB, name string, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(bytesOf(t, name)))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func keyOf(t testing.TB, name string) *Key {
	t.Helper()
	key, err := ReadKey(string(bytesOf(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func casesOf(t testing.TB) []testCase {
	var cases []testCase
	jsonOf(t, "cases.json", &cases)
	return cases
}

// refusal fails unless an error is one of ours, with all that it should say.
func refusal(t testing.TB, err error) *Error {
	t.Helper()
	var found *Error
	if !errors.As(err, &found) || found.Code == "" || found.Message == "" || found.Hint == "" {
		t.Fatalf("not a refusal with a hint: %#v", err)
	}
	return found
}

func TestVectors(t *testing.T) {
	count := map[bool]int{}
	for _, one := range casesOf(t) {
		count[one.Accept]++
		one := one
		t.Run(one.Name, func(t *testing.T) {
			key := keyOf(t, one.Key)
			var signature []byte
			if one.Signature != nil {
				signature = bytesOf(t, *one.Signature)
			}
			found, err := Verify(bytesOf(t, one.Model), signature, key)
			switch {
			case one.Needs != "":
				if refused := refusal(t, err); refused.Code != CodeUnsupported {
					t.Fatal(refused)
				}
			case !one.Accept:
				refusal(t, err)
			case err != nil:
				t.Fatal(err)
			case len(found.Signers) != 1 || found.Signers[0] != key.ID() || found.Version != "1.0" ||
				found.Metadata["team"] != "vectors" || len(found.Bytes()) == 0:
				t.Fatalf("%+v", found.Said)
			}
		})
	}
	if count[true] < 13 || count[false] < 80 {
		t.Fatal("there are too few cases: ", count)
	}
}

func opened(t testing.TB, name string) *Model {
	t.Helper()
	model, err := Open(place(name+"/model.onnx"), Options{
		Signature: place("signed/" + name + ".p256.sig"), KeyFiles: []string{place("keys/p256.pem")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Close)
	return model
}

func recordsOf(t testing.TB, name string) []map[string]any {
	var columns map[string][]any
	jsonOf(t, name+"/rows.json", &columns)
	var records []map[string]any
	for column, values := range columns {
		for len(records) < len(values) {
			records = append(records, map[string]any{})
		}
		for row, value := range values {
			records[row][column] = value
		}
	}
	return records
}

func TestRows(t *testing.T) {
	for _, name := range []string{"mixed", "forest", "text"} {
		name := name
		t.Run(name, func(t *testing.T) {
			var expected struct {
				Labels        []any
				Classes       []any
				Probabilities [][]float64
			}
			jsonOf(t, name+"/expected.json", &expected)
			answers, err := opened(t, name).Predict(recordsOf(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if len(answers) != 500 {
				t.Fatalf("%d answers", len(answers))
			}
			wrong, off := 0, 0.0
			for row, answer := range answers {
				if text(t, answer.Label) != text(t, expected.Labels[row]) {
					wrong++
				}
				if len(answer.Probabilities) != len(expected.Classes) {
					t.Fatal(answer)
				}
				for at, one := range answer.Probabilities {
					difference := math.Abs(one - expected.Probabilities[row][at])
					if !(difference <= 1) {
						t.Fatal(answer)
					}
					off = math.Max(off, difference)
				}
			}
			t.Logf("%s: %d labels differ, probabilities by %g", name, wrong, off)
			if wrong > 0 || off > 1e-6 {
				t.Fatalf("%d labels differ, probabilities by %g", wrong, off)
			}
		})
	}
}

func text(t testing.TB, value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A byte changed anywhere is a refusal, and never a crash: in the model, the signature, the artifact.
func TestMutations(t *testing.T) {
	random := rand.New(rand.NewSource(20261122))
	key := keyOf(t, "keys/ed25519.pem")
	model, beside := bytesOf(t, "mixed/model.onnx"), bytesOf(t, "signed/mixed.ed25519.sig")
	artifact := bytesOf(t, "signed/text.ed25519.safeserial")
	for turn := 0; turn < 3000; turn++ {
		changed := mutated(random, [][]byte{model, beside, artifact}[turn%3])
		var err error
		switch turn % 3 {
		case 0:
			_, err = Verify(changed, beside, key)
		case 1:
			var found *Verified
			found, err = Verify(model, changed, key)
			if err == nil && found.Name == "mixed" && found.Signers[0] == key.ID() {
				continue // white space, or what only says where to look
			}
		case 2:
			_, err = Verify(changed, nil, key)
		}
		refusal(t, err)
	}
}

// mutated returns a copy with one to four bytes changed, put in or taken out.
func mutated(random *rand.Rand, data []byte) []byte {
	out := append([]byte(nil), data...)
	for turns := 1 + random.Intn(4); turns > 0; turns-- {
		at := random.Intn(len(out))
		switch random.Intn(4) {
		case 0, 1:
			out[at] ^= byte(1 + random.Intn(255))
		case 2:
			out = append(out[:at], out[at+1:]...)
		case 3:
			out = append(out[:at], append([]byte{byte(random.Intn(256))}, out[at:]...)...)
		}
	}
	return out
}
