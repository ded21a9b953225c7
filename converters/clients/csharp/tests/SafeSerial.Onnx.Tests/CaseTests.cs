// SPDX-License-Identifier: BSD-3-Clause
// Every case of the vectors: what must be refused is, the rest says who signed it.
using System.Collections.Generic;
using System.IO;
using System.Linq;
using NUnit.Framework;

namespace SafeSerial.Onnx.Tests
{
    [TestFixture]
    public class CaseTests
    {
        public static IEnumerable<TestCaseData> Cases() =>
            ((List<object>)Vectors.Json("cases.json")).Cast<Dictionary<string, object>>()
                .Select(one => new TestCaseData(one).SetName((string)one["name"]));

        [Test]
        public void There_are_cases_of_both_kinds()
        {
            var accepted = Cases().Count(one => (bool)((Dictionary<string, object>)one.Arguments[0])["accept"]);
            Assert.That(accepted, Is.GreaterThanOrEqualTo(12));
            Assert.That(Cases().Count() - accepted, Is.GreaterThanOrEqualTo(70));
        }

        [TestCaseSource("Cases")]
        public void Is_as_it_should_be(Dictionary<string, object> one)
        {
            var key = Key.FromFile(Vectors.Place((string)one["key"]));
            var model = File.ReadAllBytes(Vectors.Place((string)one["model"]));
            var named = (string)one["signature"];
            var signature = named == null ? null : File.ReadAllBytes(Vectors.Place(named));
            if ((bool)one["accept"] && !one.ContainsKey("needs"))
            {
                var said = Verified.Check(model, signature, new[] { key });
                Assert.That(said.Signers, Is.EqualTo(new[] { key.Id }));
                Assert.That(said.Version, Is.EqualTo("1.0"));
                Assert.That(said.Metadata["team"], Is.EqualTo("vectors"));
                return;
            }
            var refusal = Assert.Throws<SafeSerialException>(
                () => Verified.Check(model, signature, new[] { key }));
            Assert.That(refusal.Message, Is.Not.Empty);
            Assert.That(refusal.Hint, Is.Not.Empty);
            if (one.ContainsKey("needs")) Assert.That(refusal.Message.Contains("BLAKE3"), refusal.Message);
        }
    }
}
