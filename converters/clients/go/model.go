// SPDX-License-Identifier: BSD-3-Clause
// A verified model in the engine. The engine gets the very bytes that were verified.

package safeserial

import "sync"

// An Input is a column that the model takes; of a model of a bare array there is one, X.
type Input struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`  // float32, float64, int64, int32, bool or string
	Shape []int64 `json:"shape"` // rows first; -1 where the graph leaves it open
}

// A Model was verified before the engine saw it. It may be used from several goroutines at once.
type Model struct {
	Said
	Inputs  []Input  `json:"inputs"`
	Outputs []string `json:"outputs"`

	lock    sync.RWMutex // held to read while the engine runs
	session *session
}

// Load hands the verified bytes to ONNX Runtime. Close gives the memory back.
func (v *Verified) Load() (*Model, error) {
	opened, err := newSession(v.data)
	if err != nil {
		return nil, err
	}
	return &Model{Said: v.Said, Inputs: opened.inputs, Outputs: opened.outputs, session: opened}, nil
}

// Predict answers some records: column name to value. A number may be of any numeric type, or nil where
// it is missing; a text a string, or nil; the cell of a model of a bare array is a slice. Columns that the
// model does not take are passed over.
func (m *Model) Predict(records []map[string]any) ([]Answer, error) {
	rows := make([]any, len(records))
	for at, one := range records {
		rows[at] = one
	}
	return m.PredictRows(rows)
}

// PredictRows is Predict for a model of one input too, of which a row may be the bare value: a text, say.
func (m *Model) PredictRows(rows []any) ([]Answer, error) {
	feed, err := feedOf(m.Inputs, rows)
	if err != nil {
		return nil, err
	}
	m.lock.RLock()
	defer m.lock.RUnlock()
	if m.session == nil {
		return nil, refuse(CodeRuntime, "close it after the last row", "the model was closed")
	}
	outputs, err := m.session.run(feed)
	if err != nil {
		return nil, err
	}
	return answersOf(m.Outputs, outputs, len(rows))
}

// Close gives back the engine's memory; it may be called twice.
func (m *Model) Close() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session != nil {
		m.session.close()
		m.session = nil
	}
}
