// SPDX-License-Identifier: BSD-3-Clause
// Verify a model, whichever way it is signed.  Loads no engine.
using System;
using System.Collections.Generic;
using System.Linq;

namespace SafeSerial.Onnx
{
    /// <summary>An ONNX model whose signature was found right, and what its signers say of it.</summary>
    public sealed class Verified
    {
        /// <summary>The bytes of the ONNX model; nobody else holds this array.</summary>
        internal byte[] Data { get; set; }

        /// <summary>Ids of the keys whose signatures fit.</summary>
        public IReadOnlyList<string> Signers { get; internal set; }

        /// <summary>The model's name, empty where the signer gave none.</summary>
        public string Name { get; internal set; }

        /// <summary>The model's version, empty where the signer gave none.</summary>
        public string Version { get; internal set; }

        /// <summary>When it was made or signed, in UTC (ISO 8601), or empty.</summary>
        public string Created { get; internal set; }

        /// <summary>The signer's own words: texts, numbers, lists, dictionaries.</summary>
        public IReadOnlyDictionary<string, object> Metadata { get; internal set; }

        /// <summary>The classes, where the signer says them; else null.</summary>
        public IReadOnlyList<object> Classes { get; internal set; }

        internal Verified()
        {
        }

        /// <summary>Return a copy of the verified bytes of the ONNX model.</summary>
        public byte[] ToArray() => (byte[])Data.Clone();

        /// <summary>Verify a model's bytes.</summary>
        /// <param name="model">an .onnx or .safeserial file</param>
        /// <param name="signature">the .sig file of an .onnx file; else null</param>
        /// <param name="keys">whom you trust</param>
        /// <exception cref="SafeSerialException">If the model is not to be used.</exception>
        public static Verified Check(byte[] model, byte[] signature, IEnumerable<Key> keys)
        {
            if (model == null) throw new ArgumentNullException(nameof(model));
            // A copy: nobody can change it between the check and the use.
            return CheckOwn((byte[])model.Clone(), (byte[])signature?.Clone(), keys);
        }

        /// <summary>Read files once, and verify what was read.</summary>
        /// <param name="path">an .onnx or .safeserial file</param>
        /// <param name="keys">whom you trust</param>
        /// <param name="signaturePath">default: the path with .sig added, if it is there</param>
        /// <exception cref="SafeSerialException">If the model is not to be used.</exception>
        public static Verified CheckFile(string path, IEnumerable<Key> keys, string signaturePath = null)
        {
            var model = Files.Read(path, Files.Most);
            var signature = Artifact.IsOne(model)
                ? null
                : Files.Read(signaturePath ?? path + ".sig", Bundle.MostBytes, signaturePath == null);
            return CheckOwn(model, signature, keys);
        }

        private static Verified CheckOwn(byte[] model, byte[] signature, IEnumerable<Key> keys)
        {
            var trusted = keys?.ToList();
            var given = trusted != null && trusted.Count > 0 && trusted.All(one => one != null);
            Must.Be(given, "no key was given", ErrorCode.Key, "give the sender's public key");
            Verified found;
            if (Artifact.IsOne(model))
            {
                found = Artifact.Verify(model, trusted);
            }
            else
            {
                Must.Be(signature != null, "the model comes without a signature", ErrorCode.Unsigned,
                    "the sender signs it with: safeserial sign model.onnx");
                found = Beside.Verify(model, signature, trusted);
            }
            OnnxFile.Check(found.Data);
            return found;
        }
    }
}
