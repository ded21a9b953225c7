// SPDX-License-Identifier: BSD-3-Clause
// The manifest of an artifact (section 6 of docs/spec/format-v1.md), read once its signature was right.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.RegularExpressions;

namespace SafeSerial.Onnx
{
    internal static class Manifest
    {
        private const string What = "the manifest";
        private const string Segment = "[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?";
        private static readonly Regex PathForm = new Regex(@"\Apayload(/" + Segment + @"){1,4}\z");
        private static readonly Regex DateForm =
            new Regex(@"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\z");

        /// <summary>Read a manifest whose payload is one ONNX model.</summary>
        internal static Dictionary<string, object> Read(byte[] body)
        {
            var manifest = StrictJson.ReadCanonical(body, What) as Dictionary<string, object>;
            Must.Be(StrictJson.Get(manifest, "schema") as string == "safeserial/manifest/v1",
                "the manifest is of another version", ErrorCode.Unsupported);
            StrictJson.Fields(manifest, What, "created environment format globals members model options schema",
                "metadata name version");
            Must.Be(IsShaped(manifest), "a field of the manifest is of another type");
            Must.Be((string)manifest["format"] == "onnx", "the artifact holds no ONNX model",
                ErrorCode.Unsupported, "ask for it as ONNX: safeserial convert --to onnx");
            var members = manifest["members"] as List<object>;
            Must.Be(members != null && members.Count == 1, "an ONNX artifact has one member");
            CheckMember(StrictJson.Fields(members[0], "the member", "path size digest crc32"));
            var created = Moment((string)manifest["created"]);
            Must.Be(created != null && created <= DateTime.UtcNow.AddMinutes(5), "the date is wrong or in the future");
            return manifest;
        }

        /// <summary>Read a date, or return null where it has another form.</summary>
        internal static DateTime? Moment(string text)
        {
            var found = DateTime.MinValue;
            var right = DateForm.IsMatch(text) && DateTime.TryParseExact(text, "yyyy-MM-dd'T'HH:mm:ss'Z'",
                CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                out found);
            return right ? found : (DateTime?)null;
        }

        private static bool IsShaped(Dictionary<string, object> manifest)
        {
            var environment = StrictJson.Fields(manifest["environment"], "environment",
                "python implementation platform packages");
            var model = StrictJson.Fields(manifest["model"], "model", "class_name",
                "n_features feature_names classes");
            var packages = environment["packages"] as Dictionary<string, object>;
            var count = StrictJson.Get(model, "n_features");
            return packages != null && packages.Values.All(IsText)
                && new[] { "python", "implementation", "platform" }.All(field => environment[field] is string)
                && model["class_name"] is string
                && (count == null || count is long)
                && IsList(model, "feature_names", IsText)
                && IsList(model, "classes", one => one is string || one is long || one is bool)
                && manifest["format"] is string && manifest["created"] is string
                && manifest["options"] is Dictionary<string, object>
                && manifest["globals"] is List<object> && IsList(manifest, "globals", IsText)
                && new[] { "name", "version" }.All(field => (StrictJson.Get(manifest, field) ?? "") is string)
                && (!manifest.ContainsKey("metadata") || manifest["metadata"] is Dictionary<string, object>);
        }

        private static bool IsText(object value) => value is string;

        private static bool IsList(Dictionary<string, object> found, string field, Func<object, bool> each)
        {
            var value = StrictJson.Get(found, field);
            return value == null || (value is List<object> && ((List<object>)value).All(each));
        }

        private static void CheckMember(Dictionary<string, object> member)
        {
            var path = member["path"] as string;
            var placed = path != null && PathForm.IsMatch(path) && !path.Contains("..");
            Must.Be(placed, "the member has a wrong path");
            var size = member["size"] is long ? (long)member["size"] : -1;
            Must.Be(size >= 0, "the member has a wrong size");
            Must.Be(size <= Files.Most, "models of 2 GiB are not read here", ErrorCode.Unsupported);
            var digest = (member["digest"] as string ?? "").Split(':');
            var right = digest.Length == 2 && (digest[0] == "sha256" || digest[0] == "blake3")
                && Texts.IsHex(digest[1], 64);
            Must.Be(right, "the member has a wrong digest");
            Must.Be(Texts.IsHex(member["crc32"], 8), "the member has a wrong CRC-32");
        }
    }
}
