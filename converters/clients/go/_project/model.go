// SPDX-License-Identifier: BSD-3-Clause
// Opening the model that is built in, or a later one; asking it.

package model

import safeserial "PROJECT/client"

// A Model was verified before the engine saw it. It may be used from several goroutines at once.
type Model struct {
	opened *safeserial.Model
}

// An Error is a model, key or row that is not to be used; find it with errors.As.
type Error = safeserial.Error

// Options say how to open the model; the zero value is right for the one that was built in.
type Options struct {
	KeyFile   string // the signer's key, in place of the one that was built in
	ModelFile string // another model of the same columns; its signature is beside it
}

// Open verifies the model, each time, and loads it into ONNX Runtime.
func Open(options Options) (*Model, error) {
	var keys []*safeserial.Key
	text, err := files.ReadFile("key.pem")
	if options.KeyFile != "" {
		key, err := safeserial.ReadKeyFile(options.KeyFile)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	} else if err == nil {
		key, err := safeserial.ReadKey(string(text))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	var verified *safeserial.Verified
	if options.ModelFile != "" {
		verified, err = safeserial.VerifyFile(options.ModelFile, safeserial.Options{Keys: keys})
	} else {
		verified, err = verify(keys)
	}
	if err != nil {
		return nil, err
	}
	opened, err := verified.Load()
	if err != nil {
		return nil, err
	}
	return &Model{opened}, nil
}

func verify(keys []*safeserial.Key) (*safeserial.Verified, error) {
	data, err := files.ReadFile(modelFile)
	if err != nil {
		return nil, err
	}
	signature, err := files.ReadFile(modelFile + ".sig")
	if err != nil {
		signature = nil // an artifact carries its own
	}
	return safeserial.Verify(data, signature, keys...)
}

// Signers returns the ids of the keys that signed.
func (m *Model) Signers() []string { return m.opened.Signers }

// Predict answers typed records.
func (m *Model) Predict(records []Record) ([]Answer, error) {
	rows := make([]any, len(records))
	for at, one := range records {
		rows[at] = rowOf(one)
	}
	found, err := m.opened.PredictRows(rows)
	if err != nil {
		return nil, err
	}
	answers := make([]Answer, len(found))
	for at, one := range found {
		if answers[at], err = answerOf(one); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// PredictRows answers rows as Rows returns them.
func (m *Model) PredictRows(rows []any) ([]safeserial.Answer, error) {
	return m.opened.PredictRows(rows)
}

// Close gives back the engine's memory.
func (m *Model) Close() { m.opened.Close() }

// Some returns a value for a field that may be missing.
func Some[T any](value T) *T { return &value }

func cell[T any](value *T) any {
	if value == nil {
		return nil
	}
	return *value
}

func one[T any](value any, wrong *error) T {
	found, ok := value.(T)
	if !ok {
		*wrong = &Error{Code: safeserial.CodeRuntime, Message: "the model answers otherwise than it did",
			Hint: "make this project anew, for the model that it runs"}
	}
	return found
}

func list[T any](value any, wrong *error) []T {
	var found []T
	for _, each := range one[[]any](value, wrong) {
		found = append(found, one[T](each, wrong))
	}
	return found
}
