// SPDX-License-Identifier: BSD-3-Clause
// Rows as people write them, JSON or CSV, as rows of the model.

package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	safeserial "PROJECT/client"
)

type column struct {
	name, kind string
	width      int // values a row; 0 where the model leaves it open
	optional   bool
}

var (
	decimal = regexp.MustCompile(`(?i)^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?$`)
	named   = regexp.MustCompile(`(?i)^[+-]?(nan|inf|infinity)$`)
)

func wrong(hint, format string, values ...any) error {
	return &Error{Code: safeserial.CodeRows, Message: fmt.Sprintf(format, values...), Hint: hint}
}

// Rows returns the rows of a text: a JSON list of records, or CSV whose first line names the columns.
func Rows(text []byte) ([]any, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, wrong("write them in UTF-8", "the rows are not UTF-8")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")) {
		return csvRows(string(text))
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var found []any
	if !json.Valid(text) || decoder.Decode(&found) != nil {
		return nil, wrong("give a JSON list of records, or CSV", "the rows are not JSON")
	}
	return found, nil
}

func csvRows(text string) ([]any, error) {
	lines := csvCells(text)
	if len(lines) < 2 {
		return nil, wrong("its first line names the columns", "the CSV has no rows")
	}
	names, lines := lines[0], lines[1:]
	for row, line := range lines {
		if len(line) != len(names) {
			return nil, wrong("quote cells with commas", "row %d: %d cells, not %d", row, len(line), len(names))
		}
	}
	if len(columns) == 1 && columns[0].width != 1 {
		return arrays(lines)
	}
	places := make([]int, len(columns))
	for at, one := range columns {
		places[at] = -1
		for place, name := range names {
			if name == one.name && places[at] >= 0 {
				return nil, wrong("each column once", "the CSV has the column %s twice", one.name)
			} else if name == one.name {
				places[at] = place
			}
		}
		if places[at] < 0 {
			return nil, wrong("its first line names the columns", "the CSV has no column %s", one.name)
		}
	}
	rows := make([]any, len(lines))
	for row, line := range lines {
		record := map[string]any{}
		for at, one := range columns {
			value, err := one.value(line[places[at]], row)
			if err != nil {
				return nil, err
			}
			record[one.name] = value
		}
		rows[row] = record
	}
	return rows, nil
}

// arrays returns the rows of a model of a bare array, whose columns stand in their order.
func arrays(lines [][]string) ([]any, error) {
	rows := make([]any, len(lines))
	for row, line := range lines {
		cells := make([]any, len(line))
		for at, text := range line {
			value, err := columns[0].value(text, row)
			if err != nil {
				return nil, err
			}
			cells[at] = value
		}
		rows[row] = map[string]any{columns[0].name: cells}
	}
	return rows, nil
}

func (c column) value(cell string, row int) (any, error) {
	fail := func(hint, what string) (any, error) {
		return nil, wrong(hint, "row %d: column %s is to be %s", row, c.name, what)
	}
	text := strings.TrimSpace(cell)
	switch {
	case cell == "" && c.optional:
		return nil, nil
	case c.kind == "string":
		return cell, nil
	case c.kind == "bool":
		if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
			return fail("bools have no missing values", "true or false")
		}
		return strings.EqualFold(text, "true"), nil
	case strings.HasPrefix(c.kind, "int"):
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fail("integers have no missing values", "an integer")
		}
		return number, nil
	case named.MatchString(text) || decimal.MatchString(text):
		number, err := strconv.ParseFloat(text, 64)
		if err != nil && !math.IsInf(number, 0) {
			return fail("write it as 1.5, or leave it empty", "a number")
		}
		return number, nil
	}
	return fail("write it as 1.5, or leave it empty", "a number")
}

// csvCells reads RFC 4180; lines without a character are none. Unlike encoding/csv it leaves line ends
// within quotes as they are: they may be part of what the model was trained on.
func csvCells(text string) [][]string {
	var lines [][]string
	var cells []string
	var cell []byte
	quoted, begun := false, false
	endCell := func() { cells, cell = append(cells, string(cell)), nil }
	endLine := func() {
		if begun {
			endCell()
			lines = append(lines, cells)
		}
		cells, begun = nil, false
	}
	for at := 0; at < len(text); at++ {
		one := text[at]
		if !quoted && (one == '\n' || one == '\r') {
			endLine() // of \r\n the second ends a line without a character
			continue
		}
		begun = true
		switch {
		case quoted && one != '"':
			cell = append(cell, one)
		case quoted && at+1 < len(text) && text[at+1] == '"':
			cell = append(cell, one)
			at++
		case quoted:
			quoted = false
		case one == '"' && len(cell) == 0:
			quoted = true
		case one == ',':
			endCell()
		default:
			cell = append(cell, one)
		}
	}
	endLine()
	return lines
}
