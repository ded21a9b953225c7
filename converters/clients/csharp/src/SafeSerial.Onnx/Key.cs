// SPDX-License-Identifier: BSD-3-Clause
// Keys, and whether a signature fits one.  The algorithm is the key's: no file can choose it.
using System;
using System.Linq;

namespace SafeSerial.Onnx
{
    /// <summary>A public key (Ed25519, P-256, P-384, P-521), or a shared secret (HMAC-SHA256).</summary>
    public sealed class Key
    {
        private sealed class Kind
        {
            internal string Label;
            internal string Der; // what a public key of this kind begins with
            internal int Bytes;
            internal int Hash; // 0 where the algorithm has its own
            internal string Order; // a curve's, big-endian
        }

        private static readonly Kind[] Kinds =
        {
            new Kind { Label = "ed25519", Der = "302a300506032b6570032100", Bytes = 32,
                Order = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed" },
            new Kind { Label = "p256", Hash = 256, Bytes = 65,
                Der = "3059301306072a8648ce3d020106082a8648ce3d030107034200",
                Order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551" },
            new Kind { Label = "p384", Hash = 384, Bytes = 97,
                Der = "3076301006072a8648ce3d020106052b81040022036200",
                Order = "ffffffffffffffffffffffffffffffffffffffffffffffff" +
                    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973" },
            new Kind { Label = "p521", Hash = 512, Bytes = 133,
                Der = "30819b301006072a8648ce3d020106052b8104002303818600",
                Order = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa" +
                    "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409" },
        };

        private const string Prime = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";

        // The y of every point whose order divides 8: under such a key anybody can sign.
        private static readonly string[] Weak =
        {
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000001",
            "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
            "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
            "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
        };

        private const string SecretLine = "safeserial-hmac-sha256-v1:";
        private const string Begin = "-----BEGIN PUBLIC KEY-----";
        private const string End = "-----END PUBLIC KEY-----";
        private const string NotAKey = "give the PEM of a public key, or the one line of a shared secret";
        private readonly Kind kind; // null: a shared secret
        private readonly byte[] material; // the public key in DER, or the secret

        /// <summary>How signatures name this key.</summary>
        public string Id { get; }

        internal string Hint { get; }

        internal bool IsCurve => kind != null && kind.Hash != 0;

        private Key(Kind kind, byte[] material, string id, string hint)
        {
            this.kind = kind;
            this.material = material;
            Id = id;
            Hint = hint;
        }

        /// <summary>Read a file with a public key in PEM, or with the one line of a shared secret.</summary>
        /// <exception cref="SafeSerialException">If it is no such file.</exception>
        public static Key FromFile(string path)
        {
            var data = Files.Read(path, 16384);
            return Parse(Texts.FromUtf8(data, path));
        }

        /// <summary>Read a public key in PEM, or the one line of a shared secret.</summary>
        /// <exception cref="SafeSerialException">If it is neither, or weak.</exception>
        public static Key Parse(string text)
        {
            Must.Be(text != null && text.Length <= 16384, "that is no key", ErrorCode.Key, NotAKey);
            var line = text.Trim();
            if (line.StartsWith(SecretLine, StringComparison.Ordinal))
            {
                return OfSecret(line.Substring(SecretLine.Length));
            }
            var framed = line.Length > Begin.Length + End.Length
                && line.StartsWith(Begin, StringComparison.Ordinal)
                && line.EndsWith(End, StringComparison.Ordinal);
            Must.Be(framed, "that is no public key in PEM", ErrorCode.Key, NotAKey);
            var body = line.Substring(Begin.Length, line.Length - Begin.Length - End.Length);
            var parted = body[0] == '\n' || body.StartsWith("\r\n", StringComparison.Ordinal);
            Must.Be(parted, "that is no public key in PEM", ErrorCode.Key, NotAKey);
            var letters = new string(body.Where(one => " \t\r\n".IndexOf(one) < 0).ToArray());
            return OfDer(Texts.FromBase64(letters, "the public key"));
        }

        private static Key OfDer(byte[] der)
        {
            var start = Texts.Hex(der);
            var kind = Kinds.FirstOrDefault(one => der.Length == one.Der.Length / 2 + one.Bytes
                && start.StartsWith(one.Der, StringComparison.Ordinal));
            Must.Be(kind != null, "this kind of public key is not read here", ErrorCode.Key,
                "Ed25519, P-256, P-384 or P-521");
            if (kind.Hash == 0)
            {
                var point = der.Skip(der.Length - 32).Reverse().ToArray();
                point[0] &= 0x7f;
                var y = Texts.Hex(point);
                var sound = string.CompareOrdinal(y, Prime) < 0 && !Weak.Contains(y);
                Must.Be(sound, "under this key anybody can sign", ErrorCode.Key, NotAKey);
            }
            Must.Be(LibCrypto.IsKey(der), "the public key cannot be used", ErrorCode.Key, NotAKey);
            var id = kind.Label + "-" + Texts.Hex(Texts.Sha256(der), 16);
            var hint = kind.Hash == 0 ? id : Texts.Hex(Texts.Sha256(Texts.Utf8(Pem(der))));
            return new Key(kind, der, id, hint);
        }

        private static string Pem(byte[] der)
        {
            var text = Convert.ToBase64String(der);
            var lines = Enumerable.Range(0, (text.Length + 63) / 64)
                .Select(at => text.Substring(64 * at, Math.Min(64, text.Length - 64 * at)) + "\n");
            return Begin + "\n" + string.Concat(lines) + End + "\n";
        }

        private static Key OfSecret(string text)
        {
            var secret = Texts.FromBase64(text.Replace('-', '+').Replace('_', '/'), "the shared secret");
            var strong = secret.Length >= 32 && secret.Length <= 1024 && secret.Distinct().Count() >= 8;
            Must.Be(strong, "the shared secret is too weak", ErrorCode.Key,
                "make one with: safeserial keys new");
            var id = "hmac-" + Texts.Hex(Derived(secret, "key-id"), 16);
            return new Key(null, secret, id, id);
        }

        private static byte[] Derived(byte[] secret, string purpose) =>
            LibCrypto.Derived(secret, Texts.Utf8("safeserial/v1/" + purpose));

        /// <summary>Say whether a signature of a message is by this key.</summary>
        internal bool Fits(byte[] message, byte[] signature, string purpose)
        {
            if (kind == null) return LibCrypto.TagFits(Derived(material, purpose), message, signature);
            var formed = IsCurve ? IsDer(signature) : IsReduced(signature);
            return formed && LibCrypto.Fits(material, kind.Hash, message, signature);
        }

        /// <summary>Ed25519: the second half is a number below the order of the group.</summary>
        private bool IsReduced(byte[] signature) => signature.Length == 64
            && string.CompareOrdinal(Texts.Hex(signature.Skip(32).Reverse().ToArray()), kind.Order) < 0;

        /// <summary>ECDSA: a DER sequence of two numbers from 1 to the order, without a spare byte.</summary>
        private bool IsDer(byte[] value)
        {
            if (value.Length < 8 || value[0] != 0x30) return false;
            var wide = value[1] == 0x81;
            var length = wide ? value[2] : value[1];
            var at = wide ? 3 : 2;
            if (wide ? length < 128 : length > 127) return false;
            if (value.Length != at + length) return false;
            for (var turn = 0; turn < 2; turn += 1)
            {
                if (at + 2 > value.Length || value[at] != 2) return false;
                var body = Texts.Part(value, at + 2, value[at + 1]);
                if (body == null || body.Length == 0 || body[0] > 127) return false;
                if (body[0] == 0 && (body.Length == 1 || body[1] < 128)) return false; // zero, or padded
                var number = Texts.Hex(body[0] == 0 ? body.Skip(1).ToArray() : body);
                if (number.Length > kind.Order.Length) return false;
                if (string.CompareOrdinal(number.PadLeft(kind.Order.Length, '0'), kind.Order) >= 0) return false;
                at += 2 + body.Length;
            }
            return at == value.Length;
        }
    }
}
