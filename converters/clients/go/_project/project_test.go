// SPDX-License-Identifier: BSD-3-Clause
// The model answers as it did when this project was made, and a changed one is refused. A model
// signed with a shared secret is tested with SAFESERIAL_KEY_FILE=secret.key go test ./...

package model

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var options = Options{KeyFile: os.Getenv("SAFESERIAL_KEY_FILE")}

func openedFor(t *testing.T) *Model {
	t.Helper()
	if _, err := files.ReadFile("key.pem"); err != nil && options.KeyFile == "" {
		t.Skip("SAFESERIAL_KEY_FILE names no key")
	}
	opened, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened
}

func wanted(t *testing.T) []any {
	t.Helper()
	var answers []any
	text, err := os.ReadFile("answers.json")
	if err != nil || json.Unmarshal(text, &answers) != nil {
		t.Fatal("answers.json cannot be read")
	}
	if len(answers) == 0 {
		t.Skip("there are no answers to compare with")
	}
	return answers
}

func same(found, wanted any) bool {
	switch wanted := wanted.(type) {
	case []any:
		list, ok := found.([]any)
		if !ok || len(list) != len(wanted) {
			return false
		}
		for at := range list {
			if !same(list[at], wanted[at]) {
				return false
			}
		}
		return true
	case map[string]any:
		record, ok := found.(map[string]any)
		if !ok || len(record) != len(wanted) {
			return false
		}
		for name := range wanted {
			if !same(record[name], wanted[name]) {
				return false
			}
		}
		return true
	case float64:
		number, ok := found.(float64)
		return ok && math.Abs(number-wanted) <= 1e-6*math.Max(1, math.Abs(wanted))
	}
	return found == wanted
}

func TestRowsAreAnsweredAsWhenTheProjectWasMade(t *testing.T) {
	opened, answers := openedFor(t), wanted(t)
	for _, name := range []string{"rows.json", "rows.csv"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := Rows(text)
		if err != nil {
			t.Fatal(err)
		}
		found, err := opened.PredictRows(rows)
		if err != nil {
			t.Fatal(err)
		}
		text, err = json.Marshal(found)
		var plain []any
		if err != nil || json.Unmarshal(text, &plain) != nil || !same(plain, answers) {
			t.Errorf("%s: %s, not %v", name, text, answers)
		}
		typed, err := opened.Predict(records)
		if err != nil || len(typed) != len(found) {
			t.Fatal(typed, err)
		}
		for at := range typed {
			if one, err := answerOf(found[at]); err != nil || !reflect.DeepEqual(typed[at], one) {
				t.Errorf("record %d: %v, not %v, %v", at, typed[at], one, err)
			}
		}
	}
}

func TestAChangedModelIsRefused(t *testing.T) {
	openedFor(t)
	data, err := files.ReadFile(modelFile)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	changed := options
	changed.ModelFile = filepath.Join(t.TempDir(), modelFile)
	if err := os.WriteFile(changed.ModelFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if signature, err := files.ReadFile(modelFile + ".sig"); err == nil {
		if err := os.WriteFile(changed.ModelFile+".sig", signature, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Open(changed)
	var refused *Error
	if !errors.As(err, &refused) {
		t.Fatal("a changed model was opened: ", err)
	}
}
