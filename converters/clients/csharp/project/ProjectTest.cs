// SPDX-License-Identifier: BSD-3-Clause
// The model answers as it did when this project was made, from JSON, CSV and typed records, and a changed
// one is refused.  One signed with a shared secret is tested with SAFESERIAL_KEY_FILE=secret.key
using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using OneModel;
using SafeSerial.Onnx;

internal static class ProjectTest
{
    private static readonly string KeyFile = Environment.GetEnvironmentVariable("SAFESERIAL_KEY_FILE");

    private static string Place(string name) => Path.Combine(AppContext.BaseDirectory, name);

    private static IReadOnlyList<object> Rows(string name)
    {
        using (var stream = File.OpenRead(Place(name))) return RowReader.Read(stream);
    }

    private static int Main()
    {
        if (string.IsNullOrEmpty(KeyFile) && Facts.KeyFile == null)
        {
            Console.WriteLine("1..0 # skip SAFESERIAL_KEY_FILE names no key");
            return 0;
        }
        var key = string.IsNullOrEmpty(KeyFile) ? null : KeyFile;
        var tests = new List<KeyValuePair<string, Action>>
        {
            new KeyValuePair<string, Action>("a changed model is refused", () => RefusesAChange(key)),
        };
        if (Rows("answers.json").Count > 0)
        {
            tests.Add(new KeyValuePair<string, Action>("rows are answered as when the project was made",
                () => AnswersAsBefore(key)));
        }
        var failed = 0;
        Console.WriteLine("1.." + tests.Count);
        for (var at = 0; at < tests.Count; at += 1)
        {
            try
            {
                tests[at].Value();
                Console.WriteLine("ok " + (at + 1) + " - " + tests[at].Key);
            }
            catch (Exception error)
            {
                failed += 1;
                Console.WriteLine("not ok " + (at + 1) + " - " + tests[at].Key + "\n  " + error);
            }
        }
        return failed == 0 ? 0 : 1;
    }

    private static void RefusesAChange(string key)
    {
        var model = File.ReadAllBytes(Place(Facts.ModelFile));
        model[model.Length / 2] ^= 1;
        var signature = Facts.SignatureFile == null ? null : File.ReadAllBytes(Place(Facts.SignatureFile));
        try
        {
            Verified.Check(model, signature, new[] { Key.FromFile(key ?? Place(Facts.KeyFile)) });
        }
        catch (SafeSerialException)
        {
            return;
        }
        throw new InvalidOperationException("it was not refused");
    }

    private static void AnswersAsBefore(string key)
    {
        var wanted = Rows("answers.json");
        using (var model = SignedModel.Open(key))
        {
            Agree(model.PredictRows(Rows("rows.json")), wanted);
            Agree(model.PredictRows(Rows("rows.csv")), wanted);
            var records = Rows("rows.json").Select(one => Row.From((IDictionary<string, object>)one));
            Agree(model.Predict(records).Select(one => one.Answer).ToList(), wanted);
        }
    }

    private static void Agree(IReadOnlyList<Answer> found, IReadOnlyList<object> wanted)
    {
        if (found.Count != wanted.Count) throw new InvalidOperationException("another number of answers");
        for (var row = 0; row < wanted.Count; row += 1)
        {
            var one = (Dictionary<string, object>)wanted[row];
            if (!one.Keys.OrderBy(name => name).SequenceEqual(found[row].Values.Keys.OrderBy(name => name)))
            {
                throw new InvalidOperationException("other outputs");
            }
            foreach (var name in one.Keys) Same(found[row].Values[name], one[name]);
        }
    }

    private static void Same(object found, object wanted)
    {
        if (wanted is List<object>)
        {
            var values = ((IEnumerable)found).Cast<object>().ToList();
            if (values.Count != ((List<object>)wanted).Count) throw new InvalidOperationException("another width");
            for (var at = 0; at < values.Count; at += 1) Same(values[at], ((List<object>)wanted)[at]);
        }
        else if (wanted is double || wanted is long)
        {
            var number = Convert.ToDouble(wanted);
            if (Math.Abs(Convert.ToDouble(found) - number) <= 1e-6 * Math.Max(1, Math.Abs(number))) return;
            throw new InvalidOperationException(found + " is not " + wanted);
        }
        else if (!Equals(found, wanted)) throw new InvalidOperationException(found + " is not " + wanted);
    }
}
