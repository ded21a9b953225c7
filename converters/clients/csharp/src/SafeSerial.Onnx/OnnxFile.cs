// SPDX-License-Identifier: BSD-3-Clause
// A look into an ONNX model: nothing of it may lie in another file, which no signature covers.
// Reads protocol buffers: https://protobuf.dev/programming-guides/encoding
namespace SafeSerial.Onnx
{
    internal sealed class OnnxFile
    {
        private const int Deepest = 64;
        private const int ExternalData = 13;
        private const int DataLocation = 14;

        // Messages of onnx.proto that have tensors in them, at whatever depth.
        private enum Part { Other, Model, Training, Function, Graph, Node, Attribute, Sparse, Tensor }

        private readonly byte[] data;
        private int at;

        private OnnxFile(byte[] data)
        {
            this.data = data;
        }

        /// <summary>Refuse what is no ONNX model, or has weights in another file.</summary>
        public static void Check(byte[] data)
        {
            Must.Be(new OnnxFile(data).Walk(data.Length, Part.Model, 0) == 1, "that is no ONNX model");
        }

        /// <summary>Read fields up to an end; return how many graphs are among them.</summary>
        private int Walk(int end, Part within, int depth)
        {
            Must.Be(depth <= Deepest, "the graphs of the model are nested too deep", ErrorCode.Unsupported,
                "convert the model again");
            var graphs = 0;
            while (at < end)
            {
                var tag = Varint(end);
                var number = tag >> 3;
                var wire = (int)(tag & 7);
                ulong value = 1; // of a place that is no number
                if (wire == 0) value = Varint(end);
                var size = wire == 1 ? 8UL : wire == 5 ? 4UL : wire == 2 ? Varint(end) : 0UL;
                var known = tag <= uint.MaxValue && (wire == 0 || wire == 1 || wire == 2 || wire == 5);
                Must.Be(known && size <= (ulong)(end - at), "that is no ONNX model");
                var elsewhere = number == ExternalData || (number == DataLocation && value != 0);
                Must.Be(within != Part.Tensor || !elsewhere, "the model has weights in another, unsigned file",
                    ErrorCode.Unsupported, "save it as one file");
                var next = wire == 2 ? Lead(within, number) : Part.Other;
                var behind = at + (int)size;
                if (next != Part.Other) Walk(behind, next, depth + 1);
                if (within == Part.Model && next == Part.Graph) graphs += 1;
                at = behind;
            }
            return graphs;
        }

        private ulong Varint(int end)
        {
            ulong found = 0;
            for (var place = 0; place < 10 && at < end; place += 1)
            {
                var one = data[at++];
                found |= (ulong)(one & 0x7f) << (7 * place);
                if (one < 0x80 && (place < 9 || one <= 1)) return found;
            }
            throw new SafeSerialException(ErrorCode.Format, "that is no ONNX model", "ask for it again");
        }

        /// <summary>Say which message a field has, by the numbers of onnx.proto.</summary>
        private static Part Lead(Part within, ulong number)
        {
            switch (within)
            {
                case Part.Model:
                    return number == 7 ? Part.Graph : number == 20 ? Part.Training
                        : number == 25 ? Part.Function : Part.Other;
                case Part.Training:
                    return number == 1 || number == 2 ? Part.Graph : Part.Other;
                case Part.Function:
                    return number == 7 ? Part.Node : number == 11 ? Part.Attribute : Part.Other;
                case Part.Graph:
                    return number == 1 ? Part.Node : number == 5 ? Part.Tensor
                        : number == 15 ? Part.Sparse : Part.Other;
                case Part.Node:
                    return number == 5 ? Part.Attribute : Part.Other;
                case Part.Attribute:
                    if (number == 5 || number == 10) return Part.Tensor;
                    if (number == 6 || number == 11) return Part.Graph;
                    return number == 22 || number == 23 ? Part.Sparse : Part.Other;
                case Part.Sparse:
                    return number == 1 || number == 2 ? Part.Tensor : Part.Other;
                default:
                    return Part.Other;
            }
        }
    }
}
