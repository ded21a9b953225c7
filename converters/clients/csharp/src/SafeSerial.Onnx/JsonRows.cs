// SPDX-License-Identifier: BSD-3-Clause
// Rows that come as JSON: a list of records.
using System.Collections.Generic;
using System.IO;

namespace SafeSerial.Onnx
{
    /// <summary>Rows that come as JSON.</summary>
    public static class JsonRows
    {
        private const int Most = 512 << 20;

        /// <summary>Read a list of rows from a stream of UTF-8, to its end.</summary>
        /// <exception cref="SafeSerialException">If it is no such list.</exception>
        public static IReadOnlyList<object> Read(Stream stream)
        {
            try
            {
                var rows = StrictJson.ReadRows(Files.Read(stream, "the list of rows", Most), "the list of rows");
                Must.Be(rows is List<object>, "the rows are no list");
                return (List<object>)rows;
            }
            catch (SafeSerialException error)
            {
                throw new SafeSerialException(ErrorCode.Rows, error.Message, "give a list of records", error);
            }
        }
    }
}
