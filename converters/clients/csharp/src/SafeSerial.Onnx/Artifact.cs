// SPDX-License-Identifier: BSD-3-Clause
// A signed artifact, model.safeserial (docs/spec/format-v1.md).  No ZIP structure is interpreted:
// what the manifest says the file must be is built and compared with what it is.
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

namespace SafeSerial.Onnx
{
    internal static class Artifact
    {
        private const string Type = "application/vnd.safeserial.manifest.v1+json";
        private const int First = 64;
        private const int Room = 16320;
        private static readonly Regex NameForm = new Regex(@"\A[a-z0-9][a-z0-9._:-]{0,127}\z");

        private sealed class Member
        {
            internal string Path;
            internal long Size;
            internal uint Crc;
            internal long At;
        }

        /// <summary>Say whether bytes begin as an artifact does.</summary>
        internal static bool IsOne(byte[] data) =>
            data.Length >= 4 && data[0] == 'P' && data[1] == 'K' && data[2] == 3 && data[3] == 4;

        /// <summary>Verify an artifact with an ONNX payload.</summary>
        internal static Verified Verify(byte[] data, IReadOnlyList<Key> keys)
        {
            var front = Texts.Part(data, First, Room);
            Must.Be(front != null, "the file is too short");
            var signatures = new Member { Path = "signatures.json", Size = Room, Crc = Crc32(front), At = 0 };
            Need(data, 0, LocalHeader(signatures), "the file does not begin as an artifact");
            long size;
            var signed = FrontOf(front, out size);
            var described = new Member { Path = "manifest.json", Size = size, At = First + Room };
            var begin = described.At + LocalHeader(described).Length; // the CRC-32 does not change the length
            var body = Texts.Part(data, begin, size);
            Must.Be(body != null, "the file is too short");
            described.Crc = Crc32(body);
            Need(data, described.At, LocalHeader(described), "the manifest's header is wrong");
            var signers = SignersOf(signed, keys, Texts.SignedBytes(Type, body));
            var manifest = Manifest.Read(body);

            var member = (Dictionary<string, object>)((List<object>)manifest["members"])[0];
            var model = new Member
            {
                Path = (string)member["path"],
                Size = (long)member["size"],
                Crc = uint.Parse((string)member["crc32"], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                At = begin + size,
            };
            var header = LocalHeader(model);
            Need(data, model.At, header, "a member's header is wrong");
            var from = model.At + header.Length;
            var found = Texts.Part(data, from, model.Size);
            Must.Be(found != null, "the file is too short");
            var tail = Tail(new[] { signatures, described, model }, from + model.Size);
            Need(data, from + model.Size, tail, "the end of the file is not as it should be");
            Must.Be(data.Length == from + model.Size + tail.Length, "there are bytes behind the end");
            var digest = ((string)member["digest"]).Split(':');
            Must.Be(Texts.Digest(digest[0], found) == digest[1],
                "the model was changed after it was signed", ErrorCode.Digest, "do not use this model");
            var facts = (Dictionary<string, object>)manifest["model"];
            return new Verified
            {
                Data = found,
                Signers = signers,
                Name = StrictJson.Get(manifest, "name") as string ?? "",
                Version = StrictJson.Get(manifest, "version") as string ?? "",
                Created = (string)manifest["created"],
                Metadata = StrictJson.Get(manifest, "metadata") as Dictionary<string, object>
                    ?? new Dictionary<string, object>(),
                Classes = StrictJson.Get(facts, "classes") as List<object>,
            };
        }

        private static void Need(byte[] data, long at, byte[] wanted, string message) =>
            Must.Be(Texts.Same(Texts.Part(data, at, wanted.Length), wanted), message);

        private static List<KeyValuePair<string, byte[]>> FrontOf(byte[] bytes, out long size)
        {
            var end = bytes.Length;
            while (end > 0 && bytes[end - 1] == ' ') end -= 1;
            const string what = "signatures.json";
            var front = StrictJson.Fields(StrictJson.ReadCanonical(Texts.Part(bytes, 0, end), what), what,
                "payloadSize payloadType signatures");
            Must.Be(front["payloadType"] as string == Type, "the artifact is of another version",
                ErrorCode.Unsupported);
            size = front["payloadSize"] is long ? (long)front["payloadSize"] : 0;
            Must.Be(size > 0 && size <= 16 << 20, "the manifest has another size");
            var listed = front["signatures"] as List<object>;
            Must.Be(listed != null, "the signatures are no list");
            Must.Be(listed.Count > 0, "the artifact is not signed", ErrorCode.Unsigned,
                "ask the sender to sign it");
            Must.Be(listed.Count <= 32, "there are too many signatures");
            var found = new List<KeyValuePair<string, byte[]>>();
            foreach (var item in listed)
            {
                var one = StrictJson.Fields(item, "a signature", "keyid sig");
                var id = one["keyid"] as string;
                Must.Be(id != null && NameForm.IsMatch(id), "the name of a key has another form");
                Must.Be(found.All(other => other.Key != id), "a key signed twice");
                var value = Texts.FromBase64(one["sig"], "a signature");
                found.Add(new KeyValuePair<string, byte[]>(id, value));
            }
            return found;
        }

        private static List<string> SignersOf(
            List<KeyValuePair<string, byte[]>> signatures, IReadOnlyList<Key> keys, byte[] message)
        {
            var found = new List<string>();
            foreach (var one in signatures)
            {
                var key = keys.FirstOrDefault(other => other.Id == one.Key);
                if (key == null) continue;
                Must.Be(key.Fits(message, one.Value, "artifact-signature"),
                    "the signature of " + one.Key + " is wrong", ErrorCode.BadSignature, "do not use this model");
                found.Add(one.Key);
            }
            Must.Be(found.Count > 0, "signed by " + string.Join(", ", signatures.Select(one => one.Key)) +
                ", and none of your keys is that", ErrorCode.UnknownKey,
                "get the sender's public key from the sender");
            return found;
        }

        private static byte[] LocalHeader(Member one)
        {
            var name = Texts.Utf8(one.Path);
            var gap = (int)((64 - (one.At + 30 + name.Length + 6) % 64) % 64);
            var made = new MemoryStream();
            var put = new BinaryWriter(made); // little-endian
            put.Write(0x04034b50u);
            foreach (var number in new ushort[] { 20, 0, 0, 0, 33 }) put.Write(number);
            foreach (var number in new[] { one.Crc, (uint)one.Size, (uint)one.Size }) put.Write(number);
            put.Write((ushort)name.Length);
            put.Write((ushort)(6 + gap));
            put.Write(name);
            foreach (var number in new ushort[] { 0xd935, (ushort)(2 + gap), 64 }) put.Write(number);
            put.Write(new byte[gap]);
            return made.ToArray();
        }

        private static byte[] Tail(Member[] members, long at)
        {
            var made = new MemoryStream();
            var put = new BinaryWriter(made);
            foreach (var one in members)
            {
                put.Write(0x02014b50u);
                foreach (var number in new ushort[] { 20, 20, 0, 0, 0, 33 }) put.Write(number);
                foreach (var number in new[] { one.Crc, (uint)one.Size, (uint)one.Size }) put.Write(number);
                put.Write((ushort)one.Path.Length);
                foreach (var number in new ushort[] { 0, 0, 0, 0 }) put.Write(number);
                put.Write(0u);
                put.Write((uint)one.At);
                put.Write(Texts.Utf8(one.Path));
            }
            var length = (uint)made.Length;
            put.Write(0x06054b50u);
            var count = (ushort)members.Length;
            foreach (var number in new ushort[] { 0, 0, count, count }) put.Write(number);
            put.Write(length);
            put.Write((uint)at);
            put.Write((ushort)0);
            return made.ToArray();
        }

        /// <summary>The check sum of ZIP, which protects nothing; it stands in headers that are compared.</summary>
        private static uint Crc32(byte[] data)
        {
            var sum = 0xffffffffu;
            foreach (var one in data)
            {
                sum ^= one;
                for (var bit = 0; bit < 8; bit += 1) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320u : 0);
            }
            return ~sum;
        }
    }
}
