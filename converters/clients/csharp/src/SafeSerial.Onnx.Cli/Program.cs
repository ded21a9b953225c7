// SPDX-License-Identifier: BSD-3-Clause
// The command: verify a model, answer the rows on standard input (a JSON list of records).
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace SafeSerial.Onnx.Cli
{
    internal static class Program
    {
        private const string Usage = "safeserial-onnx MODEL --key KEYFILE [--signature FILE] [--show] < rows.json";

        private static int Main(string[] arguments)
        {
            try
            {
                Say(Console.OpenStandardOutput(), JsonText.Write(Answer(new Options(arguments))) + "\n");
                return 0;
            }
            catch (SafeSerialException error)
            {
                Say(Console.OpenStandardError(), "error: " + error.Message + "\nhint: " + error.Hint + "\n");
                return error.Code == ErrorCode.Usage ? 2 : 1;
            }
        }

        private static object Answer(Options options)
        {
            var keys = options.Keys.Select(Key.FromFile);
            using (var model = Model.Open(options.Model, keys, options.Signature))
            {
                if (options.Show) return Facts(model);
                var rows = JsonRows.Read(Console.OpenStandardInput());
                return model.Predict(rows).Select(one => one.Values).ToList();
            }
        }

        private static object Facts(Model model)
        {
            var facts = new Dictionary<string, object>
            {
                { "signers", model.Said.Signers },
                { "name", model.Said.Name },
                { "version", model.Said.Version },
                { "created", model.Said.Created },
                { "metadata", model.Said.Metadata },
            };
            if (model.Said.Classes != null) facts["classes"] = model.Said.Classes;
            facts["inputs"] = model.Inputs.Select(one => new Dictionary<string, object>
            {
                { "name", one.Name }, { "type", one.Type }, { "shape", one.Shape },
            }).ToList();
            facts["outputs"] = model.Outputs;
            return facts;
        }

        private static void Say(Stream stream, string text)
        {
            var data = new UTF8Encoding(false).GetBytes(text); // not as the console would: others read it
            stream.Write(data, 0, data.Length);
            stream.Flush();
        }

        /// <summary>What the command was given.</summary>
        private sealed class Options
        {
            internal string Model { get; }
            internal string Signature { get; }
            internal bool Show { get; }
            internal List<string> Keys { get; } = new List<string>();

            internal Options(string[] arguments)
            {
                var models = new List<string>();
                var plain = false;
                for (var at = 0; at < arguments.Length; at += 1)
                {
                    var parts = arguments[at].Split(new[] { '=' }, 2);
                    if (plain || !arguments[at].StartsWith("-", StringComparison.Ordinal)) models.Add(arguments[at]);
                    else if (arguments[at] == "--") plain = true;
                    else if (arguments[at] == "--show") Show = true;
                    else if (parts[0] != "--key" && parts[0] != "--signature")
                    {
                        throw Wrong("unknown option " + parts[0]);
                    }
                    else
                    {
                        if (parts.Length == 1 && at + 1 == arguments.Length) throw Wrong(parts[0] + " needs a file");
                        var value = parts.Length == 2 ? parts[1] : arguments[++at];
                        if (parts[0] == "--key") Keys.Add(value);
                        else Signature = value;
                    }
                }
                if (models.Count != 1) throw Wrong("name one model");
                Model = models[0];
            }

            private static SafeSerialException Wrong(string message) =>
                new SafeSerialException(ErrorCode.Usage, message, Usage);
        }
    }
}
