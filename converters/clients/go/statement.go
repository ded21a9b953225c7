// SPDX-License-Identifier: BSD-3-Clause
// What a signature beside a model is over: an in-toto statement of one file.

package safeserial

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"time"
	"unicode/utf8"
)

const (
	longestStatement = 16 << 20
	factsKey         = "safeserial/v1"
	sizeKey          = "safeserial/size"
)

var (
	hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
	moment    = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
)

type statement struct {
	algorithm, digest string
	size              int64 // -1 where the signer does not say
	said              Said
}

// check holds a model against one signer's statement, and that against the first signer's.
func (s *statement) check(data []byte, first statement) error {
	if err := checkDigest(s.algorithm, s.digest, data); err != nil {
		return err
	}
	if s.size >= 0 && s.size != int64(len(data)) {
		return refuse(CodeDigest, askAgain, "the model has another size")
	}
	if s.said.Name != first.said.Name || s.said.Version != first.said.Version {
		return refuse(CodeBadSignature, askAgain, "the signers call the model by different names")
	}
	return nil
}

// readStatement reads a statement whose signature is right.
func readStatement(payload []byte, ours bool) (statement, error) {
	var found statement
	if len(payload) > longestStatement {
		return found, malformed("the statement is too long")
	}
	value, err := strictJSON(payload, "the statement", deepestBeside)
	if err != nil {
		return found, err
	}
	top, err := fieldsOf(value, "the statement", "_type subject predicateType predicate", "")
	if err != nil {
		return found, err
	}
	if top["_type"] != "https://in-toto.io/Statement/v1" ||
		top["predicateType"] != "https://model_signing/signature/v1.0" {
		return found, refuse(CodeUnsupported, askAgain, "the statement is of another type")
	}
	listed, _ := top["subject"].([]any)
	if len(listed) != 1 {
		return found, malformed("there is no subject")
	}
	subject, ok := listed[0].(map[string]any)
	if !ok {
		return found, malformed("there is no subject")
	}
	if err := found.predicate(top["predicate"], subject, ours); err != nil {
		return found, err
	}
	notes, _ := subject["annotations"].(map[string]any)
	return found, found.facts(notes[factsKey])
}

func (s *statement) predicate(value any, subject map[string]any, ours bool) error {
	parts, err := fieldsOf(value, "the predicate", "resources serialization", "")
	if err != nil {
		return err
	}
	how, err := fieldsOf(parts["serialization"], "serialization", "method hash_type allow_symlinks", "ignore_paths")
	if err != nil {
		return err
	}
	s.algorithm, _ = how["hash_type"].(string)
	known := s.algorithm == "sha256" || ours && s.algorithm == "blake3"
	if !known || how["method"] != "files" || how["allow_symlinks"] != false {
		return refuse(CodeUnsupported, askAgain, "the model is hashed in a way that is not read here")
	}
	folder := refuse(CodeUnsupported, "sign the .onnx file itself", "the signature is one of a folder")
	resources, _ := parts["resources"].([]any)
	if len(resources) != 1 {
		return folder
	}
	file, _ := resources[0].(map[string]any)
	s.digest, _ = file["digest"].(string)
	if file["algorithm"] != s.algorithm || !hexDigest.MatchString(s.digest) {
		return malformed("the digest of the model has another form")
	}
	raw, err := hex.DecodeString(s.digest)
	root := sha256.Sum256(raw)
	digests, _ := subject["digest"].(map[string]any)
	if err != nil || digests["sha256"] != hex.EncodeToString(root[:]) {
		return refuse(CodeDigest, askAgain, "the digest of the whole is wrong")
	}
	name, ok := file["name"].(string)
	if !ok || name != "." && name != subject["name"] {
		return folder
	}
	s.size = -1
	notes, _ := file["annotations"].(map[string]any)
	if size, there := notes[sizeKey]; there {
		if s.size, ok = integerOf(size); !ok || s.size < 0 {
			return malformed("the size of the model is no number of bytes")
		}
	}
	return nil
}

// facts reads what the signer says of the model, all of it optional.
func (s *statement) facts(value any) error {
	s.said.Metadata = map[string]any{}
	if value == nil {
		return nil
	}
	const what = "what the signer says"
	facts, err := fieldsOf(value, what, "", "created name version metadata")
	if err != nil {
		return err
	}
	texts := map[string]*string{"created": &s.said.Created, "name": &s.said.Name, "version": &s.said.Version}
	for key, place := range texts {
		one, there := facts[key]
		text, ok := one.(string)
		if there && (!ok || utf8.RuneCountInString(text) > 256) {
			return malformed("%s has a wrong %s", what, key)
		}
		*place = text
	}
	if _, there := facts["created"]; there {
		if err := checkCreated(s.said.Created); err != nil {
			return err
		}
	}
	metadata, there := facts["metadata"]
	if !there {
		return nil
	}
	words, ok := metadata.(map[string]any)
	for _, one := range words {
		if _, text := one.(string); !text {
			ok = false
		}
	}
	if !ok {
		return malformed("the metadata are not texts")
	}
	s.said.Metadata = words
	return nil
}

// checkCreated refuses what is no date of the calendar with its time, in UTC, or lies in the future.
func checkCreated(text string) error {
	found, err := time.Parse("2006-01-02T15:04:05Z", text)
	if !moment.MatchString(text) || err != nil || found.Year() < 1 {
		return malformed("the date is wrong")
	}
	if found.After(time.Now().Add(5 * time.Minute)) {
		return refuse(CodeBadSignature, "compare the clocks: yours and the signer's", "the model was signed in the future")
	}
	return nil
}
