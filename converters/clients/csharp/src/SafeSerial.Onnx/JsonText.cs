// SPDX-License-Identifier: BSD-3-Clause
// Writes JSON: the canonical form of the specification, and answers for people and programs.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace SafeSerial.Onnx
{
    /// <summary>Values as text; always ASCII.</summary>
    public static class JsonText
    {
        private const long Safe = (1L << 53) - 1; // beyond it a reader in JavaScript loses digits

        /// <summary>Write answers or facts; NaN becomes null, integers beyond 2^53 - 1 become texts.</summary>
        public static string Write(object value)
        {
            var made = new StringBuilder();
            Put(made, value, false);
            return made.ToString();
        }

        /// <summary>Write in the only spelling; a FormatException says that a value has none.</summary>
        internal static string Canonical(object value)
        {
            var made = new StringBuilder();
            Put(made, value, true);
            return made.ToString();
        }

        private static void Put(StringBuilder made, object value, bool canonical)
        {
            if (value == null) made.Append("null");
            else if (value is bool) made.Append((bool)value ? "true" : "false");
            else if (value is string) Quote(made, (string)value);
            else if (value is int || value is long) Integer(made, Convert.ToInt64(value), canonical);
            else if (value is double || value is float) Float(made, Convert.ToDouble(value), canonical);
            else if (value is IDictionary) Object(made, (IDictionary)value, canonical);
            else if (value is IEnumerable) List(made, (IEnumerable)value, canonical);
            else throw new FormatException("no JSON for " + value.GetType());
        }

        private static void Integer(StringBuilder made, long value, bool canonical)
        {
            var safe = value <= Safe && value >= -Safe;
            if (canonical && !safe) throw new FormatException("integer");
            var text = value.ToString(CultureInfo.InvariantCulture);
            made.Append(safe ? text : "\"" + text + "\"");
        }

        private static void Float(StringBuilder made, double value, bool canonical)
        {
            if (canonical) throw new FormatException("float");
            if (double.IsNaN(value) || double.IsInfinity(value))
            {
                made.Append("null");
                return;
            }
            var text = value.ToString("R", CultureInfo.InvariantCulture);
            var exact = Decimals.Parse(text) == value; // older runtimes round here now and then
            made.Append(exact ? text : value.ToString("G17", CultureInfo.InvariantCulture));
        }

        private static void Object(StringBuilder made, IDictionary value, bool canonical)
        {
            var keys = value.Keys.Cast<string>().ToList();
            if (canonical)
            {
                if (keys.Any(key => key.Any(one => one > 127))) throw new FormatException("key");
                keys.Sort(string.CompareOrdinal);
            }
            var first = true;
            made.Append('{');
            foreach (var key in keys)
            {
                if (!first) made.Append(',');
                first = false;
                Quote(made, key);
                made.Append(':');
                Put(made, value[key], canonical);
            }
            made.Append('}');
        }

        private static void List(StringBuilder made, IEnumerable value, bool canonical)
        {
            var first = true;
            made.Append('[');
            foreach (var one in value)
            {
                if (!first) made.Append(',');
                first = false;
                Put(made, one, canonical);
            }
            made.Append(']');
        }

        private static void Quote(StringBuilder made, string text)
        {
            made.Append('"');
            foreach (var one in text)
            {
                var known = "\"\\\b\f\n\r\t".IndexOf(one);
                if (known >= 0) made.Append('\\').Append("\"\\bfnrt"[known]);
                else if (one < ' ' || one > '~') made.Append("\\u").Append(((int)one).ToString("x4"));
                else made.Append(one);
            }
            made.Append('"');
        }
    }
}
