// SPDX-License-Identifier: BSD-3-Clause
// A signed artifact, model.safeserial (docs/spec/format-v1.md). No ZIP structure is interpreted: what the
// manifest says the file must be is built and compared with what it is.

package safeserial

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"regexp"
	"strings"
)

const (
	manifestType    = "application/vnd.safeserial.manifest.v1+json"
	firstHeader     = 64
	room            = 16320 // for the signatures
	alignment       = 64
	longestManifest = 16 << 20
	january1980     = 33 // 1 January 1980, in ZIP's way
)

var keyID = regexp.MustCompile(`^[a-z0-9][a-z0-9._:-]{0,127}$`)

// A member is what the ZIP's headers say of a file in it.
type member struct {
	path     string
	size     int
	crc      uint32
	position int
	digest   string
}

type sealed struct {
	keyid string
	value []byte
}

func looksLikeArtifact(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// verifyArtifact returns the model's bytes, a part of the given ones, and what its signers say.
func verifyArtifact(data []byte, keys []*Key) ([]byte, Said, error) {
	fail := func(err error) ([]byte, Said, error) { return nil, Said{}, err }
	const begin = firstHeader + room
	if len(data) < begin {
		return fail(malformed("the file is too short"))
	}
	front := data[firstHeader:begin]
	first := member{path: "signatures.json", size: room, crc: crc32.ChecksumIEEE(front)}
	if !bytes.Equal(data[:firstHeader], first.header()) {
		return fail(malformed("the file does not begin as an artifact"))
	}
	size, signatures, err := readFront(front)
	if err != nil {
		return fail(err)
	}
	second := member{path: "manifest.json", size: size, position: begin}
	from := begin + len(second.header())
	if len(data) < from+size {
		return fail(malformed("the file is too short"))
	}
	body := data[from : from+size]
	signers, err := signersOf(signatures, keys, signedBytes(manifestType, body))
	if err != nil {
		return fail(err)
	}
	payload, said, err := readManifest(body)
	if err != nil {
		return fail(err)
	}
	said.Signers = signers

	second.crc = crc32.ChecksumIEEE(body)
	payload.position = from + size
	header := payload.header()
	if payload.size > len(data) {
		return fail(malformed("the file is too short"))
	}
	at := payload.position + len(header)
	end := at + payload.size
	last := tail([]member{first, second, payload}, end)
	switch {
	case !bytes.Equal(data[begin:from], second.header()):
		return fail(malformed("the manifest's header is wrong"))
	case len(data) != end+len(last) || !bytes.Equal(data[end:], last):
		return fail(malformed("the end of the file is not as it should be"))
	case !bytes.Equal(data[payload.position:at], header):
		return fail(malformed("a member's header is wrong"))
	}
	algorithm, digest, _ := strings.Cut(payload.digest, ":")
	model := data[at:end]
	if err := checkDigest(algorithm, digest, model); err != nil {
		return fail(err)
	}
	return model, said, nil
}

func readFront(data []byte) (int, []sealed, error) {
	value, err := canonicalJSON(bytes.TrimRight(data, " "), "signatures.json")
	if err != nil {
		return 0, nil, err
	}
	front, err := fieldsOf(value, "signatures.json", "payloadSize payloadType signatures", "")
	if err != nil {
		return 0, nil, err
	}
	if front["payloadType"] != manifestType {
		return 0, nil, refuse(CodeUnsupported, askAgain, "the artifact is of another version")
	}
	size, ok := integerOf(front["payloadSize"])
	if !ok || size < 1 || size > longestManifest {
		return 0, nil, malformed("the manifest has another size")
	}
	listed, ok := front["signatures"].([]any)
	if !ok || len(listed) > mostBundles {
		return 0, nil, malformed("the signatures are no list of at most %d", mostBundles)
	}
	if len(listed) == 0 {
		return 0, nil, refuse(CodeUnsigned, "ask the sender to sign it", "the artifact is not signed")
	}
	var found []sealed
	seen := map[string]bool{}
	for _, one := range listed {
		parts, err := fieldsOf(one, "a signature", "keyid sig", "")
		if err != nil {
			return 0, nil, err
		}
		name, ok := parts["keyid"].(string)
		if !ok || !keyID.MatchString(name) || seen[name] {
			return 0, nil, malformed("the name of a key has another form, or is there twice")
		}
		seen[name] = true
		signature, err := fromBase64(parts["sig"], "a signature")
		if err != nil {
			return 0, nil, err
		}
		found = append(found, sealed{name, signature})
	}
	return int(size), found, nil
}

func signersOf(signatures []sealed, keys []*Key, message []byte) ([]string, error) {
	var found, who []string
	for _, one := range signatures {
		who = append(who, one.keyid)
		key := named(keys, one.keyid)
		if key == nil {
			continue
		}
		if !key.fits(message, one.value, ofArtifact) {
			return nil, refuse(CodeBadSignature, doNotUse, "the signature of %s is wrong", key.id)
		}
		found = append(found, key.id)
	}
	if len(found) == 0 {
		return nil, nobodyKnown(who)
	}
	return found, nil
}

// header returns the local header of a member (section 3.1).
func (m member) header() []byte {
	bare := m.position + 30 + len(m.path) + 6
	gap := (alignment - bare%alignment) % alignment
	size := uint32(m.size)
	out := little(uint32(0x04034b50), uint16(20), uint16(0), uint16(0), uint16(0), uint16(january1980),
		m.crc, size, size, uint16(len(m.path)), uint16(6+gap))
	out = append(out, m.path...)
	out = append(out, little(uint16(0xd935), uint16(2+gap), uint16(alignment))...)
	return append(out, make([]byte, gap)...)
}

// tail returns central directory and end record (sections 3.2 and 3.3).
func tail(members []member, position int) []byte {
	var out []byte
	none := uint16(0)
	for _, one := range members {
		size := uint32(one.size)
		out = append(out, little(uint32(0x02014b50), uint16(20), uint16(20), none, none, none,
			uint16(january1980), one.crc, size, size, uint16(len(one.path)), none, none, none, none,
			uint32(0), uint32(one.position))...)
		out = append(out, one.path...)
	}
	count := uint16(len(members))
	return append(out, little(uint32(0x06054b50), none, none, count, count, uint32(len(out)),
		uint32(position), none)...)
}

func little(values ...any) []byte {
	var out bytes.Buffer
	for _, one := range values {
		// Integers of a fixed size cannot fail to be written to memory.
		_ = binary.Write(&out, binary.LittleEndian, one)
	}
	return out.Bytes()
}
