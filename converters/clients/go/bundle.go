// SPDX-License-Identifier: BSD-3-Clause
// A model with its signature in a file beside it (docs/spec/detached-v1.md).

package safeserial

import (
	"bytes"
	"regexp"
	"strings"
)

const (
	sigstoreType     = "application/vnd.dev.sigstore.bundle.v0.3+json"
	ourType          = "application/vnd.safeserial.bundle.v1+json"
	statementType    = "application/vnd.in-toto+json"
	longestSignature = 64 << 20
	mostLines        = 4096
	mostBundles      = 32
)

var (
	keyName   = regexp.MustCompile(`^[\x21-\x7e]{1,256}$`)
	curveName = regexp.MustCompile(`^p\d+-`)
)

// A bundle is one line, of one signer; nothing of it is verified.
type bundle struct {
	ours           bool
	payload, value []byte
	keyid, hint    string
	byKey          bool
}

// verifyBeside holds a model against the content of its signature file and returns what its signers say.
func verifyBeside(data, signature []byte, keys []*Key) (Said, error) {
	var said Said
	bundles, err := split(signature)
	if err != nil {
		return said, err
	}
	var all []statement
	var who []string
	for _, one := range bundles {
		who = append(who, one.label())
		message := signedBytes(statementType, one.payload)
		key, err := one.keyOf(keys, message)
		if err != nil {
			return said, err
		}
		if key == nil {
			continue
		}
		for _, other := range said.Signers {
			if other == key.id {
				return said, malformed("two signatures are of one key")
			}
		}
		if !key.fits(message, one.value, ofBeside) {
			return said, refuse(CodeBadSignature, doNotUse, "the signature of %s is wrong", key.id)
		}
		found, err := readStatement(one.payload, one.ours)
		if err != nil {
			return said, err
		}
		said.Signers, all = append(said.Signers, key.id), append(all, found)
	}
	if len(all) == 0 {
		return said, nobodyKnown(who)
	}
	for _, one := range all {
		if err := one.check(data, all[0]); err != nil {
			return said, err
		}
	}
	signers := said.Signers
	said = all[0].said
	said.Signers = signers
	return said, nil
}

func split(data []byte) ([]bundle, error) {
	if len(data) > longestSignature {
		return nil, malformed("the signature file is too long")
	}
	if bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r")) > mostLines {
		return nil, malformed("the signature file has too many lines")
	}
	text := strings.Trim(string(data), " \t\r\n")
	if text == "" {
		return nil, refuse(CodeUnsigned, "ask the sender to sign the model", "the signature file is empty")
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for _, line := range lines {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(strings.TrimRight(line, " \t"), "}") {
			lines = []string{text} // one bundle that somebody laid out for people
			break
		}
	}
	if len(lines) > mostBundles {
		return nil, malformed("there are too many signatures")
	}
	var found []bundle
	seen := map[string]bool{}
	for _, line := range lines {
		one, err := bundleOf(line)
		if err != nil {
			return nil, err
		}
		content := string(one.payload) + "\x00" + string(one.value)
		if seen[content] {
			return nil, malformed("the signature file has the same signature twice")
		}
		seen[content] = true
		found = append(found, one)
	}
	return found, nil
}

func bundleOf(line string) (bundle, error) {
	var found bundle
	value, err := strictJSON([]byte(line), "the signature file", deepestBeside)
	if err != nil {
		return found, err
	}
	top, err := fieldsOf(value, "the bundle", "mediaType verificationMaterial dsseEnvelope", "")
	if err != nil {
		return found, err
	}
	if top["mediaType"] != sigstoreType && top["mediaType"] != ourType {
		return found, refuse(CodeUnsupported, askAgain, "unknown kind of signature")
	}
	found.ours = top["mediaType"] == ourType
	if err := found.envelope(top["dsseEnvelope"]); err != nil {
		return found, err
	}
	return found, found.material(top["verificationMaterial"])
}

