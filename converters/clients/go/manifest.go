// SPDX-License-Identifier: BSD-3-Clause
// The manifest of an artifact (section 6 of docs/spec/format-v1.md), read once its signature was found right.

package safeserial

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

var (
	memberPath = regexp.MustCompile(`^payload(/[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?){1,4}$`)
	memberHash = regexp.MustCompile(`^(blake3|sha256):[0-9a-f]{64}$`)
	memberSum  = regexp.MustCompile(`^[0-9a-f]{8}$`)
)

func readManifest(body []byte) (member, Said, error) {
	var payload member
	var said Said
	value, err := canonicalJSON(body, "the manifest")
	if err != nil {
		return payload, said, err
	}
	if found, ok := value.(map[string]any); !ok || found["schema"] != "safeserial/manifest/v1" {
		return payload, said, refuse(CodeUnsupported, askAgain, "the manifest is of another version")
	}
	manifest, err := fieldsOf(value, "the manifest",
		"created environment format globals members model options schema", "metadata name version")
	if err != nil {
		return payload, said, err
	}
	if format, _ := manifest["format"].(string); format != "onnx" {
		return payload, said, refuse(CodeUnsupported, "ask for it as ONNX: safeserial convert --to onnx",
			"the artifact holds %.40q, not ONNX", format)
	}
	members, _ := manifest["members"].([]any)
	if len(members) != 1 {
		return payload, said, malformed("an ONNX artifact has one member")
	}
	if payload, err = readMember(members[0]); err != nil {
		return payload, said, err
	}
	said, err = describe(manifest)
	return payload, said, err
}

func readMember(value any) (member, error) {
	var found member
	parts, err := fieldsOf(value, "the member", "path size digest crc32", "")
	if err != nil {
		return found, err
	}
	found.path, _ = parts["path"].(string)
	found.digest, _ = parts["digest"].(string)
	size, whole := integerOf(parts["size"])
	sum, _ := parts["crc32"].(string)
	switch {
	case !memberPath.MatchString(found.path) || strings.Contains(found.path, ".."):
		return found, malformed("the member has a wrong path")
	case !whole || size < 0:
		return found, malformed("the member has a wrong size")
	case size > longestModel:
		return found, refuse(CodeUnsupported, askAgain, "models of 2 GiB are not read here")
	case !memberHash.MatchString(found.digest):
		return found, malformed("the member has a wrong digest")
	case !memberSum.MatchString(sum):
		return found, malformed("the member has a wrong CRC-32")
	}
	crc, _ := strconv.ParseUint(sum, 16, 32)
	found.size, found.crc = int(size), uint32(crc)
	return found, nil
}

// describe reads the rest of a manifest, each field of which has its type (section 6).
func describe(manifest map[string]any) (Said, error) {
	said := Said{Metadata: map[string]any{}}
	_, hasOptions := manifest["options"].(map[string]any)
	if !hasOptions || !areTexts(manifest["globals"]) {
		return said, malformed("the options or globals of the manifest are of another type")
	}
	place, err := fieldsOf(manifest["environment"], "the environment", "python implementation platform packages", "")
	if err != nil {
		return said, err
	}
	packages, ok := place["packages"].(map[string]any)
	if !ok || !areTexts([]any{place["python"], place["implementation"], place["platform"]}) {
		return said, malformed("the environment holds what is no text")
	}
	for _, one := range packages {
		if !areTexts([]any{one}) {
			return said, malformed("the environment holds what is no text")
		}
	}
	if said.Classes, err = readModel(manifest["model"]); err != nil {
		return said, err
	}
	for key, place := range map[string]*string{"name": &said.Name, "version": &said.Version} {
		text, ok := manifest[key].(string)
		if manifest[key] != nil && !ok {
			return said, malformed("the %s is no text", key)
		}
		*place = text
	}
	if metadata, there := manifest["metadata"]; there {
		if said.Metadata, ok = metadata.(map[string]any); !ok {
			return said, malformed("the metadata are no object")
		}
	}
	said.Created, _ = manifest["created"].(string)
	return said, checkCreated(said.Created)
}

// readModel checks what the manifest says of the model, and returns its classes.
func readModel(value any) ([]any, error) {
	model, err := fieldsOf(value, "the model", "class_name", "n_features feature_names classes")
	if err != nil {
		return nil, err
	}
	names, there := model["feature_names"]
	if !areTexts([]any{model["class_name"]}) || there && names != nil && !areTexts(names) {
		return nil, malformed("the model has names that are no texts")
	}
	if features := model["n_features"]; features != nil {
		if _, whole := integerOf(features); !whole {
			return nil, malformed("the model has another number of features")
		}
	}
	classes, ok := model["classes"].([]any)
	if model["classes"] != nil && !ok {
		return nil, malformed("the classes are no list")
	}
	for _, one := range classes {
		switch one.(type) {
		case string, bool, json.Number: // of which canonical JSON has integers alone
		default:
			return nil, malformed("the model has other classes")
		}
	}
	return classes, nil
}

func areTexts(value any) bool {
	listed, ok := value.([]any)
	for _, one := range listed {
		if _, text := one.(string); !text {
			return false
		}
	}
	return ok
}
