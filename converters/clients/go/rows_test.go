// SPDX-License-Identifier: BSD-3-Clause
// Rows: types of Go, missing values, what does not suit; many goroutines at once.

package safeserial

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestTypesOfGo(t *testing.T) {
	model := opened(t, "mixed")
	row := func(age, fare any) map[string]any {
		return map[string]any{"age": age, "fare": fare, "town": nil, "class": "first", "other": func() {}}
	}
	answers, err := model.Predict([]map[string]any{
		row(31, 80.5), row(int8(31), float32(80.5)), row(uint16(31), json.Number("80.5")), row(31.0, json.Number("8.05e1")),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range answers[1:] {
		if !reflect.DeepEqual(one, answers[0]) {
			t.Error(one, answers[0])
		}
	}
	missing, err := model.Predict([]map[string]any{row(nil, 80.5), row(math.NaN(), 80.5)})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(missing[0], missing[1]) {
		t.Error(missing)
	}
}

func TestRowsThatDoNotSuit(t *testing.T) {
	model := opened(t, "mixed")
	good := map[string]any{"age": 1, "fare": 2, "town": "a", "class": "b"}
	but := func(name string, value any) map[string]any {
		row := map[string]any{}
		for key, one := range good {
			row[key] = one
		}
		row[name] = value
		return row
	}
	wrong := [][]map[string]any{
		nil, {}, {nil}, {{}}, {{"age": 1}}, {good, but("age", "old")}, {but("age", true)}, {but("age", []float64{1, 2})},
		{but("age", json.Number("x"))}, {but("town", 1)}, {but("town", "a\x00b")}, {but("town", "\xff")},
		{but("fare", struct{}{})}, {but("fare", map[string]any{})},
	}
	for _, rows := range wrong {
		_, err := model.Predict(rows)
		if refusal(t, err).Code != CodeRows {
			t.Error(rows, err)
		}
	}
	for _, rows := range [][]any{{"bare"}, {nil}, {[]any{1, 2}}} {
		_, err := model.PredictRows(rows)
		refusal(t, err)
	}
	_, err := model.Predict([]map[string]any{good, but("age", "old")})
	if !strings.Contains(err.Error(), "row 1: column age is to be a number") {
		t.Error(err)
	}
}

func TestIntegersAndTruth(t *testing.T) {
	rows := func(values ...any) []any { return values }
	for _, kind := range []string{"int64", "int32", "bool"} {
		inputs := []Input{{"x", kind, []int64{-1, 1}}}
		for _, one := range rows(nil, "1", 0.5, math.NaN(), json.Number("0.5"), json.Number("1e40"), uint64(1<<63)) {
			_, err := feedOf(inputs, rows(one))
			if err == nil {
				t.Errorf("taken: %v as %s", one, kind)
			}
		}
	}
	inputs := []Input{{"x", "int32", []int64{-1, 1}}}
	if _, err := feedOf(inputs, rows(int64(1)<<31)); err == nil {
		t.Error("taken: 2 ** 31")
	}
	inputs[0].Type = "int64"
	feed, err := feedOf(inputs, rows(json.Number("9007199254740993"), json.Number("3.0"), uint8(4), 5.0))
	if err != nil || !reflect.DeepEqual(feed[0].data, []int64{9007199254740993, 3, 4, 5}) {
		t.Error(feed, err)
	}
	inputs[0] = Input{"x", "float16", []int64{-1, 1}}
	if _, err := feedOf(inputs, rows(1)); refusal(t, err).Code != CodeUnsupported {
		t.Error(err)
	}
}

func TestArraysAndBareValues(t *testing.T) {
	inputs := []Input{{"X", "float64", []int64{-1, 3}}}
	want := tensor{[]int64{2, 3}, []float64{1, 2, 3, 4, 5, 6}}
	for _, rows := range [][]any{
		{[]float64{1, 2, 3}, []any{4, 5, 6.0}}, {map[string]any{"X": []int{1, 2, 3}}, []float32{4, 5, 6}},
	} {
		feed, err := feedOf(inputs, rows)
		if err != nil || !reflect.DeepEqual(feed[0], want) {
			t.Error(feed, err)
		}
	}
	for _, rows := range [][]any{{[]float64{1, 2}}, {1}, {[]float64{}}, {[]any{1, 2, "a"}}} {
		_, err := feedOf(inputs, rows)
		refusal(t, err)
	}
	inputs[0].Shape[1] = -1
	_, err := feedOf(inputs, []any{[]float64{1, 2}, []float64{1}})
	refusal(t, err)
	answers, err := opened(t, "text").PredictRows([]any{"a good one", "", nil})
	if err != nil || len(answers) != 3 {
		t.Error(answers, err)
	}
}

func TestManyGoroutines(t *testing.T) {
	model, records := opened(t, "forest"), recordsOf(t, "forest")
	first, err := model.Predict(records)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for turn := 0; turn < 8; turn++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for turn := 0; turn < 5; turn++ {
				if found, err := model.Predict(records); err != nil || !reflect.DeepEqual(found, first) {
					t.Error("another answer", err)
				}
			}
		}()
	}
	all.Wait()
	model.Close()
	model.Close()
	_, err = model.Predict(records)
	if refusal(t, err).Code != CodeRuntime {
		t.Error(err)
	}
}

func TestAnswersAsJSON(t *testing.T) {
	answer := Answer{Label: "<a>", Probabilities: []float64{0.5, math.NaN()}, Others: map[string]any{"z": int64(1), "decision": []any{math.Inf(1)}}}
	want := `{"label":"\u003ca\u003e","probabilities":[0.5,null],"decision":[null],"z":1}`
	if found := text(t, answer); found != want {
		t.Error(found)
	}
	bad, err := Verify(bytesOf(t, "mixed/model.onnx"), bytesOf(t, "signed/mixed.hmac.sig"), keyOf(t, "keys/hmac.txt"))
	if err != nil {
		t.Fatal(err)
	}
	bad.data = []byte(counting(7, "")) // a graph without anything
	_, err = bad.Load()
	if refusal(t, err).Code != CodeRuntime {
		t.Error(err)
	}
}
