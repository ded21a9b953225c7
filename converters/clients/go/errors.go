// SPDX-License-Identifier: BSD-3-Clause
// The one error of this package: what is wrong, what kind of wrong, and what to do about it.

package safeserial

import "fmt"

// A Code says what kind of wrong an Error is.
type Code string

// The kinds of refusals.
const (
	CodeFormat       Code = "format"        // a file has another form than it should have
	CodeUnsigned     Code = "unsigned"      // there is no signature
	CodeUnknownKey   Code = "unknown-key"   // none of your keys signed
	CodeBadSignature Code = "bad-signature" // a signature does not fit
	CodeDigest       Code = "digest"        // the model is not the one that was signed
	CodeUnsupported  Code = "unsupported"   // it may be right, and is not read here
	CodeKey          Code = "key"           // a key cannot be used
	CodeRows         Code = "rows"          // a row does not suit the model
	CodeRuntime      Code = "runtime"       // ONNX Runtime is missing, or failed
)

// An Error is a model, signature, key or row that is not to be used. All errors of this package are of
// this type; find it with errors.As.
type Error struct {
	Code    Code
	Message string // what is wrong
	Hint    string // what to do
	cause   error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the error of the system or the engine behind this one, or nil.
func (e *Error) Unwrap() error { return e.cause }

const (
	askAgain = "ask the sender for the file again"
	doNotUse = "do not use this model"
)

func refuse(code Code, hint, format string, values ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, values...), Hint: hint}
}

// malformed refuses a file that has another form than the specification says.
func malformed(format string, values ...any) error {
	return refuse(CodeFormat, askAgain, format, values...)
}
