// SPDX-License-Identifier: BSD-3-Clause
// A verified model in an engine.  The engine gets the very bytes that were verified.
using System;
using System.Collections.Generic;
using System.Linq;

namespace SafeSerial.Onnx
{
    /// <summary>What a model answers to one row.</summary>
    public sealed class Answer
    {
        /// <summary>All outputs: a long, double, bool or string, or an array of these.</summary>
        public IReadOnlyDictionary<string, object> Values { get; }

        /// <summary>What the model predicts, or null.</summary>
        public object Label => Get("label");

        /// <summary>One number a class, or null.</summary>
        public double[] Probabilities => Get("probabilities") as double[];

        internal Answer(Dictionary<string, object> values)
        {
            Values = values;
        }

        private object Get(string name)
        {
            object found;
            Values.TryGetValue(name, out found);
            return found;
        }
    }

    /// <summary>A model that was verified before the engine saw it. May be used by several threads.</summary>
    public sealed class Model : IDisposable
    {
        private readonly IEngine engine;

        /// <summary>Who signed the model, and what they say of it.</summary>
        public Verified Said { get; }

        /// <summary>What a row must have.</summary>
        public IReadOnlyList<InputInfo> Inputs => engine.Inputs;

        /// <summary>The names of the model's outputs.</summary>
        public IReadOnlyList<string> Outputs => engine.Outputs;

        private Model(Verified said, IEngine engine)
        {
            Said = said;
            this.engine = engine;
        }

        /// <summary>Verify a model file, then load it.</summary>
        /// <param name="path">an .onnx or .safeserial file</param>
        /// <param name="keys">whom you trust: Key.FromFile, Key.Parse</param>
        /// <param name="signaturePath">default: the path with .sig added, if it is there</param>
        /// <param name="engine">what loads the verified bytes; default: ONNX Runtime</param>
        /// <exception cref="SafeSerialException">If the model is not to be used.</exception>
        public static Model Open(string path, IEnumerable<Key> keys, string signaturePath = null,
            Func<byte[], IEngine> engine = null) =>
            Load(Verified.CheckFile(path, keys, signaturePath), engine);

        /// <summary>Verify a model's bytes, then load them.</summary>
        /// <param name="model">an .onnx or .safeserial file</param>
        /// <param name="signature">the .sig file of an .onnx file; else null</param>
        /// <param name="keys">whom you trust: Key.FromFile, Key.Parse</param>
        /// <param name="engine">what loads the verified bytes; default: ONNX Runtime</param>
        /// <exception cref="SafeSerialException">If the model is not to be used.</exception>
        public static Model Open(byte[] model, byte[] signature, IEnumerable<Key> keys,
            Func<byte[], IEngine> engine = null) =>
            Load(Verified.Check(model, signature, keys), engine);

        private static Model Load(Verified said, Func<byte[], IEngine> engine)
        {
            var loaded = engine == null ? new OnnxRuntime(said.Data) : engine(said.Data);
            return new Model(said, loaded);
        }

        /// <summary>Answer some rows.</summary>
        /// <param name="rows">
        /// Dictionaries of column name to number, text, bool or null (missing); of a model of one input also
        /// the bare values. Columns that the model does not take are passed over.
        /// </param>
        /// <exception cref="SafeSerialException">If the rows do not fit the model.</exception>
        public IReadOnlyList<Answer> Predict(IEnumerable<object> rows)
        {
            if (rows == null) throw new ArgumentNullException(nameof(rows));
            var list = rows.ToList();
            return Rows.Answers(engine.Run(Rows.Feed(engine.Inputs, list)), list.Count);
        }

        /// <summary>Give back the engine's memory.</summary>
        public void Dispose() => engine.Dispose();
    }
}
