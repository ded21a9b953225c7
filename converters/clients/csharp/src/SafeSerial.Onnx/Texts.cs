// SPDX-License-Identifier: BSD-3-Clause
// Base64, hex, UTF-8 and digests, each in the one form that the specification allows.
using System;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

namespace SafeSerial.Onnx
{
    internal static class Texts
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);

        /// <summary>Return the bytes of a text.</summary>
        internal static byte[] Utf8(string text) => Strict.GetBytes(text);

        /// <summary>Read UTF-8; refuse what is none.</summary>
        internal static string FromUtf8(byte[] data, string what)
        {
            try
            {
                return Strict.GetString(data);
            }
            catch (DecoderFallbackException)
            {
                throw new SafeSerialException(ErrorCode.Format, what + " is not UTF-8", Must.Again);
            }
        }

        /// <summary>Return bytes as lowercase hex digits.</summary>
        internal static string Hex(byte[] data, int count = -1)
        {
            var size = count < 0 ? data.Length : count;
            var text = new StringBuilder(2 * size);
            for (var at = 0; at < size; at += 1) text.Append(data[at].ToString("x2"));
            return text.ToString();
        }

        /// <summary>Return the bytes of hex digits.</summary>
        internal static byte[] FromHex(string text) =>
            Enumerable.Range(0, text.Length / 2)
                .Select(at => Convert.ToByte(text.Substring(2 * at, 2), 16)).ToArray();

        /// <summary>Say whether a text is so many lowercase hex digits.</summary>
        internal static bool IsHex(object value, int digits)
        {
            var text = value as string;
            return text != null && text.Length == digits &&
                text.All(one => (one >= '0' && one <= '9') || (one >= 'a' && one <= 'f'));
        }

        /// <summary>Return SHA-256 of bytes.</summary>
        internal static byte[] Sha256(byte[] data)
        {
            using (var hash = SHA256.Create()) return hash.ComputeHash(data);
        }

        /// <summary>Hash a model by the algorithm that its signer named.</summary>
        internal static string Digest(string algorithm, byte[] data)
        {
            Must.Be(algorithm == "sha256", "the model is hashed with BLAKE3, which is not read here",
                ErrorCode.Unsupported, "ask for one with SHA-256, which files called .onnx get");
            return Hex(Sha256(data));
        }

        /// <summary>Return several byte arrays as one.</summary>
        internal static byte[] Joined(params byte[][] parts)
        {
            var made = new byte[parts.Sum(one => one.Length)];
            var at = 0;
            foreach (var one in parts)
            {
                Buffer.BlockCopy(one, 0, made, at, one.Length);
                at += one.Length;
            }
            return made;
        }

        /// <summary>Return a part of an array, or null if the array ends before it.</summary>
        internal static byte[] Part(byte[] data, long begin, long size)
        {
            if (begin < 0 || size < 0 || begin > data.Length || size > data.Length - begin) return null;
            var part = new byte[size];
            Array.Copy(data, begin, part, 0, size);
            return part;
        }

        /// <summary>Say whether two byte arrays are equal; for public bytes only.</summary>
        internal static bool Same(byte[] one, byte[] other) =>
            one != null && other != null && one.Length == other.Length && one.SequenceEqual(other);

        /// <summary>DSSE's pre-authentication encoding: what a signature is over.</summary>
        internal static byte[] SignedBytes(string type, byte[] body) =>
            Joined(Utf8("DSSEv1 " + type.Length + " " + type + " " + body.Length + " "), body);

        /// <summary>
        /// Read base64: the standard alphabet, padded, no spare bits, no white space, at least a byte.
        /// </summary>
        internal static byte[] FromBase64(object value, string what)
        {
            var text = value as string;
            byte[] found = null;
            try
            {
                if (!string.IsNullOrEmpty(text)) found = Convert.FromBase64String(text);
            }
            catch (FormatException)
            {
                found = null;
            }
            // .NET passes over white space and spare bits: written again, they are missing.
            var right = found != null && found.Length > 0 && Convert.ToBase64String(found) == text;
            Must.Be(right, what + " is not base64 as it should be");
            return found;
        }
    }
}
