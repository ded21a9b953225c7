// SPDX-License-Identifier: BSD-3-Clause
// A model with its signature in a file beside it (docs/spec/detached-v1.md).
using System;
using System.Collections.Generic;
using System.Linq;

namespace SafeSerial.Onnx
{
    /// <summary>What one signer says of a single file.</summary>
    internal sealed class Beside
    {
        internal const string Purpose = "detached-signature";
        private string algorithm;
        private string digest;
        private long? size;
        private string name;
        private string version;
        private string created;
        private Dictionary<string, object> metadata;

        /// <summary>Verify a model against the content of its signature file.</summary>
        internal static Verified Verify(byte[] data, byte[] signature, IReadOnlyList<Key> keys)
        {
            var bundles = Bundle.Split(signature);
            var signers = new List<string>();
            var said = new List<Beside>();
            foreach (var bundle in bundles)
            {
                var message = Texts.SignedBytes(Bundle.StatementType, bundle.Payload);
                var key = bundle.KeyAmong(keys, message);
                if (key == null) continue;
                Must.Be(!signers.Contains(key.Id), "two signatures are of one key");
                var fits = key.Fits(message, bundle.Value, Purpose);
                Must.Be(fits, "the signature of " + key.Id + " is wrong", ErrorCode.BadSignature,
                    "do not use this model");
                signers.Add(key.Id);
                said.Add(Read(bundle));
            }
            var named = bundles.Select(one =>
                one.KeyId != "" ? one.KeyId : one.Hint != "" ? one.Hint : "a key without a name");
            Must.Be(signers.Count > 0, "signed by " + string.Join(", ", named) +
                ", and none of your keys is that", ErrorCode.UnknownKey,
                "get the sender's public key from the sender");
            var first = said[0];
            foreach (var one in said)
            {
                Must.Be(Texts.Digest(one.algorithm, data) == one.digest,
                    "the model was changed after it was signed", ErrorCode.Digest, "do not use this model");
                Must.Be(one.size == null || one.size == data.Length, "the model has another size",
                    ErrorCode.Digest, "do not use this model");
                Must.Be(one.name == first.name && one.version == first.version,
                    "the signers call the model by different names", ErrorCode.BadSignature);
            }
            return new Verified
            {
                Data = data,
                Signers = signers,
                Name = first.name,
                Version = first.version,
                Created = first.created,
                Metadata = first.metadata,
            };
        }

        /// <summary>Read a statement whose signature is right.</summary>
        private static Beside Read(Bundle bundle)
        {
            Must.Be(bundle.Payload.Length <= 16 << 20, "the statement is too long");
            var value = StrictJson.Read(bundle.Payload, "the statement", Bundle.Levels);
            var top = StrictJson.Fields(value, "the statement", "_type subject predicateType predicate");
            var known = top["_type"] as string == "https://in-toto.io/Statement/v1"
                && top["predicateType"] as string == "https://model_signing/signature/v1.0";
            Must.Be(known, "the statement is of another type", ErrorCode.Unsupported);
            var subjects = top["subject"] as List<object>;
            var alone = subjects != null && subjects.Count == 1;
            var subject = alone ? subjects[0] as Dictionary<string, object> : null;
            Must.Be(subject != null, "there is no subject");
            var predicate = StrictJson.Fields(top["predicate"], "the predicate", "resources serialization");
            var how = StrictJson.Fields(predicate["serialization"], "serialization",
                "method hash_type allow_symlinks", "ignore_paths");
            var algorithm = how["hash_type"] as string;
            var usual = how["method"] as string == "files"
                && how["allow_symlinks"] is bool && !(bool)how["allow_symlinks"]
                && (algorithm == "sha256" || (algorithm == "blake3" && bundle.MediaType == Bundle.Ours));
            Must.Be(usual, "the model is hashed in a way that is not read here", ErrorCode.Unsupported);
            var ignored = how.ContainsKey("ignore_paths") ? how["ignore_paths"] as List<object> : new List<object>();
            var listed = ignored != null && ignored.Count <= 256 && ignored.All(IsPlace);
            Must.Be(listed, "ignore_paths are no list of paths");
            var resources = predicate["resources"] as List<object>;
            Must.Be(resources != null && resources.Count == 1, "the signature is one of a folder",
                ErrorCode.Unsupported, "sign the .onnx file itself");
            var file = resources[0] as Dictionary<string, object>;
            var right = file != null && Get(file, "algorithm") as string == algorithm
                && Texts.IsHex(Get(file, "digest"), 64);
            Must.Be(right, "the digest of the model has another form");
            var digest = (string)file["digest"];
            var root = Get(Get(subject, "digest"), "sha256") as string;
            Must.Be(root == Texts.Hex(Texts.Sha256(Texts.FromHex(digest))),
                "the digest of the whole is wrong", ErrorCode.Digest);
            Must.Be(!subject.ContainsKey("name") || IsText(subject["name"], 4096), "the subject's name is no text");
            var named = Get(file, "name") as string;
            Must.Be(named != null && (named == "." || named == Get(subject, "name") as string),
                "the signature is one of a folder", ErrorCode.Unsupported, "sign the .onnx file itself");
            var size = Get(Get(file, "annotations"), "safeserial/size");
            Must.Be(size == null || size is long, "the size of the model is no number of bytes");
            var notes = Get(Get(subject, "annotations"), "safeserial/v1");
            var facts = StrictJson.Fields(notes ?? new Dictionary<string, object>(),
                "what the signer says", "", "created name version metadata");
            var created = Fact(facts, "created");
            var moment = Manifest.Moment(created);
            var past = created == "" || (moment != null && moment <= DateTime.UtcNow.AddMinutes(5));
            Must.Be(past, "the date is wrong or in the future");
            var metadata = facts.ContainsKey("metadata") ? facts["metadata"] : new Dictionary<string, object>();
            var words = metadata as Dictionary<string, object>;
            var told = words != null && words.All(one => IsText(one.Key, 4096) && IsText(one.Value, 4096));
            Must.Be(told, "the metadata are no object of texts");
            return new Beside
            {
                algorithm = algorithm,
                digest = digest,
                size = (long?)size,
                name = Fact(facts, "name"),
                version = Fact(facts, "version"),
                created = created,
                metadata = words,
            };
        }

        private static object Get(object found, string field) =>
            StrictJson.Get(found as Dictionary<string, object>, field);

        /// <summary>Say whether a text names one place below a folder.</summary>
        private static bool IsPlace(object value) => IsText(value, 1024)
            && !((string)value).Any(one => char.IsControl(one) || one == '\\' || one == '\u2028' || one == '\u2029')
            && ((string)value).Split('/').All(part => part != "" && part != "." && part != "..");

        private static bool IsText(object value, int most) => value is string && ((string)value).Length <= most;

        private static string Fact(Dictionary<string, object> facts, string field)
        {
            if (!facts.ContainsKey(field)) return "";
            var right = IsText(facts[field], 256) && (field != "created" || (string)facts[field] != "");
            Must.Be(right, "what the signer says has another form");
            return (string)facts[field];
        }
    }
}
