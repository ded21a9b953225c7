// SPDX-License-Identifier: BSD-3-Clause
// A model in ONNX Runtime.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;

namespace SafeSerial.Onnx
{
    /// <summary>ONNX Runtime by its C interface.</summary>
    public sealed class OnnxRuntime : IEngine
    {
        private const string Failed = "the model failed";
        private const string Unloadable = "the engine cannot load the model";

        private static readonly Dictionary<int, string> Types = new Dictionary<int, string>
        {
            { 1, "float32" }, { 2, "uint8" }, { 3, "int8" }, { 4, "uint16" }, { 5, "int16" }, { 6, "int32" },
            { 7, "int64" }, { 8, "string" }, { 9, "bool" }, { 10, "float16" }, { 11, "float64" },
            { 12, "uint32" }, { 13, "uint64" }, { 16, "bfloat16" },
        };

        private readonly object turn = new object();
        private IntPtr session;
        private int running;
        private bool closed;

        /// <inheritdoc/>
        public IReadOnlyList<InputInfo> Inputs { get; }

        /// <inheritdoc/>
        public IReadOnlyList<string> Outputs { get; }

        /// <summary>Load the bytes of a verified model.</summary>
        public OnnxRuntime(byte[] model)
        {
            IntPtr options;
            OrtApi.Check(OrtApi.Slot<OrtApi.Made>(10)(out options), Unloadable);
            try
            {
                OrtApi.Check(OrtApi.Slot<OrtApi.MadeSession>(8)(
                    OrtApi.Env, model, (UIntPtr)model.Length, options, out session), Unloadable);
            }
            finally
            {
                OrtApi.Slot<OrtApi.Freed>(100)(options);
            }
            try
            {
                Inputs = Enumerable.Range(0, Count(30)).Select(InputAt).ToList();
                Outputs = Enumerable.Range(0, Count(31)).Select(at => NameAt(37, at)).ToList();
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        private int Count(int slot)
        {
            UIntPtr count;
            OrtApi.Check(OrtApi.Slot<OrtApi.Counted>(slot)(session, out count), Unloadable);
            return (int)count;
        }

        private string NameAt(int slot, int at)
        {
            IntPtr allocator, name;
            OrtApi.Check(OrtApi.Slot<OrtApi.Made>(78)(out allocator), Unloadable);
            OrtApi.Check(OrtApi.Slot<OrtApi.Named>(slot)(session, (UIntPtr)at, allocator, out name), Unloadable);
            var text = OrtApi.Text(name);
            OrtApi.Check(OrtApi.Slot<OrtApi.FreedBy>(76)(allocator, name), Unloadable);
            return text;
        }

        private InputInfo InputAt(int at)
        {
            IntPtr info, tensor;
            int kind, type;
            UIntPtr rank;
            OrtApi.Check(OrtApi.Slot<OrtApi.At>(33)(session, (UIntPtr)at, out info), Unloadable);
            try
            {
                var name = NameAt(36, at);
                OrtApi.Check(OrtApi.Slot<OrtApi.GotInt>(56)(info, out kind), Unloadable);
                if (kind != 1) return new InputInfo(name, "no tensor", new object[0]);
                OrtApi.Check(OrtApi.Slot<OrtApi.Got>(55)(info, out tensor), Unloadable); // lives as long as info
                OrtApi.Check(OrtApi.Slot<OrtApi.GotInt>(60)(tensor, out type), Unloadable);
                OrtApi.Check(OrtApi.Slot<OrtApi.Counted>(61)(tensor, out rank), Unloadable);
                var sizes = new long[(int)rank];
                var symbols = new IntPtr[(int)rank];
                OrtApi.Check(OrtApi.Slot<OrtApi.Dimensions>(62)(tensor, sizes, rank), Unloadable);
                OrtApi.Check(OrtApi.Slot<OrtApi.Symbols>(63)(tensor, symbols, rank), Unloadable);
                var shape = sizes.Select((size, place) => size >= 0 ? size : (object)OrtApi.Text(symbols[place]));
                return new InputInfo(name, TypeName(type), shape.ToList());
            }
            finally
            {
                OrtApi.Slot<OrtApi.Freed>(98)(info);
            }
        }

        private static string TypeName(int type) => Types.ContainsKey(type) ? Types[type] : "type " + type;

        /// <inheritdoc/>
        public IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> feed)
        {
            lock (turn)
            {
                if (closed) throw new ObjectDisposedException(nameof(OnnxRuntime));
                running += 1;
            }
            using (var held = new NativeMemory())
            {
                var outputs = new IntPtr[Outputs.Count];
                try
                {
                    var inputs = feed.Select(one => InputOf(one, held)).ToArray();
                    var names = feed.Select(one => held.Text(one.Name)).ToArray();
                    var wanted = Outputs.Select(held.Text).ToArray();
                    OrtApi.Check(OrtApi.Slot<OrtApi.Ran>(9)(session, IntPtr.Zero, names, inputs,
                        (UIntPtr)inputs.Length, wanted, (UIntPtr)wanted.Length, outputs), Failed);
                    return outputs.Select((one, at) => OutputOf(Outputs[at], one)).ToList();
                }
                finally
                {
                    var free = OrtApi.Slot<OrtApi.Freed>(96);
                    foreach (var one in outputs.Where(one => one != IntPtr.Zero)) free(one);
                    Left();
                }
            }
        }

        private static IntPtr InputOf(Tensor one, NativeMemory held)
        {
            IntPtr memory, made;
            var rank = (UIntPtr)one.Shape.Length;
            var texts = one.Values as string[];
            if (texts != null)
            {
                OrtApi.Check(OrtApi.Slot<OrtApi.Made>(78)(out memory), Failed);
                OrtApi.Check(OrtApi.Slot<OrtApi.MadeTensor>(48)(memory, one.Shape, rank, 8, out made), Failed);
                held.Tensor(made);
                var fill = OrtApi.Slot<OrtApi.Filled>(52);
                OrtApi.Check(fill(made, texts.Select(held.Text).ToArray(), (UIntPtr)texts.Length), Failed);
                return made;
            }
            var bools = one.Values as bool[];
            var values = bools == null ? one.Values : bools.Select(value => value ? (byte)1 : (byte)0).ToArray();
            var type = bools != null ? 9 : values is float[] ? 1 : values is double[] ? 11 : values is long[] ? 7 : 6;
            OrtApi.Check(OrtApi.Slot<OrtApi.MadeMemory>(69)(0, 0, out memory), Failed);
            try
            {
                OrtApi.Check(OrtApi.Slot<OrtApi.MadeTensorOver>(49)(memory, held.Pinned(values),
                    (UIntPtr)Buffer.ByteLength(values), one.Shape, rank, type, out made), Failed);
            }
            finally
            {
                OrtApi.Slot<OrtApi.Freed>(94)(memory);
            }
            held.Tensor(made);
            return made;
        }

        private static Tensor OutputOf(string name, IntPtr value)
        {
            IntPtr info;
            int kind, type;
            UIntPtr rank, count;
            OrtApi.Check(OrtApi.Slot<OrtApi.GotInt>(67)(value, out kind), Failed);
            Must.Be(kind == 1, "output " + name + " is no tensor", ErrorCode.Unsupported,
                "convert the model with safeserial, whose outputs are tensors");
            OrtApi.Check(OrtApi.Slot<OrtApi.Got>(65)(value, out info), Failed);
            long[] shape;
            try
            {
                OrtApi.Check(OrtApi.Slot<OrtApi.GotInt>(60)(info, out type), Failed);
                OrtApi.Check(OrtApi.Slot<OrtApi.Counted>(61)(info, out rank), Failed);
                OrtApi.Check(OrtApi.Slot<OrtApi.Counted>(64)(info, out count), Failed);
                shape = new long[(int)rank];
                OrtApi.Check(OrtApi.Slot<OrtApi.Dimensions>(62)(info, shape, rank), Failed);
            }
            finally
            {
                OrtApi.Slot<OrtApi.Freed>(99)(info);
            }
            Must.Be(count.ToUInt64() <= Files.Most, "output " + name + " is too large", ErrorCode.Unsupported,
                "give fewer rows at once");
            var size = (int)count;
            if (type == 8) return new Tensor(name, TextsOf(value, size), shape);
            IntPtr data;
            OrtApi.Check(OrtApi.Slot<OrtApi.Got>(51)(value, out data), Failed);
            return new Tensor(name, NumbersOf(name, data, type, size), shape);
        }

        private static Array NumbersOf(string name, IntPtr data, int type, int size)
        {
            var floats = new float[type == 1 ? size : 0];
            var doubles = new double[type == 11 ? size : 0];
            var longs = new long[type == 7 ? size : 0];
            var ints = new int[type == 6 ? size : 0];
            var bytes = new byte[type == 9 ? size : 0];
            var known = type == 1 || type == 11 || type == 7 || type == 6 || type == 9;
            Must.Be(known, "output " + name + " is of type " + TypeName(type), ErrorCode.Unsupported,
                "convert the model with dtype=\"float32\"");
            if (size == 0) return floats;
            switch (type)
            {
                case 1: Marshal.Copy(data, floats, 0, size); return floats;
                case 11: Marshal.Copy(data, doubles, 0, size); return doubles;
                case 7: Marshal.Copy(data, longs, 0, size); return longs;
                case 6: Marshal.Copy(data, ints, 0, size); return ints;
                default: Marshal.Copy(data, bytes, 0, size); return bytes.Select(one => one != 0).ToArray();
            }
        }

        private static string[] TextsOf(IntPtr value, int count)
        {
            UIntPtr size;
            OrtApi.Check(OrtApi.Slot<OrtApi.Counted>(53)(value, out size), Failed);
            var data = new byte[(int)size];
            var begins = new UIntPtr[count];
            if (count == 0) return new string[0];
            OrtApi.Check(OrtApi.Slot<OrtApi.Content>(54)(value, data, size, begins, (UIntPtr)count), Failed);
            var texts = new string[count];
            for (var at = 0; at < count; at += 1)
            {
                var begin = (int)begins[at];
                var end = at + 1 < count ? (int)begins[at + 1] : data.Length;
                texts[at] = Encoding.UTF8.GetString(data, begin, end - begin);
            }
            return texts;
        }

        private void Left()
        {
            lock (turn)
            {
                running -= 1;
                if (closed && running == 0) Release();
            }
        }

        private void Release()
        {
            if (session != IntPtr.Zero) OrtApi.Slot<OrtApi.Freed>(95)(session);
            session = IntPtr.Zero;
        }

        /// <summary>Give back the engine's memory, once no thread uses it.</summary>
        public void Dispose()
        {
            lock (turn)
            {
                closed = true;
                if (running == 0) Release();
            }
        }
    }
}
