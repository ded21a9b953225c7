// SPDX-License-Identifier: BSD-3-Clause
// What runs a model: ONNX Runtime by its C interface (OnnxRuntime.cs), or one of your own.
using System;
using System.Collections.Generic;

namespace SafeSerial.Onnx
{
    /// <summary>An input of a model.</summary>
    public sealed class InputInfo
    {
        /// <summary>Its name: a column, or X.</summary>
        public string Name { get; }

        /// <summary>float32, float64, int64, int32, bool, string, or what is not taken here.</summary>
        public string Type { get; }

        /// <summary>A long a dimension, or the name of one that is open.</summary>
        public IReadOnlyList<object> Shape { get; }

        /// <summary>Describe an input.</summary>
        public InputInfo(string name, string type, IReadOnlyList<object> shape)
        {
            Name = name;
            Type = type;
            Shape = shape;
        }
    }

    /// <summary>Values that go into a model or come out.</summary>
    public sealed class Tensor
    {
        /// <summary>The name of the input or output.</summary>
        public string Name { get; }

        /// <summary>An array of float, double, long, int, bool or string, row after row.</summary>
        public Array Values { get; }

        /// <summary>Its dimensions.</summary>
        public long[] Shape { get; }

        /// <summary>Name values.</summary>
        public Tensor(string name, Array values, long[] shape)
        {
            Name = name;
            Values = values;
            Shape = shape;
        }
    }

    /// <summary>A loaded model. Run may be called by several threads at once.</summary>
    public interface IEngine : IDisposable
    {
        /// <summary>The inputs, in the model's order.</summary>
        IReadOnlyList<InputInfo> Inputs { get; }

        /// <summary>The names of the outputs, in the model's order.</summary>
        IReadOnlyList<string> Outputs { get; }

        /// <summary>Run the model once: a tensor an input, in their order; returns one an output.</summary>
        IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> feed);
    }
}
