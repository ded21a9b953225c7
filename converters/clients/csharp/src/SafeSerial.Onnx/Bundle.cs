// SPDX-License-Identifier: BSD-3-Clause
// The file of signatures beside a model: one bundle a line, one signer a bundle
// (docs/spec/detached-v1.md).  No cryptography here, only the exact text.
using System;
using System.Collections.Generic;
using System.Linq;

namespace SafeSerial.Onnx
{
    internal sealed class Bundle
    {
        internal const string Sigstore = "application/vnd.dev.sigstore.bundle.v0.3+json";
        internal const string Ours = "application/vnd.safeserial.bundle.v1+json";
        internal const string StatementType = "application/vnd.in-toto+json";
        internal const int MostBytes = 64 << 20;
        internal const int Levels = 16;

        internal string MediaType { get; private set; }
        internal byte[] Payload { get; private set; }
        internal byte[] Value { get; private set; }
        internal string KeyId { get; private set; }
        internal string Hint { get; private set; }
        internal bool ByKey { get; private set; }

        /// <summary>Read a signature file; nothing of it is verified.</summary>
        internal static List<Bundle> Split(byte[] data)
        {
            Must.Be(data.Length <= MostBytes, "the signature file is too long");
            var ends = data.Count(one => one == '\n' || one == '\r');
            Must.Be(ends <= 4096, "the signature file has too many lines");
            var text = Texts.FromUtf8(data, "the signature file").Trim(' ', '\t', '\r', '\n', '\v', '\f');
            Must.Be(text != "", "the signature file is empty", ErrorCode.Unsigned,
                "ask the sender to sign the model");
            var lines = text.Split(new[] { "\r\n", "\n", "\r" }, StringSplitOptions.None);
            var separate = lines.All(line => line.StartsWith("{", StringComparison.Ordinal)
                && line.TrimEnd(' ', '\t').EndsWith("}", StringComparison.Ordinal));
            if (!separate) lines = new[] { text }; // one bundle that somebody laid out for people
            Must.Be(lines.Length <= 32, "there are too many signatures");
            var bundles = lines.Select(Read).ToList();
            var seen = bundles.Select(one =>
                Convert.ToBase64String(one.Payload) + " " + Convert.ToBase64String(one.Value));
            Must.Be(seen.Distinct().Count() == bundles.Count, "the signature file has the same signature twice");
            return bundles;
        }

        private static Bundle Read(string line)
        {
            var value = StrictJson.Read(Texts.Utf8(line), "the signature file", Levels);
            var top = StrictJson.Fields(value, "the bundle", "mediaType verificationMaterial dsseEnvelope");
            var mediaType = top["mediaType"] as string;
            Must.Be(mediaType == Sigstore || mediaType == Ours, "unknown kind of signature",
                ErrorCode.Unsupported);
            var envelope = StrictJson.Fields(top["dsseEnvelope"], "the envelope",
                "payload payloadType signatures");
            Must.Be(envelope["payloadType"] as string == StatementType, "unknown type of signed content",
                ErrorCode.Unsupported);
            var signatures = envelope["signatures"] as List<object>;
            Must.Be(signatures != null, "the signatures are no list");
            Must.Be(signatures.Count > 0, "the bundle carries no signature", ErrorCode.Unsigned,
                "ask the sender to sign the model");
            Must.Be(signatures.Count == 1, "the bundle carries more than one signature");
            var signature = StrictJson.Fields(signatures[0], "the signature", "sig", "keyid");
            var bytes = Texts.FromBase64(signature["sig"], "the signature");
            Must.Be(bytes.Length <= 8192, "the signature is too long");
            var material = StrictJson.Fields(top["verificationMaterial"], "verificationMaterial", "",
                "publicKey tlogEntries x509CertificateChain");
            object log;
            material.TryGetValue("tlogEntries", out log);
            var keyless = log != null && !(log is List<object> && ((List<object>)log).Count == 0);
            Must.Be(!keyless, "keyless signatures are not read here", ErrorCode.Unsupported);
            var byKey = material.ContainsKey("publicKey");
            Must.Be(byKey != material.ContainsKey("x509CertificateChain"), "the bundle names no key");
            var key = byKey
                ? StrictJson.Fields(material["publicKey"], "publicKey", "", "hint rawBytes keyDetails validFor")
                : new Dictionary<string, object>();
            return new Bundle
            {
                MediaType = mediaType,
                Payload = Texts.FromBase64(envelope["payload"], "the statement"),
                Value = bytes,
                KeyId = NameOf(signature, "keyid"),
                Hint = NameOf(key, "hint"),
                ByKey = byKey,
            };
        }

        private static string NameOf(Dictionary<string, object> fields, string field)
        {
            object value;
            if (!fields.TryGetValue(field, out value) || value == null) return "";
            var text = value as string;
            var right = text != null && text.Length <= 256 && text.All(one => one > ' ' && one < 127);
            Must.Be(right, "the name of a key has another form");
            return text;
        }

        /// <summary>Find the key: what a bundle says only tells where to look.</summary>
        internal Key KeyAmong(IReadOnlyList<Key> keys, byte[] message)
        {
            if (!ByKey) return null; // certificates: verified where roots can be given
            if (MediaType == Ours)
            {
                Must.Be(Hint == "" || KeyId == "" || Hint == KeyId, "the bundle names two keys");
                var found = ById(keys, Hint != "" ? Hint : KeyId);
                NeedKind(found == null || !found.IsCurve);
                return found;
            }
            var named = ById(keys, KeyId) ?? ById(keys, Hint);
            NeedKind(named == null || named.IsCurve);
            if (Hint != "")
            {
                var hinted = keys.FirstOrDefault(one => one.IsCurve && one.Hint == Hint);
                Must.Be(named == null || named == hinted, "the bundle names two keys");
                var agreed = hinted == null || KeyId == "" || KeyId == hinted.Id || !IsCurveId(KeyId);
                Must.Be(agreed, "the bundle names two keys");
                return hinted;
            }
            if (named != null || KeyId != "") return named;
            return keys.FirstOrDefault(one => one.IsCurve && one.Fits(message, Value, Beside.Purpose));
        }

        private static Key ById(IReadOnlyList<Key> keys, string id) =>
            id == "" ? null : keys.FirstOrDefault(one => one.Id == id);

        private static void NeedKind(bool condition) =>
            Must.Be(condition, "the bundle is labelled as of another algorithm than its key",
                ErrorCode.BadSignature, "do not use this model");

        private static bool IsCurveId(string id)
        {
            var end = id.IndexOf('-');
            return end > 1 && id[0] == 'p' && id.Substring(1, end - 1).All(one => one >= '0' && one <= '9');
        }
    }
}
