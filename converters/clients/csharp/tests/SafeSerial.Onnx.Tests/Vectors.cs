// SPDX-License-Identifier: BSD-3-Clause
// Where the vectors are (SAFESERIAL_VECTORS, else ../vectors beside this project), and how to read them.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text;

namespace SafeSerial.Onnx.Tests
{
    internal static class Vectors
    {
        internal static string Place(string name, [CallerFilePath] string source = "")
        {
            var beside = Path.Combine(Path.GetDirectoryName(source), "..", "..", "..", "vectors");
            return Path.Combine(Environment.GetEnvironmentVariable("SAFESERIAL_VECTORS") ?? beside, name);
        }

        internal static object Json(string name)
        {
            var text = "[" + File.ReadAllText(Place(name)) + "]";
            return JsonRows.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)))[0];
        }

        internal static Key Key(string name) => Onnx.Key.FromFile(Place("keys/" + name));

        /// <summary>Return the rows of a model: columns in the file, records here.</summary>
        internal static List<Dictionary<string, object>> Rows(string model)
        {
            var columns = (Dictionary<string, object>)Json(model + "/rows.json");
            var count = ((List<object>)columns.First().Value).Count;
            return Enumerable.Range(0, count).Select(row => columns.ToDictionary(
                one => one.Key, one => ((List<object>)one.Value)[row])).ToList();
        }

        internal static Model Open(string model) => Model.Open(
            Place(model + "/model.onnx"), new[] { Key("p256.pem") }, Place("signed/" + model + ".p256.sig"));
    }
}
