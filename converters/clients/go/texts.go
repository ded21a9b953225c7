// SPDX-License-Identifier: BSD-3-Clause
// Base64 and JSON, each in the one form that the specification allows.

package safeserial

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	mostValues     = 1 << 19
	deepest        = 32 // of an artifact's JSON; a value at the top has depth 0
	deepestBeside  = 15 // of a signature file: 16 levels
	largestInteger = 1<<53 - 1
)

// fromBase64 reads base64: the standard alphabet, padded, no spare bits, no white space, at least a byte.
func fromBase64(value any, what string) ([]byte, error) {
	text, ok := value.(string)
	if !ok {
		return nil, malformed("%s is not base64", what)
	}
	found, err := base64.StdEncoding.Strict().DecodeString(text)
	// The decoder passes over line ends, so the text is compared with the one spelling.
	if err != nil || len(found) == 0 || base64.StdEncoding.EncodeToString(found) != text {
		return nil, malformed("%s is not base64 as it should be", what)
	}
	return found, nil
}

// strictJSON reads JSON in which no object has a key twice and no text has half a character. Numbers
// stay as they are written (json.Number).
func strictJSON(data []byte, what string, most int) (any, error) {
	count := 0
	for _, one := range []string{",", "[", "{"} {
		count += bytes.Count(data, []byte(one))
	}
	if count > mostValues {
		return nil, malformed("%s has too many values", what)
	}
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, malformed("%s is not JSON", what)
	}
	if halfCharacter(data) {
		return nil, malformed("%s has half a character", what)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return (&tree{decoder, what, most}).value(0)
}

// A tree reads values out of tokens, which is how encoding/json tells of a key that comes twice.
type tree struct {
	decoder *json.Decoder
	what    string
	most    int
}

func (t *tree) value(depth int) (any, error) {
	if depth > t.most {
		return nil, malformed("%s is nested too deep", t.what)
	}
	token, err := t.decoder.Token()
	if err != nil {
		return nil, malformed("%s is not JSON", t.what)
	}
	switch token {
	case json.Delim('{'):
		return t.object(depth)
	case json.Delim('['):
		return t.list(depth)
	}
	return token, nil
}

func (t *tree) object(depth int) (any, error) {
	found := map[string]any{}
	for t.decoder.More() {
		token, err := t.decoder.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, malformed("%s is not JSON", t.what)
		}
		if _, twice := found[key]; twice {
			return nil, malformed("%s has a key twice", t.what)
		}
		if found[key], err = t.value(depth + 1); err != nil {
			return nil, err
		}
	}
	return found, t.end()
}

func (t *tree) list(depth int) (any, error) {
	found := []any{}
	for t.decoder.More() {
		one, err := t.value(depth + 1)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, t.end()
}

func (t *tree) end() error {
	if _, err := t.decoder.Token(); err != nil {
		return malformed("%s is not JSON", t.what)
	}
	return nil
}

// halfCharacter says whether valid JSON escapes one half of a surrogate pair without the other, which
// encoding/json would silently replace.
func halfCharacter(data []byte) bool {
	for at := 0; at < len(data); at++ {
		if data[at] != '\\' {
			continue
		}
		at++
		if data[at] != 'u' {
			continue
		}
		first := unit(data[at+1:])
		at += 4
		if !utf16.IsSurrogate(first) {
			continue
		}
		rest := data[at+1:]
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' ||
			utf16.DecodeRune(first, unit(rest[2:])) == utf8.RuneError {
			return true
		}
		at += 6
	}
	return false
}

func unit(digits []byte) rune {
	value, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(value)
}

// canonicalJSON reads JSON that has exactly one spelling (section 4 of the format's specification).
func canonicalJSON(data []byte, what string) (any, error) {
	value, err := strictJSON(data, what, deepest)
	if err != nil {
		return nil, err
	}
	var again bytes.Buffer
	if !spell(&again, value) || !bytes.Equal(again.Bytes(), data) {
		return nil, malformed("%s is not in canonical form", what)
	}
	return value, nil
}

func spell(out *bytes.Buffer, value any) bool {
	switch value := value.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		out.WriteString(strconv.FormatBool(value))
	case string:
		spellText(out, value)
	case json.Number:
		number, err := strconv.ParseInt(value.String(), 10, 64)
		if err != nil || number > largestInteger || number < -largestInteger {
			return false
		}
		out.WriteString(strconv.FormatInt(number, 10))
	case []any:
		out.WriteByte('[')
		for at, one := range value {
			if at > 0 {
				out.WriteByte(',')
			}
			if !spell(out, one) {
				return false
			}
		}
		out.WriteByte(']')
	case map[string]any:
		return spellObject(out, value)
	}
	return true
}

func spellObject(out *bytes.Buffer, value map[string]any) bool {
	keys := make([]string, 0, len(value))
	for key := range value {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	out.WriteByte('{')
	for at, key := range keys {
		if at > 0 {
			out.WriteByte(',')
		}
		if strings.IndexFunc(key, func(one rune) bool { return one > 0x7f }) >= 0 {
			return false
		}
		spellText(out, key)
		out.WriteByte(':')
		if !spell(out, value[key]) {
			return false
		}
	}
	out.WriteByte('}')
	return true
}

func spellText(out *bytes.Buffer, text string) {
	short := map[rune]string{
		'"': `\"`, '\\': `\\`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`,
	}
	out.WriteByte('"')
	for _, one := range text {
		escaped, found := short[one]
		switch {
		case found:
			out.WriteString(escaped)
		case one >= 0x20 && one <= 0x7e:
			out.WriteRune(one)
		case one > 0xffff:
			high, low := utf16.EncodeRune(one)
			fmt.Fprintf(out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(out, `\u%04x`, one)
		}
	}
	out.WriteByte('"')
}

// fieldsOf returns an object that has the needed fields, perhaps the optional ones, and no others.
// Names are separated by spaces.
func fieldsOf(value any, what, needed, optional string) (map[string]any, error) {
	found, ok := value.(map[string]any)
	if !ok {
		return nil, malformed("%s is no object", what)
	}
	known := map[string]bool{}
	for _, key := range strings.Fields(needed) {
		if _, ok := found[key]; !ok {
			return nil, malformed("%s has no %s", what, key)
		}
		known[key] = true
	}
	for _, key := range strings.Fields(optional) {
		known[key] = true
	}
	for key := range found {
		if !known[key] {
			return nil, malformed("%s has an unknown field", what)
		}
	}
	return found, nil
}

// integerOf returns a whole number that is written as one.
func integerOf(value any) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	found, err := number.Int64()
	return found, err == nil && found <= largestInteger && found >= -largestInteger
}
