// SPDX-License-Identifier: BSD-3-Clause
// Models answer as scikit-learn does, and rows that do not fit are refused.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using NUnit.Framework;

namespace SafeSerial.Onnx.Tests
{
    [TestFixture]
    public class PredictTests
    {
        [TestCase("mixed")]
        [TestCase("forest")]
        [TestCase("text")]
        public void Answers_500_rows(string name)
        {
            var expected = (Dictionary<string, object>)Vectors.Json(name + "/expected.json");
            var labels = (List<object>)expected["labels"];
            var probabilities = (List<object>)expected["probabilities"];
            using (var model = Vectors.Open(name))
            {
                var answers = model.Predict(Vectors.Rows(name));
                Assert.That(answers.Count, Is.EqualTo(500));
                var wrong = 0;
                var off = 0.0;
                for (var row = 0; row < answers.Count; row += 1)
                {
                    if (!answers[row].Label.Equals(labels[row])) wrong += 1;
                    var wanted = ((List<object>)probabilities[row]).Select(Convert.ToDouble).ToArray();
                    Assert.That(answers[row].Probabilities.Length, Is.EqualTo(wanted.Length));
                    for (var at = 0; at < wanted.Length; at += 1)
                    {
                        var by = Math.Abs(answers[row].Probabilities[at] - wanted[at]);
                        Assert.That(by, Is.LessThanOrEqualTo(1e-6)); // and no NaN
                        off = Math.Max(off, by);
                    }
                }
                Console.WriteLine("# {0}: {1} labels differ, probabilities by {2}", name, wrong, off);
                Assert.That(wrong, Is.EqualTo(0));
            }
        }

        [Test]
        public void A_model_of_one_input_takes_bare_values()
        {
            using (var model = Vectors.Open("text"))
            {
                var records = model.Predict(Vectors.Rows("text").Take(20));
                var bare = model.Predict(Vectors.Rows("text").Take(20).Select(one => one["X"]));
                Assert.That(bare.Select(one => one.Label), Is.EqualTo(records.Select(one => one.Label)));
            }
            using (var model = Vectors.Open("forest"))
            {
                var answer = model.Predict(new object[] { new[] { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6 } }).Single();
                Assert.That(answer.Probabilities.Sum(), Is.EqualTo(1).Within(1e-6));
            }
        }

        [Test]
        public void Several_threads_use_one_model()
        {
            using (var model = Vectors.Open("mixed"))
            {
                var rows = Vectors.Rows("mixed");
                var wanted = model.Predict(rows).Select(one => one.Label).ToList();
                var found = Enumerable.Range(0, 8).Select(_ =>
                    Task.Run(() => model.Predict(rows).Select(one => one.Label).ToList())).ToArray();
                foreach (var one in found) Assert.That(one.Result, Is.EqualTo(wanted));
            }
        }

        private static Dictionary<string, object> Row() => new Dictionary<string, object>
        {
            { "age", 31 }, { "fare", null }, { "town", "Köln" }, { "class", "first" },
        };

        [TestCase("age", "31")]
        [TestCase("age", true)]
        [TestCase("town", 5)]
        [TestCase("town", "a\0b")]
        [TestCase("town", "half")]
        [TestCase("town", new[] { "a", "b" })]
        public void Refuses_a_row_that_does_not_fit(string column, object value)
        {
            using (var model = Vectors.Open("mixed"))
            {
                var row = Row();
                row[column] = "half".Equals(value) ? "\ud800" : value; // an attribute cannot hold half a character
                var refusal = Assert.Throws<SafeSerialException>(() => model.Predict(new[] { row }));
                Assert.That(refusal.Code, Is.EqualTo(ErrorCode.Rows));
                Assert.That(refusal.Message.Contains(column), refusal.Message);
            }
        }

        [Test]
        public void Refuses_what_is_no_row()
        {
            using (var model = Vectors.Open("mixed"))
            {
                var less = Row();
                less.Remove("town");
                var wrong = new[] { new object[0], new object[] { null }, new object[] { 5 }, new object[] { less } };
                foreach (var rows in wrong)
                {
                    var refusal = Assert.Throws<SafeSerialException>(() => model.Predict(rows));
                    Assert.That(refusal.Code, Is.EqualTo(ErrorCode.Rows));
                }
            }
            var closed = Vectors.Open("mixed");
            closed.Dispose();
            Assert.Throws<ObjectDisposedException>(() => closed.Predict(new[] { Row() }));
        }

        [Test]
        public void An_engine_of_ones_own_gets_the_verified_bytes()
        {
            byte[] given = null;
            var path = Vectors.Place("text/model.onnx");
            using (var model = Model.Open(path, new[] { Vectors.Key("ed25519.pem") },
                Vectors.Place("signed/text.ed25519.sig"), data => new OnnxRuntime(given = data)))
            {
                Assert.That(given, Is.EqualTo(System.IO.File.ReadAllBytes(path)));
                Assert.That(model.Said.ToArray(), Is.EqualTo(given));
            }
        }
    }
}
