// SPDX-License-Identifier: BSD-3-Clause
// The model of this project: verified when it is opened, then asked.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using SafeSerial.Onnx;

namespace OneModel
{
    /// <summary>The model of this project. May be used by several threads.</summary>
    public sealed class SignedModel : IDisposable
    {
        private readonly Model model;

        private SignedModel(Model model)
        {
            this.model = model;
        }

        /// <summary>Who signed the model, and what they say of it.</summary>
        public Verified Said => model.Said;

        /// <summary>Verify the model and load it.</summary>
        /// <param name="keyFile">the signer's key; default: key.pem of the folder</param>
        /// <param name="folder">where the model is; default: beside the program</param>
        /// <exception cref="SafeSerialException">If the model is not to be used.</exception>
        public static SignedModel Open(string keyFile = null, string folder = null)
        {
            var place = folder ?? AppContext.BaseDirectory;
            var key = keyFile ?? (Facts.KeyFile == null ? null : Path.Combine(place, Facts.KeyFile));
            var keys = key == null ? new Key[0] : new[] { Key.FromFile(key) };
            var signature = Facts.SignatureFile == null ? null : Path.Combine(place, Facts.SignatureFile);
            return new SignedModel(Model.Open(Path.Combine(place, Facts.ModelFile), keys, signature));
        }

        /// <summary>Answer typed records.</summary>
        public IReadOnlyList<Prediction> Predict(IEnumerable<Row> rows) =>
            PredictRows(rows.Select(one => one.ToRow())).Select(one => new Prediction(one)).ToList();

        /// <summary>Answer rows as JSON and CSV have them: column name to value.</summary>
        public IReadOnlyList<Answer> PredictRows(IEnumerable<object> rows) => model.Predict(rows);

        /// <summary>Give back the engine's memory.</summary>
        public void Dispose() => model.Dispose();
    }
}
