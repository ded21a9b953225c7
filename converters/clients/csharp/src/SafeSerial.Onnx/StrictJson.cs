// SPDX-License-Identifier: BSD-3-Clause
// A small strict JSON reader: no key twice, no half characters, bounded depth and number of values.
// .NET's own reader lets a key come twice, and a signature must not have two readings.
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace SafeSerial.Onnx
{
    /// <summary>
    /// Values are null, bool, long (integers), double, string, List of object, Dictionary of string to
    /// object.
    /// </summary>
    internal sealed class StrictJson
    {
        private const int MostMarks = 1 << 19; // of , [ { : bounds the number of values
        private readonly string text;
        private readonly string what;
        private readonly int depth;
        private int at;

        private StrictJson(string text, string what, int depth)
        {
            this.text = text;
            this.what = what;
            this.depth = depth;
        }

        /// <summary>Read a signature or a manifest.</summary>
        internal static object Read(byte[] data, string what, int depth)
        {
            var marks = data.Count(one => one == ',' || one == '[' || one == '{');
            Must.Be(marks <= MostMarks, what + " has too many values");
            return ReadRows(data, what, depth);
        }

        /// <summary>Read what may have any number of values: rows.</summary>
        internal static object ReadRows(byte[] data, string what, int depth = 64)
        {
            var reader = new StrictJson(Texts.FromUtf8(data, what), what, depth);
            var value = reader.Value(0);
            reader.Space();
            reader.Need(reader.at == reader.text.Length);
            return value;
        }

        /// <summary>Read JSON that has exactly one spelling (section 4 of the format).</summary>
        internal static object ReadCanonical(byte[] data, string what)
        {
            var value = Read(data, what, 32);
            string again = null;
            try
            {
                again = JsonText.Canonical(value);
            }
            catch (System.FormatException)
            {
                again = null;
            }
            var same = again != null && Texts.Same(Texts.Utf8(again), data);
            Must.Be(same, what + " is not in canonical form");
            return value;
        }

        /// <summary>Return an object that has the needed fields, perhaps the optional ones, no others.</summary>
        internal static Dictionary<string, object> Fields(
            object value, string what, string needed, string optional = "")
        {
            var found = value as Dictionary<string, object>;
            Must.Be(found != null, what + " is no object");
            var must = needed.Split(new[] { ' ' }, System.StringSplitOptions.RemoveEmptyEntries);
            var may = optional.Split(' ');
            foreach (var key in must) Must.Be(found.ContainsKey(key), what + " has no " + key);
            var known = found.Keys.All(key => must.Contains(key) || (key != "" && may.Contains(key)));
            Must.Be(known, what + " has an unknown field");
            return found;
        }

        /// <summary>Return a field, or null where there is none.</summary>
        internal static object Get(Dictionary<string, object> found, string field)
        {
            object value = null;
            if (found != null) found.TryGetValue(field, out value);
            return value;
        }

        private void Need(bool condition) => Must.Be(condition, what + " is not JSON");

        private char Next()
        {
            Need(at < text.Length);
            return text[at];
        }

        private void Space()
        {
            while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0) at += 1;
        }

        private bool Take(char wanted)
        {
            if (at >= text.Length || text[at] != wanted) return false;
            at += 1;
            return true;
        }

        private object Word(string word, object value)
        {
            Need(string.CompareOrdinal(text, at, word, 0, word.Length) == 0);
            at += word.Length;
            return value;
        }

        private object Value(int level)
        {
            Must.Be(level <= depth, what + " is nested too deep");
            Space();
            switch (Next())
            {
                case '{': return Object(level);
                case '[': return List(level);
                case '"': return Text();
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return Number();
            }
        }

        private Dictionary<string, object> Object(int level)
        {
            var found = new Dictionary<string, object>();
            at += 1;
            Space();
            if (Take('}')) return found;
            do
            {
                Space();
                Need(Next() == '"');
                var key = Text();
                Space();
                Need(Take(':'));
                Must.Be(!found.ContainsKey(key), what + " has a key twice");
                found.Add(key, Value(level + 1));
                Space();
            } while (Take(','));
            Need(Take('}'));
            return found;
        }

        private List<object> List(int level)
        {
            var found = new List<object>();
            at += 1;
            Space();
            if (Take(']')) return found;
            do
            {
                found.Add(Value(level + 1));
                Space();
            } while (Take(','));
            Need(Take(']'));
            return found;
        }

        private string Text()
        {
            var found = new StringBuilder();
            at += 1;
            while (!Take('"'))
            {
                var one = Next();
                Need(one >= ' ');
                at += 1;
                found.Append(one == '\\' ? Escape() : one);
            }
            for (var place = 0; place < found.Length; place += 1)
            {
                if (!char.IsSurrogate(found[place])) continue;
                var pair = place + 1 < found.Length && char.IsSurrogatePair(found[place], found[place + 1]);
                Must.Be(pair, what + " has half a character");
                place += 1;
            }
            return found.ToString();
        }

        private char Escape()
        {
            var one = Next();
            at += 1;
            var known = "\"\\/bfnrt".IndexOf(one);
            if (known >= 0) return "\"\\/\b\f\n\r\t"[known];
            Need(one == 'u' && at + 4 <= text.Length);
            var code = 0;
            for (var end = at + 4; at < end; at += 1)
            {
                var digit = "0123456789abcdef".IndexOf(char.ToLowerInvariant(text[at]));
                Need(digit >= 0 && text[at] < 128);
                code = 16 * code + digit;
            }
            return (char)code;
        }

        private bool Digits()
        {
            var begin = at;
            while (at < text.Length && text[at] >= '0' && text[at] <= '9') at += 1;
            return at > begin;
        }

        private object Number()
        {
            var begin = at;
            Take('-');
            Need(Take('0') || Digits());
            var whole = true;
            if (Take('.'))
            {
                whole = false;
                Need(Digits());
            }
            if (Take('e') || Take('E'))
            {
                whole = false;
                if (!Take('+')) Take('-');
                Need(Digits());
            }
            var said = text.Substring(begin, at - begin);
            Must.Be(said.Length <= Decimals.Longest, what + " has a number that is too long");
            if (whole && said != "-0" &&
                long.TryParse(said, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer))
            {
                return integer;
            }
            var number = Decimals.Parse(said);
            Must.Be(!double.IsInfinity(number), what + " has a number that is too large");
            return number;
        }
    }
}
