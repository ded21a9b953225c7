// SPDX-License-Identifier: BSD-3-Clause
// Rows as people write them, JSON or CSV, as rows of the model.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using SafeSerial.Onnx;

namespace OneModel
{
    /// <summary>Rows of texts.</summary>
    public static class RowReader
    {
        private const long Most = 512L << 20;
        private const RegexOptions Plain = RegexOptions.IgnoreCase | RegexOptions.CultureInvariant;
        private static readonly Regex Number =
            new Regex(@"\A[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?\z", Plain);
        private static readonly Regex Infinite = new Regex(@"\A[+-]?inf(inity)?\z", Plain);
        private static readonly Regex NotANumber = new Regex(@"\A[+-]?nan\z", Plain);
        private static readonly Regex Integer = new Regex(@"\A[+-]?[0-9]{1,18}\z");

        /// <summary>Read a JSON list of records, or CSV whose first line names the columns.</summary>
        /// <exception cref="SafeSerialException">If it is neither, or does not fit the model.</exception>
        public static IReadOnlyList<object> Read(Stream stream)
        {
            var data = Whole(stream);
            var begin = data.Length >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf ? 3 : 0;
            var first = begin;
            while (first < data.Length && " \t\r\n".IndexOf((char)data[first]) >= 0) first += 1;
            if (first < data.Length && data[first] == '[')
            {
                return JsonRows.Read(new MemoryStream(data, first, data.Length - first));
            }
            try
            {
                return OfCsv(new UTF8Encoding(false, true).GetString(data, begin, data.Length - begin));
            }
            catch (DecoderFallbackException)
            {
                throw Cells.Wrong("the rows are not UTF-8", "save them as UTF-8");
            }
        }

        private static byte[] Whole(Stream stream)
        {
            var found = new MemoryStream();
            var part = new byte[65536];
            for (var got = stream.Read(part, 0, part.Length); got > 0; got = stream.Read(part, 0, part.Length))
            {
                if (found.Length + got > Most) throw Cells.Wrong("there are too many rows", "give them in parts");
                found.Write(part, 0, got);
            }
            return found.ToArray();
        }

        private static List<object> OfCsv(string text)
        {
            var lines = Csv.Lines(text);
            if (lines.Count < 2) throw Cells.Wrong("the CSV has no rows", "its first line names the columns");
            var names = lines[0];
            lines.RemoveAt(0);
            for (var row = 0; row < lines.Count; row += 1)
            {
                if (lines[row].Count == names.Count) continue;
                throw Cells.Wrong("row " + row + ": " + lines[row].Count + " cells, not " + names.Count,
                    "quote cells with commas");
            }
            if (Facts.Columns.Count == 1 && Facts.Columns[0].IsWide)
            {
                var one = Facts.Columns[0];
                return lines.Select((line, row) => (object)new Dictionary<string, object>
                {
                    { one.Name, line.Select(cell => ValueOf(cell, one, row)).ToList() },
                }).ToList();
            }
            var places = Facts.Columns.Select(one => PlaceOf(one.Name, names)).ToList();
            return lines.Select((line, row) =>
            {
                var found = new Dictionary<string, object>();
                for (var at = 0; at < places.Count; at += 1)
                {
                    found[Facts.Columns[at].Name] = ValueOf(line[places[at]], Facts.Columns[at], row);
                }
                return (object)found;
            }).ToList();
        }

        private static int PlaceOf(string name, List<string> names)
        {
            var place = names.IndexOf(name);
            if (place < 0) throw Cells.Wrong("the CSV has no column " + name, "its first line names the columns");
            if (names.LastIndexOf(name) == place) return place;
            throw Cells.Wrong("the CSV has the column " + name + " twice", "each column once");
        }

        private static object ValueOf(string cell, Column column, int row)
        {
            var what = "row " + row + ": column " + column.Name;
            if (cell == "" && column.IsOptional) return null;
            if (column.Type == "string") return cell;
            var text = cell.Trim();
            switch (column.Type)
            {
                case "bool":
                    if (text.Equals("true", StringComparison.OrdinalIgnoreCase)) return true;
                    if (text.Equals("false", StringComparison.OrdinalIgnoreCase)) return false;
                    throw Cells.Wrong(what + " is to be true or false", "bools have no missing values");
                case "int32":
                case "int64":
                    if (Integer.IsMatch(text)) return long.Parse(text, CultureInfo.InvariantCulture);
                    throw Cells.Wrong(what + " is to be an integer", "integers have no missing values");
            }
            if (NotANumber.IsMatch(text)) return double.NaN;
            if (Infinite.IsMatch(text)) return text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            if (text.Length <= 400 && Number.IsMatch(text)) return Decimals.Parse(text);
            throw Cells.Wrong(what + " is to be a number", "write it as 1.5, or leave it empty");
        }
    }
}
