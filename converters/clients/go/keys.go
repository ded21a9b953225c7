// SPDX-License-Identifier: BSD-3-Clause
// Keys, and whether a signature fits one. The cryptography is Go's own.

package safeserial

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
)

const (
	longestKey = 16384
	pemBegin   = "-----BEGIN PUBLIC KEY-----"
	pemEnd     = "-----END PUBLIC KEY-----"
	hmacLine   = "safeserial-hmac-sha256-v1:"
	notAKey    = "give the PEM of a public key, or the one line of a shared secret"
)

// The purposes under which a shared secret signs; pairs of keys have no need of them.
const (
	ofArtifact = "artifact-signature"
	ofBeside   = "detached-signature"
)

// A public key in DER is one of these beginnings and so many bytes, nothing else.
var kinds = []struct {
	label, der string
	bytes      int
}{
	{"ed25519", "302a300506032b6570032100", 32},
	{"p256", "3059301306072a8648ce3d020106082a8648ce3d030107034200", 65},
	{"p384", "3076301006072a8648ce3d020106052b81040022036200", 97},
	{"p521", "30819b301006072a8648ce3d020106052b8104002303818600", 133},
}

var (
	prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// The y of every point whose order divides 8: under such a key anybody can sign.
	weak = []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(prime, big.NewInt(1)),
		decimal("2707385501144840649318225287225658788936804267575313519463743609750303402022"),
		decimal("55188659117513257062467267217118295137698188065244968500265048394206261417927"),
	}
)

func decimal(digits string) *big.Int {
	value, _ := new(big.Int).SetString(digits, 10)
	return value
}

// A Key is somebody whom you trust.
type Key struct {
	id    string
	hint  string // how a signature file names it
	curve bool   // ECDSA
	fits  func(message, value []byte, purpose string) bool
}

// ID returns the name of the key, which begins with its kind.
func (k *Key) ID() string { return k.id }

// ReadKey reads a public key (PEM: Ed25519, P-256, P-384, P-521) or a shared secret (one line).
func ReadKey(text string) (*Key, error) {
	if len(text) > longestKey {
		return nil, refuse(CodeKey, notAKey, "that is no key")
	}
	line := strings.TrimSpace(text)
	if strings.HasPrefix(line, hmacLine) {
		return secretKey(line[len(hmacLine):])
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(line, pemBegin), pemEnd)
	if len(inner) != len(line)-len(pemBegin)-len(pemEnd) {
		return nil, refuse(CodeKey, notAKey, "that is no public key in PEM")
	}
	der, err := fromBase64(strings.Join(strings.Fields(inner), ""), "the public key")
	if err != nil {
		return nil, refuse(CodeKey, notAKey, "that is no public key in PEM")
	}
	return publicKey(der)
}

func publicKey(der []byte) (*Key, error) {
	label := ""
	for _, kind := range kinds {
		if len(der) == len(kind.der)/2+kind.bytes && strings.HasPrefix(hex.EncodeToString(der), kind.der) {
			label = kind.label
		}
	}
	if label == "" {
		return nil, refuse(CodeKey, "Ed25519, P-256, P-384 or P-521", "this kind of public key is not read here")
	}
	read, err := x509.ParsePKIXPublicKey(der) // refuses a point that is not on its curve
	if err != nil {
		return nil, refuse(CodeKey, notAKey, "the public key cannot be used")
	}
	sum := sha256.Sum256(der)
	key := &Key{id: label + "-" + hex.EncodeToString(sum[:16])}
	key.hint = key.id
	switch public := read.(type) {
	case ed25519.PublicKey:
		if isWeak(public) {
			return nil, refuse(CodeKey, notAKey, "under this key anybody can sign")
		}
		key.fits = func(message, value []byte, _ string) bool { return ed25519.Verify(public, message, value) }
	case *ecdsa.PublicKey:
		key.curve = true
		text := sha256.Sum256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		key.hint = hex.EncodeToString(text[:])
		key.fits = func(message, value []byte, _ string) bool {
			return ecdsa.VerifyASN1(public, hashFor(label, message), value)
		}
	}
	return key, nil
}

func isWeak(public ed25519.PublicKey) bool {
	reversed := make([]byte, len(public))
	for at, one := range public {
		reversed[len(public)-1-at] = one
	}
	reversed[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(reversed)
	for _, one := range weak {
		if y.Cmp(one) == 0 {
			return true
		}
	}
	return y.Cmp(prime) >= 0
}

func hashFor(label string, message []byte) []byte {
	switch label {
	case "p384":
		sum := sha512.Sum384(message)
		return sum[:]
	case "p521":
		sum := sha512.Sum512(message)
		return sum[:]
	}
	sum := sha256.Sum256(message)
	return sum[:]
}

func secretKey(text string) (*Key, error) {
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	secret, err := fromBase64(standard, "the shared secret")
	if err != nil {
		return nil, refuse(CodeKey, notAKey, "the shared secret is not base64 as it should be")
	}
	distinct := map[byte]bool{}
	for _, one := range secret {
		distinct[one] = true
	}
	if len(secret) < 32 || len(secret) > 1024 || len(distinct) < 8 {
		return nil, refuse(CodeKey, "make one with: safeserial keys new", "the shared secret is too weak")
	}
	id := "hmac-" + hex.EncodeToString(derived(secret, "key-id")[:16])
	fits := func(message, value []byte, purpose string) bool {
		return hmac.Equal(value, tag(derived(secret, purpose), message)) // in constant time
	}
	return &Key{id: id, hint: id, fits: fits}, nil
}

// derived is HKDF-SHA256 (RFC 5869) without salt, one block: two turns of HMAC, which is what Go 1.19
// brings for it.
func derived(secret []byte, purpose string) []byte {
	extracted := tag(make([]byte, sha256.Size), secret)
	return tag(extracted, []byte("safeserial/v1/"+purpose+"\x01"))
}

func tag(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// signedBytes is DSSE's pre-authentication encoding: what a signature is over.
func signedBytes(kind string, body []byte) []byte {
	var out bytes.Buffer
	out.WriteString("DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(body)) + " ")
	out.Write(body)
	return out.Bytes()
}

// checkDigest compares bytes with what was signed.
func checkDigest(algorithm, digest string, data []byte) error {
	if algorithm != "sha256" {
		return refuse(CodeUnsupported, "ask the sender to sign it with SHA-256",
			"the model is hashed with BLAKE3, which Go's standard library does not have")
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != digest {
		return refuse(CodeDigest, doNotUse, "the model was changed after it was signed")
	}
	return nil
}

// named returns the key with an id, or nil.
func named(keys []*Key, id string) *Key {
	for _, one := range keys {
		if id != "" && one.id == id {
			return one
		}
	}
	return nil
}

// nobodyKnown refuses what only others than the given keys have signed.
func nobodyKnown(who []string) error {
	return refuse(CodeUnknownKey, "get the sender's public key from the sender",
		"signed by %s, and none of your keys is that", strings.Join(who, ", "))
}
