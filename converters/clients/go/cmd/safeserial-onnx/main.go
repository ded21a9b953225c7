// SPDX-License-Identifier: BSD-3-Clause

// Command safeserial-onnx verifies a model and answers the rows on standard input (a JSON list of records).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"safeserial"
)

const (
	usage    = "safeserial-onnx MODEL --key KEYFILE [--signature FILE] [--show] < rows.json"
	mostRows = 1<<31 - 1 // bytes
)

type several []string

func (s *several) String() string { return strings.Join(*s, ", ") }
func (s *several) Set(one string) error {
	*s = append(*s, one)
	return nil
}

// A misuse is an error in the command itself.
type misuse string

func (m misuse) Error() string { return string(m) }

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err == nil {
		return
	}
	code, hint := 1, usage
	var refused *safeserial.Error
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

func run(arguments []string, in io.Reader, out io.Writer) error {
	var options safeserial.Options
	flags := flag.NewFlagSet("safeserial-onnx", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var((*several)(&options.KeyFiles), "key", "")
	flags.StringVar(&options.Signature, "signature", "", "")
	show := flags.Bool("show", false, "")
	models, err := parse(flags, arguments)
	if err != nil {
		return misuse(err.Error())
	}
	if len(models) != 1 {
		return misuse("name one model")
	}
	model, err := safeserial.Open(models[0], options)
	if err != nil {
		return err
	}
	defer model.Close()
	if *show {
		return write(out, model)
	}
	rows, err := read(in)
	if err != nil {
		return err
	}
	answers, err := model.PredictRows(rows)
	if err != nil {
		return err
	}
	return write(out, answers)
}

// parse lets options stand behind the model too.
func parse(flags *flag.FlagSet, arguments []string) ([]string, error) {
	var others []string
	for {
		if err := flags.Parse(arguments); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others, arguments = append(others, flags.Arg(0)), flags.Args()[1:]
	}
}

func read(in io.Reader) ([]any, error) {
	text, err := io.ReadAll(io.LimitReader(in, mostRows))
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var found any
	if !json.Valid(text) || decoder.Decode(&found) != nil {
		return nil, &safeserial.Error{Code: safeserial.CodeRows, Message: "standard input is not JSON",
			Hint: "give a list of records"}
	}
	rows, ok := found.([]any)
	if !ok {
		return nil, &safeserial.Error{Code: safeserial.CodeRows, Message: "there are no rows",
			Hint: "give a list of records"}
	}
	return rows, nil
}

func write(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
