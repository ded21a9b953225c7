// SPDX-License-Identifier: BSD-3-Clause
// CSV as RFC 4180 has it.
using System.Collections.Generic;
using System.Text;

namespace OneModel
{
    internal static class Csv
    {
        /// <summary>Return the lines, each a list of texts; lines without a character are none.</summary>
        internal static List<List<string>> Lines(string text)
        {
            var lines = new List<List<string>>();
            var cells = new List<string>();
            var cell = new StringBuilder();
            bool quoted = false, begun = false;
            for (var at = 0; at <= text.Length; at += 1)
            {
                var ended = at == text.Length;
                if (ended && quoted) throw Cells.Wrong("a quote of the CSV is not closed", "the file was cut");
                if (ended || (!quoted && (text[at] == '\n' || text[at] == '\r')))
                {
                    if (begun) // of \r\n the second ends a line without a character
                    {
                        cells.Add(cell.ToString());
                        lines.Add(cells);
                    }
                    cells = new List<string>();
                    cell.Clear();
                    begun = false;
                    continue;
                }
                begun = true;
                if (quoted && text[at] == '"' && at + 1 < text.Length && text[at + 1] == '"')
                {
                    cell.Append('"');
                    at += 1;
                }
                else if (quoted && text[at] == '"') quoted = false;
                else if (quoted) cell.Append(text[at]);
                else if (text[at] == '"' && cell.Length == 0) quoted = true;
                else if (text[at] == ',')
                {
                    cells.Add(cell.ToString());
                    cell.Clear();
                }
                else cell.Append(text[at]);
            }
            return lines;
        }
    }
}
