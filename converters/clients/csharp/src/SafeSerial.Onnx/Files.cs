// SPDX-License-Identifier: BSD-3-Clause
// Files are read once, and not without bound.
using System;
using System.IO;
using System.Security;

namespace SafeSerial.Onnx
{
    internal static class Files
    {
        internal const int Most = 0x7fffffc7; // what an array of bytes can hold

        /// <summary>Return the content of a file; null if it may be missing and is.</summary>
        internal static byte[] Read(string path, int most, bool optional = false)
        {
            try
            {
                using (var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read))
                {
                    if (file.CanSeek && file.Length > 0) return Whole(file, path, most);
                    return Read(file, path, most);
                }
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException
                || error is ArgumentException || error is NotSupportedException || error is SecurityException)
            {
                var missing = error is FileNotFoundException || error is DirectoryNotFoundException;
                if (missing && optional) return null;
                throw new SafeSerialException(ErrorCode.Format, "cannot read " + path + ": " +
                    (missing ? "it is not there" : error.Message), "look at the path", error);
            }
        }

        private static byte[] Whole(FileStream file, string path, int most)
        {
            Must.Be(file.Length <= most, path + " is too large");
            var data = new byte[file.Length];
            var at = 0;
            while (at < data.Length)
            {
                var got = file.Read(data, at, data.Length - at);
                Must.Be(got > 0, path + " became shorter while it was read");
                at += got;
            }
            Must.Be(file.ReadByte() < 0, path + " became longer while it was read");
            return data;
        }

        /// <summary>Return what a stream of unknown length holds.</summary>
        internal static byte[] Read(Stream stream, string what, int most)
        {
            var found = new MemoryStream();
            var part = new byte[65536];
            for (var got = stream.Read(part, 0, part.Length); got > 0; got = stream.Read(part, 0, part.Length))
            {
                Must.Be(found.Length + got <= most, what + " is too large");
                found.Write(part, 0, got);
            }
            return found.ToArray();
        }
    }
}
