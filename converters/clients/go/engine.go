// SPDX-License-Identifier: BSD-3-Clause
// ONNX Runtime through its C interface. The library is looked for when the first model is loaded, so a
// program builds, and verifies, without it.

//go:build cgo && !windows

package safeserial

// #cgo linux LDFLAGS: -ldl
// #include "engine.h"
import "C"

import (
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// The engine's numbers of types.
var typeNames = map[C.int]string{
	1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
	9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}

var engine struct {
	lock  sync.Mutex
	ready bool
}

// startEngine finds the library where the system looks for libraries (LD_LIBRARY_PATH, for instance).
func startEngine() error {
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.ready {
		return nil
	}
	libraries := []string{"libonnxruntime.so.1", "libonnxruntime.so"}
	if runtime.GOOS == "darwin" {
		libraries = []string{"libonnxruntime.dylib"}
	}
	var told string
	for _, one := range libraries {
		library := C.CString(one)
		wrong := C.start(library)
		C.free(unsafe.Pointer(library))
		if wrong == nil {
			engine.ready = true
			return nil
		}
		told = taken(wrong)
	}
	return refuse(CodeRuntime, "install it, and name its folder in LD_LIBRARY_PATH",
		"ONNX Runtime cannot be used: %s", told)
}

func taken(text *C.char) string {
	defer C.free(unsafe.Pointer(text))
	return C.GoString(text)
}

func failed(wrong *C.char, what, hint string) error {
	if wrong == nil {
		return nil
	}
	return refuse(CodeRuntime, hint, "%s: %s", what, taken(wrong))
}

func cannotLoad(wrong *C.char) error {
	return failed(wrong, "the engine cannot load the model",
		"convert the model again, with this version of the engine in mind")
}

func cannotRun(wrong *C.char) error { return failed(wrong, "the model failed", "look at the rows") }

type session struct {
	handle  C.thing
	names   [2]**C.char // of inputs and outputs, in memory of C
	inputs  []Input
	outputs []string
}

func newSession(data []byte) (*session, error) {
	if err := startEngine(); err != nil {
		return nil, err
	}
	s := &session{}
	if err := cannotLoad(C.load(unsafe.Pointer(&data[0]), C.size_t(len(data)), &s.handle)); err != nil {
		return nil, err
	}
	err := s.describe()
	if err == nil && len(s.inputs) == 0 {
		err = refuse(CodeUnsupported, "ask for a model that takes rows", "the model takes no input")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// describe asks for the names and types of what goes in and comes out.
func (s *session) describe() error {
	for out := range s.names {
		var count C.size_t
		if err := cannotLoad(C.ends(s.handle, C.int(out), &count)); err != nil {
			return err
		}
		s.names[out] = (**C.char)(C.calloc(count+1, C.size_t(unsafe.Sizeof(uintptr(0)))))
		names := unsafe.Slice(s.names[out], int(count)+1) // NULL at the end
		for at := 0; at < int(count); at++ {
			if err := cannotLoad(C.name(s.handle, C.int(out), C.size_t(at), &names[at])); err != nil {
				return err
			}
			name := C.GoString(names[at])
			if out == 1 {
				s.outputs = append(s.outputs, name)
				continue
			}
			var kind C.int
			var rank C.size_t
			var dims [C.MostDimensions]C.int64_t
			if err := cannotLoad(C.typed(s.handle, C.size_t(at), &kind, &rank, &dims[0])); err != nil {
				return err
			}
			s.inputs = append(s.inputs, Input{name, typeName(kind), shapeOf(dims[:rank])})
		}
	}
	return nil
}

func typeName(kind C.int) string {
	if name, ok := typeNames[kind]; ok {
		return name
	}
	return "no tensor"
}

func shapeOf(dims []C.int64_t) []int64 {
	shape := make([]int64, len(dims))
	for at, one := range dims {
		shape[at] = int64(one)
	}
	return shape
}

func (s *session) run(feed []tensor) ([]tensor, error) {
	given := make([]C.thing, len(feed))
	answers := make([]C.thing, len(s.outputs))
	defer func() {
		for _, one := range append(given, answers...) {
			C.drop_value(one)
		}
	}()
	for at, one := range feed {
		if err := one.into(&given[at]); err != nil {
			return nil, err
		}
	}
	if err := cannotRun(C.run(s.handle, s.names[0], &given[0], C.size_t(len(given)),
		s.names[1], C.size_t(len(answers)), &answers[0])); err != nil {
		return nil, err
	}
	outputs := make([]tensor, len(answers))
	for at, one := range answers {
		var err error
		if outputs[at], err = tensorOf(one, s.outputs[at]); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// into makes a value of the engine's own memory, which outlives no call.
func (t tensor) into(value *C.thing) error {
	switch data := t.data.(type) {
	case []float32:
		return copied(value, 1, t.shape, data)
	case []int32:
		return copied(value, 6, t.shape, data)
	case []int64:
		return copied(value, 7, t.shape, data)
	case []bool:
		return copied(value, 9, t.shape, data)
	case []float64:
		return copied(value, 11, t.shape, data)
	}
	texts := t.data.([]string)
	var none unsafe.Pointer
	if err := cannotRun(C.make(C.Strings, dimsOf(t.shape), C.size_t(len(t.shape)), value, &none)); err != nil {
		return err
	}
	joined := []byte(strings.Join(texts, "\x00") + "\x00")
	return cannotRun(C.fill(*value, (*C.char)(unsafe.Pointer(&joined[0])), C.size_t(len(texts))))
}

func dimsOf(shape []int64) *C.int64_t { return (*C.int64_t)(unsafe.Pointer(&shape[0])) }

func copied[T any](value *C.thing, kind C.int, shape []int64, data []T) error {
	var place unsafe.Pointer
	if err := cannotRun(C.make(kind, dimsOf(shape), C.size_t(len(shape)), value, &place)); err != nil {
		return err
	}
	copy(unsafe.Slice((*T)(place), len(data)), data)
	return nil
}

func tensorOf(value C.thing, name string) (tensor, error) {
	var found tensor
	var kind C.int
	var rank, count C.size_t
	var dims [C.MostDimensions]C.int64_t
	var data unsafe.Pointer
	if err := cannotRun(C.look(value, &kind, &rank, &dims[0], &count, &data)); err != nil {
		return found, err
	}
	found.shape = shapeOf(dims[:rank])
	switch typeName(kind) {
	case "float32":
		found.data = taking[float32](data, count)
	case "float64":
		found.data = taking[float64](data, count)
	case "int32":
		found.data = taking[int32](data, count)
	case "int64":
		found.data = taking[int64](data, count)
	case "bool":
		found.data = taking[bool](data, count)
	case "string":
		texts, err := textsOf(value, int(count))
		found.data = texts
		return found, err
	default:
		return found, refuse(CodeUnsupported, "convert the model again without ZipMap",
			"output %s is of type %s", name, typeName(kind))
	}
	return found, nil
}

func taking[T any](data unsafe.Pointer, count C.size_t) []T {
	return append([]T{}, unsafe.Slice((*T)(data), int(count))...)
}

func textsOf(value C.thing, count int) ([]string, error) {
	found := make([]string, count)
	if count == 0 {
		return found, nil
	}
	var length C.size_t
	if err := cannotRun(C.length(value, &length)); err != nil {
		return nil, err
	}
	room := make([]byte, int(length)+1)
	offsets := make([]C.size_t, count+1)
	if err := cannotRun(C.texts(value, unsafe.Pointer(&room[0]), length, &offsets[0], C.size_t(count))); err != nil {
		return nil, err
	}
	offsets[count] = length
	for at := range found {
		found[at] = string(room[offsets[at]:offsets[at+1]])
	}
	return found, nil
}

func (s *session) close() {
	C.drop_session(s.handle)
	for _, list := range s.names {
		if list == nil {
			continue
		}
		for each := list; *each != nil; each = (**C.char)(unsafe.Add(unsafe.Pointer(each), unsafe.Sizeof(uintptr(0)))) {
			C.free(unsafe.Pointer(*each))
		}
		C.free(unsafe.Pointer(list))
	}
}
