// SPDX-License-Identifier: BSD-3-Clause
// Bytes at random places changed: no exception but the library's own, and no changed model accepted.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using NUnit.Framework;

namespace SafeSerial.Onnx.Tests
{
    [TestFixture]
    public class HostileTests
    {
        private static byte[] Changed(byte[] data, Random random)
        {
            var made = data.ToList();
            for (var turn = random.Next(1, 4); turn > 0; turn -= 1)
            {
                var at = random.Next(made.Count);
                switch (random.Next(4))
                {
                    case 0: made[at] ^= (byte)(1 << random.Next(8)); break;
                    case 1: made[at] = (byte)random.Next(256); break;
                    case 2: made.RemoveRange(at, Math.Min(random.Next(1, 9), made.Count - at)); break;
                    default: made.Insert(at, (byte)"{}[],:\"\\0 \n"[random.Next(11)]); break;
                }
                if (made.Count == 0) made.Add(0);
            }
            return made.ToArray();
        }

        private static Verified Try(byte[] model, byte[] signature, Key key)
        {
            try
            {
                return Verified.Check(model, signature, new[] { key });
            }
            catch (SafeSerialException refusal)
            {
                Assert.That(refusal.Hint, Is.Not.Empty);
                return null;
            }
        }

        [TestCase("p256", "p256.pem")]
        [TestCase("ed25519", "ed25519.pem")]
        [TestCase("hmac", "hmac.txt")]
        public void Signatures_changed_at_random(string kind, string named)
        {
            var random = new Random(20261122);
            var key = Vectors.Key(named);
            var model = File.ReadAllBytes(Vectors.Place("mixed/model.onnx"));
            var good = File.ReadAllBytes(Vectors.Place("signed/mixed." + kind + ".sig"));
            Assert.That(Try(model, good, key), Is.Not.Null);
            var refused = 0;
            for (var turn = 0; turn < 1200; turn += 1)
            {
                var found = Try(model, Changed(good, random), key);
                if (found == null) refused += 1; // white space may change
                else Assert.That(found.Signers.Single(), Is.EqualTo(key.Id));
            }
            Assert.That(refused, Is.GreaterThan(900));
            for (var turn = 0; turn < 300; turn += 1) Assert.That(Try(Changed(model, random), good, key), Is.Null);
        }

        [Test]
        public void Artifacts_changed_at_random()
        {
            var random = new Random(20261122);
            var key = Vectors.Key("p256.pem");
            var good = File.ReadAllBytes(Vectors.Place("signed/text.p256.safeserial"));
            Assert.That(Try(good, null, key), Is.Not.Null);
            for (var turn = 0; turn < 250; turn += 1)
            {
                // Most of the file is the model: the front, the manifest and the end are the places to look.
                var made = (byte[])good.Clone();
                var at = turn % 2 == 0 ? random.Next(18200) : made.Length - 1 - random.Next(400);
                made[at] ^= (byte)(1 << random.Next(8));
                Assert.That(Try(made, null, key), Is.Null, "byte " + at);
                var cut = good.Take(random.Next(good.Length)).ToArray();
                Assert.That(Try(cut, null, key), Is.Null);
            }
        }

        [Test]
        public void Keys_changed_at_random()
        {
            var random = new Random(20261122);
            foreach (var name in new[] { "p256.pem", "ed25519.pem", "hmac.txt" })
            {
                var good = File.ReadAllText(Vectors.Place("keys/" + name));
                for (var turn = 0; turn < 1000; turn += 1)
                {
                    var text = Encoding.UTF8.GetString(Changed(Encoding.UTF8.GetBytes(good), random));
                    try
                    {
                        Key.Parse(text);
                    }
                    catch (SafeSerialException refusal)
                    {
                        Assert.That(refusal.Hint, Is.Not.Empty);
                    }
                }
            }
        }