func (b *bundle) envelope(value any) error {
	envelope, err := fieldsOf(value, "the envelope", "payload payloadType signatures", "")
	if err != nil {
		return err
	}
	if envelope["payloadType"] != statementType {
		return refuse(CodeUnsupported, askAgain, "unknown type of signed content")
	}
	signatures, ok := envelope["signatures"].([]any)
	if !ok {
		return malformed("the signatures are no list")
	}
	if len(signatures) == 0 {
		return refuse(CodeUnsigned, "ask the sender to sign the model", "the bundle carries no signature")
	}
	if len(signatures) > 1 {
		return malformed("the bundle carries more than one signature")
	}
	one, err := fieldsOf(signatures[0], "the signature", "sig", "keyid")
	if err != nil {
		return err
	}
	if b.value, err = fromBase64(one["sig"], "the signature"); err != nil {
		return err
	}
	if len(b.value) > 8192 {
		return malformed("the signature is too long")
	}
	if b.payload, err = fromBase64(envelope["payload"], "the statement"); err != nil {
		return err
	}
	b.keyid, err = nameOf(one["keyid"])
	return err
}

func (b *bundle) material(value any) error {
	const what = "verificationMaterial"
	found, err := fieldsOf(value, what, "", "publicKey tlogEntries x509CertificateChain")
	if err != nil {
		return err
	}
	if entries, ok := found["tlogEntries"].([]any); found["tlogEntries"] != nil && (!ok || len(entries) > 0) {
		return refuse(CodeUnsupported, askAgain, "keyless signatures are not read here")
	}
	public, byKey := found["publicKey"]
	_, byChain := found["x509CertificateChain"]
	if byKey == byChain || byChain && b.ours {
		return malformed("the bundle names no key")
	}
	if b.byKey = byKey; !byKey {
		return nil
	}
	key, err := fieldsOf(public, "publicKey", "", "hint rawBytes keyDetails validFor")
	if err != nil {
		return err
	}
	b.hint, err = nameOf(key["hint"])
	return err
}

func nameOf(value any) (string, error) {
	if value == nil || value == "" {
		return "", nil
	}
	name, ok := value.(string)
	if !ok || !keyName.MatchString(name) {
		return "", malformed("the name of a key has another form")
	}
	return name, nil
}

func (b *bundle) label() string {
	switch {
	case b.keyid != "":
		return b.keyid
	case b.hint != "":
		return b.hint
	}
	return "a key without a name"
}

// keyOf finds the key, or nil: what a bundle says only tells where to look, and the algorithm is the key's.
func (b *bundle) keyOf(keys []*Key, message []byte) (*Key, error) {
	mixed := refuse(CodeBadSignature, doNotUse, "the bundle is labelled as of another algorithm than its key")
	two := malformed("the bundle names two keys")
	switch {
	case !b.byKey: // certificates: verified where roots can be given
		return nil, nil
	case b.ours:
		if b.hint != "" && b.keyid != "" && b.hint != b.keyid {
			return nil, two
		}
		name := b.hint
		if name == "" {
			name = b.keyid
		}
		key := named(keys, name)
		if key != nil && key.curve {
			return nil, mixed
		}
		return key, nil
	}
	known := named(keys, b.keyid)
	if known == nil {
		known = named(keys, b.hint)
	}
	if known != nil && !known.curve {
		return nil, mixed
	}
	if b.hint != "" {
		hinted := b.hinted(keys)
		if known != nil && known != hinted {
			return nil, two
		}
		if hinted != nil && b.keyid != "" && b.keyid != hinted.id && curveName.MatchString(b.keyid) {
			return nil, two
		}
		return hinted, nil
	}
	if known != nil || b.keyid != "" {
		return known, nil
	}
	for _, one := range keys {
		if one.curve && one.fits(message, b.value, ofBeside) {
			return one, nil
		}
	}
	return nil, nil
}

func (b *bundle) hinted(keys []*Key) *Key {
	for _, one := range keys {
		if one.curve && one.hint == b.hint {
			return one
		}
	}
	return nil
}
