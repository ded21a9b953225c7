// SPDX-License-Identifier: BSD-3-Clause
// Tensors to answers: labels and probabilities.

package safeserial

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"sort"
)

// An Answer is what the model says of one row.
type Answer struct {
	Label         any            // string, int64, float64 or bool; nil where the model predicts none
	Probabilities []float64      // one a class; nil where the model has none
	Others        map[string]any // outputs of other names: a value, or a list of values
}

// MarshalJSON writes an object with label, probabilities and the other outputs by name; NaN as null.
func (a Answer) MarshalJSON() ([]byte, error) {
	all := map[string]any{}
	if a.Label != nil {
		all["label"] = a.Label
	}
	if a.Probabilities != nil {
		all["probabilities"] = a.Probabilities
	}
	order := []string{"label", "probabilities"}
	for name, value := range a.Others {
		if _, there := all[name]; !there {
			all[name] = value
		}
		if name != "label" && name != "probabilities" {
			order = append(order, name)
		}
	}
	sort.Strings(order[2:])
	var out bytes.Buffer
	out.WriteByte('{')
	for _, name := range order {
		value, there := all[name]
		if !there {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(plain(value))
		if err != nil {
			return nil, err
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// plain replaces numbers that JSON does not have.
func plain(value any) any {
	switch value := value.(type) {
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return nil
		}
	case []float64:
		out := make([]any, len(value))
		for at, one := range value {
			out[at] = plain(one)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for at, one := range value {
			out[at] = plain(one)
		}
		return out
	}
	return value
}

// answersOf returns an answer a row.
func answersOf(names []string, outputs []tensor, count int) ([]Answer, error) {
	answers := make([]Answer, count)
	for at, output := range outputs {
		name := names[at]
		cells := reflect.ValueOf(output.data)
		if len(output.shape) == 0 || output.shape[0] != int64(count) {
			return nil, refuse(CodeRuntime, "look at the rows", "output %s has not one answer a row", name)
		}
		width := cells.Len() / count // the first dimension is the count, so this is whole
		for row := range answers {
			answers[row].put(name, cells.Slice(row*width, (row+1)*width), len(output.shape) < 2)
		}
	}
	return answers, nil
}

func (a *Answer) put(name string, cells reflect.Value, flat bool) {
	if chances, ok := widened(cells.Interface()).([]float64); ok && !flat && name == "predict_proba" {
		a.Probabilities = chances
		return
	}
	var value any
	if flat {
		value = widened(cells.Index(0).Interface())
	} else {
		values := make([]any, cells.Len())
		for at := range values {
			values[at] = widened(cells.Index(at).Interface())
		}
		value = values
	}
	switch name {
	case "predict":
		a.Label = value
		return
	case "predict_proba":
		name = "probabilities"
	}
	if a.Others == nil {
		a.Others = map[string]any{}
	}
	a.Others[name] = value
}

// widened turns 32 bits into 64.
func widened(value any) any {
	switch value := value.(type) {
	case float32:
		return float64(value)
	case int32:
		return int64(value)
	case []float32:
		out := make([]float64, len(value))
		for at, one := range value {
			out[at] = float64(one)
		}
		return out
	case []float64:
		return append([]float64{}, value...)
	}
	return value
}
