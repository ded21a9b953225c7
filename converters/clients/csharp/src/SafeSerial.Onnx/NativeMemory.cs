// SPDX-License-Identifier: BSD-3-Clause
// What one run lends to the engine, given back at its end whatever happens.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace SafeSerial.Onnx
{
    internal sealed class NativeMemory : IDisposable
    {
        private readonly List<IntPtr> texts = new List<IntPtr>();
        private readonly List<GCHandle> pinned = new List<GCHandle>();
        private readonly List<IntPtr> tensors = new List<IntPtr>();

        /// <summary>Return a text as C wants it.</summary>
        internal IntPtr Text(string text)
        {
            var data = OrtApi.Z(text);
            var place = Marshal.AllocHGlobal(data.Length);
            texts.Add(place);
            Marshal.Copy(data, 0, place, data.Length);
            return place;
        }

        /// <summary>Return where an array of numbers stands, and keep it there.</summary>
        internal IntPtr Pinned(Array values)
        {
            var handle = GCHandle.Alloc(values, GCHandleType.Pinned);
            pinned.Add(handle);
            return handle.AddrOfPinnedObject();
        }

        /// <summary>Take over a tensor.</summary>
        internal void Tensor(IntPtr value) => tensors.Add(value);

        public void Dispose()
        {
            if (tensors.Count > 0)
            {
                var free = OrtApi.Slot<OrtApi.Freed>(96);
                foreach (var one in tensors) free(one);
            }
            foreach (var one in texts) Marshal.FreeHGlobal(one);
            foreach (var one in pinned) one.Free();
        }
    }
}
