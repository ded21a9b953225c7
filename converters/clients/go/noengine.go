// SPDX-License-Identifier: BSD-3-Clause
// Without cgo, and on Windows, there is no engine; models can still be verified.

//go:build !cgo || windows

package safeserial

type session struct {
	inputs  []Input
	outputs []string
}

func newSession([]byte) (*session, error) {
	return nil, refuse(CodeRuntime, "build it with CGO_ENABLED=1, not on Windows", "this program was built without the engine")
}

func (s *session) run([]tensor) ([]tensor, error) {
	_, err := newSession(nil)
	return nil, err
}

func (s *session) close() {}
