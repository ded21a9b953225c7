// SPDX-License-Identifier: BSD-3-Clause
// What the vectors do not have: spellings of JSON, weak keys, weights in other files.

package safeserial

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStrictJSON(t *testing.T) {
	wrong := []string{
		``, `{`, `{"a":1}x`, `{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2}}`, `["\ud800"]`, `["\ud800\u0041"]`,
		`["\udc00"]`, `["\udc00\ud800"]`, `{"\ud800":1}`, "[\"\xff\"]", `[01]`, `[NaN]`, `[1,]`, "\ufeff[]", `['a']`,
		strings.Repeat("[", 17) + strings.Repeat("]", 17), "[" + strings.Repeat("0,", 1<<19) + "0]",
		strings.Repeat("[", 1<<19), "[\"\n\"]",
	}
	for _, one := range wrong {
		if _, err := strictJSON([]byte(one), "it", deepestBeside); err == nil {
			t.Errorf("taken: %.40q", one)
		} else {
			refusal(t, err)
		}
	}
	right := []string{
		`{"a":[1,{"a":2}]}`, `["\ud83d\ude00","\\ud800","\"\\"]`, `[1e5]`, " [ ] ",
		strings.Repeat("[", 15) + "1" + strings.Repeat("]", 15),
	}
	for _, one := range right {
		if _, err := strictJSON([]byte(one), "it", deepestBeside); err != nil {
			t.Errorf("refused: %.40q: %v", one, err)
		}
	}
}

func TestCanonicalJSON(t *testing.T) {
	right := []string{`{"a":[],"b":"\u00e9\ud83d\ude00\u007f\u2028\n\"\\/<>&"}`, `9007199254740991`, `-1`, `[null,true,{}]`}
	for _, one := range right {
		if _, err := canonicalJSON([]byte(one), "it"); err != nil {
			t.Errorf("refused: %s: %v", one, err)
		}
	}
	wrong := []string{
		`{"b":1,"a":2}`, `{"a": 1}`, `"é"`, `"\u00E9"`, `"\/"`, `"\u0041"`, `"\u000a"`, `-0`, `1.0`, `1e3`, `0.5`,
		`9007199254740992`, `{"\u00e9":1}`, `[] `, "\"\x7f\"",
	}
	for _, one := range wrong {
		if _, err := canonicalJSON([]byte(one), "it"); err == nil {
			t.Errorf("taken: %s", one)
		}
	}
}

func TestBase64(t *testing.T) {
	for _, one := range []any{"", "QQ", "QQ=", "QR==", "QQ==\n", "Q\nQ==", " QQ==", "QQ==QQ==", "_-8=", "=", nil, 1} {
		if found, err := fromBase64(one, "it"); err == nil {
			t.Errorf("taken: %q as %q", one, found)
		}
	}
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestKeys(t *testing.T) {
	good := string(bytesOf(t, "keys/ed25519.pem"))
	if _, err := ReadKey(strings.ReplaceAll(good, "\n", "\r\n")); err != nil {
		t.Error(err)
	}
	weakKeys := [][]byte{make([]byte, 32), append([]byte{1}, make([]byte, 31)...)}
	last := make([]byte, 32) // y = 2^255 - 1, not below the prime
	for at := range last {
		last[at] = 0xff
	}
	for _, one := range append(weakKeys, last) {
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(one))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKey(pemOf(der)); err == nil || refusal(t, err).Message != "under this key anybody can sign" {
			t.Errorf("taken: %x: %v", one, err)
		}
	}
	curve := bytesOf(t, "keys/p256.pem")
	block, _ := pem.Decode(curve)
	block.Bytes[len(block.Bytes)-1] ^= 1 // off the curve
	wrong := []string{
		"", "x", pemBegin, pemBegin + pemEnd, "before\n" + good, good + good, strings.Repeat("x", longestKey+1),
		strings.ReplaceAll(good, "PUBLIC", "PRIVATE"), pemOf(block.Bytes), pemOf(append(block.Bytes, 0)),
		hmacLine, hmacLine + "AAAA", hmacLine + strings.Repeat("A", 64), "safeserial-ed25519-private-v1:AAAA",
	}
	for _, one := range wrong {
		_, err := ReadKey(one)
		if refusal(t, err).Code != CodeKey {
			t.Error(err)
		}
	}
	_, err := Verify([]byte("x"), []byte("y"))
	if refusal(t, err).Code != CodeKey {
		t.Error(err)
	}
}

// counting writes one field of protocol buffers.
func counting(number byte, body string) string {
	return string([]byte{number<<3 | counted, byte(len(body))}) + body
}

func TestWeightsInAnotherFile(t *testing.T) {
	outside := counting(fieldExternal, counting(1, "location")+counting(2, "weights.bin"))
	nested := counting(1, counting(5, counting(6, counting(1, counting(5, counting(5, outside))))))
	wrong := map[string]string{
		"an initializer":         counting(7, counting(5, outside)),
		"only said so":           counting(7, counting(5, "\x70\x01")),
		"in a graph in a node":   counting(7, nested),
		"a sparse one":           counting(7, counting(15, counting(1, outside))),
		"the tag written longer": counting(7, "\xaa\x80\x00"+string(rune(len(outside)))+outside),
		"no model":               "hello",
		"two graphs":             counting(7, "") + counting(7, ""),
		"no graph":               counting(2, "me"),
		"cut":                    counting(7, outside)[:9],
		"the engine's own":       "\x00\x00\x00\x00ORTM",
		"nothing":                "",
	}
	for name, one := range wrong {
		if err := checkModel([]byte(one)); err == nil {
			t.Error("taken: ", name)
		} else {
			refusal(t, err)
		}
	}
	deep := ""
	for turn := 0; turn < 12; turn++ {
		deep = counting(1, counting(5, counting(6, deep)))
	}
	for name, one := range map[string]string{
		"a column called location": counting(7, counting(1, counting(1, "location"))),
		"graphs in graphs":         counting(7, deep),
	} {
		if err := checkModel([]byte(one)); err != nil {
			t.Error(name, err)
		}
	}
}

func TestFiles(t *testing.T) {
	folder := t.TempDir()
	model := filepath.Join(folder, "model.onnx")
	options := Options{Keys: []*Key{keyOf(t, "keys/ed25519.pem")}}
	_, err := VerifyFile(model, options)
	if found := refusal(t, err); !strings.Contains(found.Message, "cannot read") || !os.IsNotExist(found.Unwrap()) {
		t.Error(found)
	}
	_, err = VerifyFile(folder, options)
	refusal(t, err)
	if err := os.WriteFile(model, bytesOf(t, "mixed/model.onnx"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = VerifyFile(model, options)
	if refusal(t, err).Code != CodeUnsigned {
		t.Error(err)
	}
	if err := os.WriteFile(model+".sig", bytesOf(t, "signed/mixed.ed25519.sig"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyFile(model, options); err != nil {
		t.Error(err)
	}
	options.Signature = filepath.Join(folder, "none")
	_, err = VerifyFile(model, options)
	refusal(t, err)
}

func TestBytesOfTheCallerMayChange(t *testing.T) {
	data := bytesOf(t, "mixed/model.onnx")
	found, err := Verify(data, bytesOf(t, "signed/mixed.ed25519.sig"), keyOf(t, "keys/ed25519.pem"))
	if err != nil {
		t.Fatal(err)
	}
	copied := found.Bytes()
	data[0] ^= 1
	copied[1] ^= 1
	if found.Bytes()[0] == data[0] || found.Bytes()[1] == copied[1] {
		t.Error("what was verified can be changed from outside")
	}
}
