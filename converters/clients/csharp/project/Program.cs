// SPDX-License-Identifier: BSD-3-Clause
// The program: predict [--key FILE] [ROWS] answers rows of a file or of standard input.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using OneModel;
using SafeSerial.Onnx;

internal static class Program
{
    private const string Usage = "predict [--key FILE] [ROWS]";

    private static int Main(string[] arguments)
    {
        try
        {
            string key;
            var places = Ordered(arguments, out key);
            using (var model = SignedModel.Open(key))
            using (var rows = places.Count == 0 ? Console.OpenStandardInput() : Opened(places[0]))
            {
                var answers = model.PredictRows(RowReader.Read(rows)).Select(one => one.Values);
                Say(Console.OpenStandardOutput(), JsonText.Write(answers) + "\n");
            }
            return 0;
        }
        catch (SafeSerialException error)
        {
            Say(Console.OpenStandardError(), "error: " + error.Message + "\nhint: " + error.Hint + "\n");
            return error.Code == ErrorCode.Usage ? 2 : 1;
        }
    }

    private static List<string> Ordered(string[] arguments, out string key)
    {
        var places = new List<string>();
        key = null;
        for (var at = 0; at < arguments.Length; at += 1)
        {
            if (arguments[at] == "--key" && at + 1 < arguments.Length) key = arguments[++at];
            else if (arguments[at].StartsWith("--key=", StringComparison.Ordinal)) key = arguments[at].Substring(6);
            else if (!arguments[at].StartsWith("-", StringComparison.Ordinal)) places.Add(arguments[at]);
            else throw new SafeSerialException(ErrorCode.Usage, "unknown or half an option", Usage);
        }
        if (places.Count <= 1) return places;
        throw new SafeSerialException(ErrorCode.Usage, "name one file of rows", Usage);
    }

    private static Stream Opened(string place)
    {
        try
        {
            return new FileStream(place, FileMode.Open, FileAccess.Read);
        }
        catch (Exception error) when (error is IOException || error is UnauthorizedAccessException
            || error is ArgumentException || error is NotSupportedException)
        {
            throw new SafeSerialException(ErrorCode.Usage, "cannot read " + place, Usage, error);
        }
    }

    private static void Say(Stream stream, string text)
    {
        var data = new UTF8Encoding(false).GetBytes(text);
        stream.Write(data, 0, data.Length);
        stream.Flush();
    }
}
