// SPDX-License-Identifier: BSD-3-Clause
// Records to tensors: columns by name, texts, missing values.

package safeserial

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// A tensor is a column of values: []float32, []float64, []int64, []int32, []bool or []string.
type tensor struct {
	shape []int64
	data  any
}

func badRow(hint, format string, values ...any) error {
	return refuse(CodeRows, hint, format, values...)
}

// feedOf returns the tensors of some rows, in the order of the inputs.
func feedOf(inputs []Input, rows []any) ([]tensor, error) {
	if len(rows) == 0 {
		return nil, badRow("give a list of records", "there are no rows")
	}
	var feed []tensor
	for _, input := range inputs {
		cells, width, err := cellsOf(input, rows, len(inputs) == 1)
		if err != nil {
			return nil, err
		}
		shape := []int64{int64(len(rows)), int64(width)}
		if len(input.Shape) < 2 {
			shape = shape[:1]
		}
		one := tensor{shape: shape}
		switch input.Type {
		case "float32":
			one.data, err = column(cells, width, input, func(value any) (float32, string) {
				number, wrong := floatOf(value)
				return float32(number), wrong
			})
		case "float64":
			one.data, err = column(cells, width, input, floatOf)
		case "int64":
			one.data, err = column(cells, width, input, wholeOf)
		case "int32":
			one.data, err = column(cells, width, input, func(value any) (int32, string) {
				number, wrong := wholeOf(value)
				if wrong == "" && int64(int32(number)) != number {
					wrong = "is to be an integer of 32 bits"
				}
				return int32(number), wrong
			})
		case "bool":
			one.data, err = column(cells, width, input, truthOf)
		case "string":
			one.data, err = column(cells, width, input, textOf)
		default:
			err = refuse(CodeUnsupported, `convert the model with dtype="float32"`,
				"input %s is of type %s", input.Name, input.Type)
		}
		if err != nil {
			return nil, err
		}
		feed = append(feed, one)
	}
	return feed, nil
}

// cellsOf returns the values of one input, row after row, and how many a row has.
func cellsOf(input Input, rows []any, single bool) ([]any, int, error) {
	width := 1
	if len(input.Shape) > 1 {
		width = int(input.Shape[1]) // not above 0 where the graph leaves it open; then the rows must agree
	}
	if len(input.Shape) > 2 {
		return nil, 0, refuse(CodeUnsupported, "ask for a model of columns, or of one row of numbers", "input %s has %d dimensions", input.Name, len(input.Shape))
	}
	var all []any
	for row, record := range rows {
		cell, err := cellOf(record, input.Name, row, single)
		if err != nil {
			return nil, 0, err
		}
		cells := []any{cell}
		if list := reflect.ValueOf(cell); len(input.Shape) > 1 && cell != nil && list.Kind() == reflect.Slice {
			cells = make([]any, list.Len())
			for at := range cells {
				cells[at] = list.Index(at).Interface()
			}
		}
		if width < 1 {
			width = len(cells)
		}
		if len(cells) != width || width < 1 {
			return nil, 0, badRow("give one value a feature", "row %d: %s has %d values, not %d",
				row, input.Name, len(cells), width)
		}
		all = append(all, cells...)
	}
	return all, width, nil
}

func cellOf(record any, name string, row int, single bool) (any, error) {
	columns, ok := record.(map[string]any)
	if !ok {
		if !single {
			return nil, badRow("give an object with a value a column", "row %d is no record", row)
		}
		return record, nil
	}
	cell, ok := columns[name]
	if !ok {
		return nil, badRow("give null for a value that is missing", "row %d has no column %s", row, name)
	}
	return cell, nil
}

// column converts values; a converter says what is wrong with one, or "".
func column[T any](cells []any, width int, input Input, convert func(any) (T, string)) ([]T, error) {
	out := make([]T, len(cells))
	for at, cell := range cells {
		var wrong string
		if out[at], wrong = convert(cell); wrong != "" {
			hint := "or null"
			if !mayBeMissing(input.Type) {
				hint = "this model was trained without missing values"
			}
			return nil, badRow(hint, "row %d: column %s %s", at/width, input.Name, wrong)
		}
	}
	return out, nil
}

func mayBeMissing(kind string) bool { return kind == "string" || strings.HasPrefix(kind, "float") }

func floatOf(value any) (float64, string) {
	if value == nil {
		return math.NaN(), ""
	}
	if number, ok := value.(json.Number); ok {
		if found, err := number.Float64(); err == nil {
			return found, ""
		}
		return 0, "is to be a number"
	}
	found := reflect.ValueOf(value)
	switch {
	case found.CanFloat():
		return found.Float(), ""
	case found.CanInt():
		return float64(found.Int()), ""
	case found.CanUint():
		return float64(found.Uint()), ""
	}
	return 0, "is to be a number"
}

func wholeOf(value any) (int64, string) {
	const wrong = "is to be an integer"
	if value == nil {
		return 0, "cannot be missing"
	}
	if number, ok := value.(json.Number); ok {
		if found, err := number.Int64(); err == nil {
			return found, ""
		}
		value, _ = number.Float64() // 1.0 and 1e3 are integers too
	}
	found := reflect.ValueOf(value)
	switch {
	case found.CanInt():
		return found.Int(), ""
	case found.CanUint() && found.Uint() <= math.MaxInt64:
		return int64(found.Uint()), ""
	case found.CanFloat() && found.Float() == math.Trunc(found.Float()) && math.Abs(found.Float()) <= largestInteger:
		return int64(found.Float()), ""
	}
	return 0, wrong
}

func truthOf(value any) (bool, string) {
	if value == nil {
		return false, "cannot be missing"
	}
	found, ok := value.(bool)
	if !ok {
		return false, "is to be true or false"
	}
	return found, ""
}

func textOf(value any) (string, string) {
	if value == nil {
		return "", ""
	}
	text, ok := value.(string)
	switch {
	case !ok:
		return "", "is to be a text"
	case strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text):
		return "", "is to be a text in UTF-8 without U+0000" // where the engine would cut it
	}
	return text, ""
}
