// SPDX-License-Identifier: BSD-3-Clause

// Command predict answers rows of a file or of standard input, with the model that was built into it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	model "PROJECT"
)

const (
	usage = "predict [--key FILE] [--model FILE] [ROWS]"
	most  = 1 << 29 // bytes of rows
)

// A misuse is an error in the command itself.
type misuse string

func (m misuse) Error() string { return string(m) }

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	code, hint := 1, usage
	var refused *model.Error
	var wrong misuse
	switch {
	case errors.As(err, &refused):
		hint = refused.Hint
	case errors.As(err, &wrong):
		code = 2
	}
	fmt.Fprintf(os.Stderr, "error: %v\nhint: %s\n", err, hint)
	os.Exit(code)
}

func run(arguments []string) error {
	var options model.Options
	flags := flag.NewFlagSet("predict", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&options.KeyFile, "key", "", "")
	flags.StringVar(&options.ModelFile, "model", "", "")
	var places []string
	for {
		if err := flags.Parse(arguments); err != nil {
			return misuse(err.Error())
		}
		if flags.NArg() == 0 {
			break
		}
		places, arguments = append(places, flags.Arg(0)), flags.Args()[1:]
	}
	if len(places) > 1 {
		return misuse("name one file of rows")
	}
	opened, err := model.Open(options)
	if err != nil {
		return err
	}
	defer opened.Close()
	text, err := read(places)
	if err != nil {
		return err
	}
	rows, err := model.Rows(text)
	if err != nil {
		return err
	}
	answers, err := opened.PredictRows(rows)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answers)
}

func read(places []string) ([]byte, error) {
	in := os.Stdin
	if len(places) == 1 {
		file, err := os.Open(places[0])
		if err != nil {
			return nil, misuse("cannot read the rows: " + err.Error())
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, misuse("cannot read the rows: " + err.Error())
	}
	if len(text) > most {
		return nil, &model.Error{Code: "rows", Message: "there are too many rows", Hint: "give them in parts"}
	}
	return text, nil
}
