// SPDX-License-Identifier: BSD-3-Clause
// The stable C interface of ONNX Runtime: a table of functions that only ever grows at its end.  The
// number is a function's place in it (struct OrtApi of onnxruntime_c_api.h).
using System;
using System.Runtime.InteropServices;
using System.Text;

namespace SafeSerial.Onnx
{
    internal static class OrtApi
    {
        // libonnxruntime.so, onnxruntime.dll, libonnxruntime.dylib: .NET adds what the system wants.
        [DllImport("onnxruntime")] private static extern IntPtr OrtGetApiBase();

        // What .NET sets in its own environment, a library does not see on every system.
        [DllImport("libc", EntryPoint = "setenv")]
        private static extern int SetEnvironment(string name, string value, int overwrite);

        internal delegate IntPtr OfVersion(uint version);
        internal delegate IntPtr Told(IntPtr status);
        internal delegate void Freed(IntPtr value);
        internal delegate IntPtr Made(out IntPtr made);
        internal delegate IntPtr MadeEnv(int level, byte[] name, out IntPtr made);
        internal delegate IntPtr MadeSession(IntPtr env, byte[] model, UIntPtr size, IntPtr options, out IntPtr made);
        internal delegate IntPtr Ran(IntPtr session, IntPtr options, IntPtr[] inputNames, IntPtr[] inputs,
            UIntPtr inputCount, IntPtr[] outputNames, UIntPtr outputCount, [In, Out] IntPtr[] outputs);
        internal delegate IntPtr Counted(IntPtr of, out UIntPtr count);
        internal delegate IntPtr At(IntPtr session, UIntPtr index, out IntPtr made);
        internal delegate IntPtr Named(IntPtr session, UIntPtr index, IntPtr allocator, out IntPtr name);
        internal delegate IntPtr MadeTensor(IntPtr allocator, long[] shape, UIntPtr rank, int type, out IntPtr made);
        internal delegate IntPtr MadeTensorOver(IntPtr memory, IntPtr data, UIntPtr size, long[] shape,
            UIntPtr rank, int type, out IntPtr made);
        internal delegate IntPtr Got(IntPtr of, out IntPtr found);
        internal delegate IntPtr Filled(IntPtr tensor, IntPtr[] texts, UIntPtr count);
        internal delegate IntPtr Content(IntPtr tensor, [In, Out] byte[] data, UIntPtr size,
            [In, Out] UIntPtr[] begins, UIntPtr count);
        internal delegate IntPtr GotInt(IntPtr of, out int found);
        internal delegate IntPtr Dimensions(IntPtr of, [In, Out] long[] found, UIntPtr rank);
        internal delegate IntPtr Symbols(IntPtr of, [In, Out] IntPtr[] found, UIntPtr rank);
        internal delegate IntPtr MadeMemory(int allocator, int memory, out IntPtr made);
        internal delegate IntPtr FreedBy(IntPtr allocator, IntPtr value);

        private static readonly Lazy<IntPtr> Table = new Lazy<IntPtr>(Load);
        private static readonly Lazy<IntPtr> OneEnv = new Lazy<IntPtr>(() =>
        {
            IntPtr env;
            Check(Slot<MadeEnv>(3)(4, Z("safeserial"), out env), "the engine cannot start"); // 4: says nothing
            return env;
        });
        private static readonly Lazy<Told> Message = new Lazy<Told>(() => Slot<Told>(2));
        private static readonly Lazy<Freed> FreeStatus = new Lazy<Freed>(() => Slot<Freed>(93));

        /// <summary>The engine's surroundings: one a process.</summary>
        internal static IntPtr Env => OneEnv.Value;

        /// <summary>Tell builds that keep usage data in the user's home not to, unless the user has said.</summary>
        private static void KeepNoRecord()
        {
            const string name = "ORT_DISABLE_TELEMETRY";
            if (Environment.GetEnvironmentVariable(name) != null) return;
            Environment.SetEnvironmentVariable(name, "1");
            try
            {
                SetEnvironment(name, "1", 0);
            }
            catch (Exception error) when (error is DllNotFoundException || error is EntryPointNotFoundException)
            {
                // Windows, where the first is enough.
            }
        }

        private static IntPtr Load()
        {
            try
            {
                KeepNoRecord();
                var api = OrtGetApiBase();
                var found = Marshal.GetDelegateForFunctionPointer<OfVersion>(Marshal.ReadIntPtr(api))(1);
                if (found != IntPtr.Zero) return found;
                throw new DllNotFoundException("of another kind");
            }
            catch (Exception error) when (error is DllNotFoundException
                || error is EntryPointNotFoundException || error is BadImageFormatException)
            {
                throw new SafeSerialException(ErrorCode.Runtime, "ONNX Runtime's library cannot be used: " +
                    error.Message, "add the package Microsoft.ML.OnnxRuntime, or set LD_LIBRARY_PATH", error);
            }
        }

        /// <summary>Return a function of the table.</summary>
        internal static T Slot<T>(int place) => Marshal.GetDelegateForFunctionPointer<T>(
            Marshal.ReadIntPtr(Table.Value, place * IntPtr.Size));

        /// <summary>Refuse what failed.</summary>
        internal static void Check(IntPtr status, string what)
        {
            if (status == IntPtr.Zero) return;
            var told = Text(Message.Value(status));
            FreeStatus.Value(status);
            throw new SafeSerialException(ErrorCode.Runtime, what + ": " + told,
                "look at the rows; or convert the model again, for this version of the engine");
        }

        /// <summary>Return a text as C wants it.</summary>
        internal static byte[] Z(string text) => Texts.Utf8(text + "\0");

        /// <summary>Read a text of C.</summary>
        internal static string Text(IntPtr place)
        {
            if (place == IntPtr.Zero) return "";
            var size = 0;
            while (Marshal.ReadByte(place, size) != 0) size += 1;
            var data = new byte[size];
            Marshal.Copy(place, data, 0, size);
            return Encoding.UTF8.GetString(data);
        }
    }
}