        // The points whose order divides 8, y at the prime, and y beyond it.
        [TestCase("0000000000000000000000000000000000000000000000000000000000000000")]
        [TestCase("0100000000000000000000000000000000000000000000000000000000000080")]
        [TestCase("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
        [TestCase("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")]
        [TestCase("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")]
        [TestCase("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
        [TestCase("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
        public void Refuses_keys_under_which_anybody_can_sign(string point)
        {
            var hex = "302a300506032b6570032100" + point;
            var der = Enumerable.Range(0, hex.Length / 2).Select(at => Convert.ToByte(hex.Substring(2 * at, 2), 16));
            var pem = "-----BEGIN PUBLIC KEY-----\n" + Convert.ToBase64String(der.ToArray()) +
                "\n-----END PUBLIC KEY-----\n";
            var refusal = Assert.Throws<SafeSerialException>(() => Key.Parse(pem));
            Assert.That(refusal.Code, Is.EqualTo(ErrorCode.Key));
        }

        [TestCase("[{\"a\":1,\"a\":2}]")]
        [TestCase("[{\"a\":1,\"\\u0061\":2}]")]
        [TestCase("[\"\\ud800\"]")]
        [TestCase("[\"\\ude00\\ud83d\"]")]
        [TestCase("[01]")]
        [TestCase("[1.]")]
        [TestCase("[.5]")]
        [TestCase("[+1]")]
        [TestCase("[1e]")]
        [TestCase("[1e999]")]
        [TestCase("[NaN]")]
        [TestCase("[1,]")]
        [TestCase("[1] 2")]
        [TestCase("[\"a\nb\"]")]
        [TestCase("['a']")]
        [TestCase("[\"\\x\"]")]
        [TestCase("[\"\\u00g0\"]")]
        [TestCase("[tru]")]
        [TestCase("{}")]
        [TestCase("\ufeff[]")]
        [TestCase("")]
        [TestCase("[")]
        public void Refuses_what_is_not_JSON(string text)
        {
            var refusal = Assert.Throws<SafeSerialException>(() => Json(text));
            Assert.That(refusal.Code, Is.EqualTo(ErrorCode.Rows));
        }

        [Test]
        public void JSON_is_nested_up_to_a_depth()
        {
            Assert.That(Json(new string('[', 64) + new string(']', 64)).Count, Is.EqualTo(1));
            Assert.Throws<SafeSerialException>(() => Json(new string('[', 66) + new string(']', 66)));
            Assert.Throws<SafeSerialException>(() => Json(new string('[', 1000000)));
        }

        [Test]
        public void Numbers_are_read_to_the_last_bit_and_written_so()
        {
            var random = new Random(20261122);
            foreach (var one in Known)
            {
                var bits = BitConverter.DoubleToInt64Bits((double)Json("[" + one.Key + "]")[0]);
                Assert.That(bits, Is.EqualTo(one.Value), one.Key);
            }
            for (var turn = 0; turn < 5000; turn += 1)
            {
                var data = new byte[8];
                random.NextBytes(data);
                var value = BitConverter.ToDouble(data, 0);
                if (double.IsNaN(value) || double.IsInfinity(value)) continue;
                var text = JsonText.Write(new[] { value });
                Assert.That(Convert.ToDouble(Json(text)[0]), Is.EqualTo(value), text);
            }
        }

        private static readonly Dictionary<string, long> Known = new Dictionary<string, long>
        {
            { "6.108027048719432e-89", 0x2d9f1b0da7a50ee5 },
            { "5e-324", 0x1 },
            { "2.4703282292062328e-324", 0x1 },
            { "1.7976931348623157e308", 0x7fefffffffffffff },
            { "9007199254740993.0", 0x4340000000000000 },
            { "0.1", 0x3fb999999999999a },
            { "1e22", 0x4480f0cf064dd592 },
            { "123456789012345678901234567890", 0x45f8ee90ff6c373e },
        };

        private static IReadOnlyList<object> Json(string text) =>
            JsonRows.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)));
    }
}
