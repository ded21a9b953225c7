// SPDX-License-Identifier: BSD-3-Clause
// A look into an ONNX model: nothing of it may lie in another file, which no signature covers.

package safeserial

import (
	"bytes"
	"encoding/binary"
)

const deepestGraph = 16

// A part of onnx.proto that has tensors in it, at whatever depth.
type part int

const (
	inModel part = iota
	inTraining
	inFunction
	inGraph
	inNode
	inAttribute
	inSparse
	inTensor
)

// Field numbers of onnx.proto, where they lead to a tensor.
var leads = map[part]map[uint64]part{
	inModel:     {7: inGraph, 20: inTraining, 25: inFunction},
	inTraining:  {1: inGraph, 2: inGraph},
	inFunction:  {7: inNode, 11: inAttribute},
	inGraph:     {1: inNode, 5: inTensor, 15: inSparse},
	inNode:      {5: inAttribute},
	inAttribute: {5: inTensor, 6: inGraph, 10: inTensor, 11: inGraph, 22: inSparse, 23: inSparse},
	inSparse:    {1: inTensor, 2: inTensor},
}

const (
	varint, eightBytes, counted, fourBytes = 0, 1, 2, 5
	fieldGraph, fieldExternal, fieldPlace  = 7, 13, 14
)

// checkModel refuses what is no ONNX model of one file.
func checkModel(data []byte) error {
	if len(data) >= 8 && bytes.Equal(data[4:8], []byte("ORTM")) {
		return refuse(CodeUnsupported, "ask for it as ONNX", "the model is in ONNX Runtime's own format")
	}
	graphs := 0
	if err := walk(data, inModel, 0, &graphs); err != nil {
		return err
	}
	if graphs != 1 {
		return malformed("that is no ONNX model")
	}
	return nil
}

// walk reads protocol buffers: https://protobuf.dev/programming-guides/encoding.
func walk(data []byte, within part, depth int, graphs *int) error {
	if depth > 4*deepestGraph {
		return refuse(CodeUnsupported, askAgain, "the graphs of the model are nested too deep")
	}
	for len(data) > 0 {
		number, wire, value, body, rest := field(data)
		if rest == nil {
			return malformed("that is no ONNX model")
		}
		data = rest
		if within == inTensor && (number == fieldExternal || number == fieldPlace && (wire != varint || value != 0)) {
			return refuse(CodeUnsupported, "save it as one file", "the model has weights in another, unsigned file")
		}
		if within == inModel && number == fieldGraph {
			*graphs++
		}
		if next, ok := leads[within][number]; ok && wire == counted {
			if err := walk(body, next, depth+1, graphs); err != nil {
				return err
			}
		}
	}
	return nil
}

// field takes one field off the front; the rest is nil where there is none.
func field(data []byte) (number, wire, value uint64, body, rest []byte) {
	key, used := binary.Uvarint(data)
	if used <= 0 || key > 1<<32-1 {
		return
	}
	number, wire, data = key>>3, key&7, data[used:]
	size := 0
	switch wire {
	case varint:
		if value, used = binary.Uvarint(data); used <= 0 {
			return
		}
		size = used
	case eightBytes:
		size = 8
	case fourBytes:
		size = 4
	case counted:
		length, used := binary.Uvarint(data)
		if used <= 0 || length > uint64(len(data)-used) {
			return
		}
		data, size = data[used:], int(length)
	default:
		return
	}
	if size > len(data) {
		return
	}
	return number, wire, value, data[:size], data[size:]
}
