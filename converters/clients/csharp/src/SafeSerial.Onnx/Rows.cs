// SPDX-License-Identifier: BSD-3-Clause
// Records to tensors and back: columns by name, texts, missing values; labels and probabilities.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;

namespace SafeSerial.Onnx
{
    internal static class Rows
    {
        private const double Safe = 9007199254740991; // 2^53 - 1

        /// <summary>Return the tensors of some rows.</summary>
        internal static List<Tensor> Feed(IReadOnlyList<InputInfo> inputs, IReadOnlyList<object> rows)
        {
            Must.Be(rows.Count > 0, "there are no rows", ErrorCode.Rows, "give a list of records");
            return inputs.Select(input => Column(input, inputs.Count, rows)).ToList();
        }

        private static Tensor Column(InputInfo input, int inputs, IReadOnlyList<object> rows)
        {
            var holds = ListOf(input);
            var deep = input.Shape.Count > 1;
            var width = deep && input.Shape[1] is long ? (long)input.Shape[1] : deep ? 0 : 1;
            for (var row = 0; row < rows.Count; row += 1)
            {
                var cell = Cell(rows[row], input.Name, row, inputs);
                var cells = deep && IsList(cell) ? ((IEnumerable)cell).Cast<object>().ToList() : null;
                var count = cells == null ? 1 : cells.Count;
                if (width <= 0) width = count; // the graph leaves it open; the rows must agree
                Must.Be(count == width && width > 0, "row " + row + ": " + input.Name + " has " + count +
                    " values, not " + width, ErrorCode.Rows, "give one number a feature");
                if (cells == null) holds.Add(Value(cell, input, row));
                else foreach (var one in cells) holds.Add(Value(one, input, row));
            }
            var values = Array.CreateInstance(holds.GetType().GetGenericArguments()[0], holds.Count);
            holds.CopyTo(values, 0);
            var shape = deep ? new[] { rows.Count, width } : new long[] { rows.Count };
            return new Tensor(input.Name, values, shape);
        }

        private static IList ListOf(InputInfo input)
        {
            Must.Be(input.Shape.Count <= 2, "input " + input.Name + " has " + input.Shape.Count + " dimensions",
                ErrorCode.Unsupported, "give models whose inputs are tables");
            switch (input.Type)
            {
                case "float32": return new List<float>();
                case "float64": return new List<double>();
                case "int64": return new List<long>();
                case "int32": return new List<int>();
                case "bool": return new List<bool>();
                case "string": return new List<string>();
                default:
                    throw new SafeSerialException(ErrorCode.Unsupported, "input " + input.Name + " is of type " +
                        input.Type, "convert the model with dtype=\"float32\"");
            }
        }

        private static bool IsList(object value) =>
            value is IEnumerable && !(value is string) && !(value is IDictionary);

        private static object Cell(object row, string name, int number, int inputs)
        {
            object found = null;
            bool there;
            if (row is IDictionary)
            {
                there = ((IDictionary)row).Contains(name);
                if (there) found = ((IDictionary)row)[name];
            }
            else if (row is IReadOnlyDictionary<string, object>)
            {
                there = ((IReadOnlyDictionary<string, object>)row).TryGetValue(name, out found);
            }
            else
            {
                Must.Be(inputs == 1, "row " + number + " is no record", ErrorCode.Rows,
                    "give an object with a value a column");
                return row;
            }
            Must.Be(there, "row " + number + " has no column " + name, ErrorCode.Rows,
                "give null for a value that is missing");
            return found;
        }

        private static object Value(object value, InputInfo input, int row)
        {
            var missing = value == null || value is DBNull;
            var what = "row " + row + ": column " + input.Name;
            switch (input.Type)
            {
                case "string":
                    Must.Be(missing || value is string, what + " is to be a text", ErrorCode.Rows, "or null");
                    var text = missing ? "" : (string)value;
                    Must.Be(IsSound(text), what + " has half a character, or a character U+0000", ErrorCode.Rows,
                        "give another text");
                    return text;
                case "float32":
                case "float64":
                    Must.Be(missing || IsNumber(value), what + " is to be a number", ErrorCode.Rows, "or null");
                    var number = missing ? double.NaN : Convert.ToDouble(value);
                    return input.Type == "float64" ? number : (object)(float)number;
            }
            Must.Be(!missing, what + " cannot be missing", ErrorCode.Rows,
                "this model was trained without missing values");
            if (input.Type == "bool")
            {
                Must.Be(value is bool, what + " is to be true or false", ErrorCode.Rows, "give true or false");
                return value;
            }
            var whole = Whole(value);
            var fits = whole != null && (input.Type == "int64" || (whole >= int.MinValue && whole <= int.MaxValue));
            Must.Be(fits, what + " is to be an integer", ErrorCode.Rows, "give a whole number in its range");
            return input.Type == "int64" ? whole.Value : (object)(int)whole.Value;
        }

        private static bool IsNumber(object value)
        {
            var code = Type.GetTypeCode(value?.GetType());
            return code >= TypeCode.SByte && code <= TypeCode.Decimal;
        }

        private static long? Whole(object value)
        {
            if (!IsNumber(value)) return null;
            if (Type.GetTypeCode(value.GetType()) <= TypeCode.Int64) return Convert.ToInt64(value);
            var number = Convert.ToDouble(value);
            var safe = number >= -Safe && number <= Safe && Math.Floor(number) == number;
            return safe ? (long)number : (long?)null;
        }

        private static bool IsSound(string text)
        {
            for (var at = 0; at < text.Length; at += 1)
            {
                if (text[at] == '\0') return false; // the engine's texts end there
                if (!char.IsSurrogate(text[at])) continue;
                if (at + 1 == text.Length || !char.IsSurrogatePair(text[at], text[at + 1])) return false;
                at += 1;
            }
            return true;
        }

        /// <summary>Return one answer a row.</summary>
        internal static List<Answer> Answers(IReadOnlyList<Tensor> outputs, int count)
        {
            var answers = Enumerable.Range(0, count).Select(_ => new Dictionary<string, object>()).ToList();
            foreach (var output in outputs)
            {
                var name = output.Name == "predict" ? "label"
                    : output.Name == "predict_proba" ? "probabilities" : output.Name;
                var width = output.Values.Length / count;
                var even = width * count == output.Values.Length && (width > 0 || output.Shape.Length > 1);
                Must.Be(even, "output " + output.Name + " has not one answer a row", ErrorCode.Runtime,
                    "convert the model again");
                for (var row = 0; row < count; row += 1)
                {
                    answers[row][name] = output.Shape.Length < 2
                        ? Plain(output.Values).GetValue(row * width)
                        : Slice(output.Values, row * width, width);
                }
            }
            return answers.Select(one => new Answer(one)).ToList();
        }

        private static Array Slice(Array values, int begin, int size)
        {
            var part = Array.CreateInstance(values.GetType().GetElementType(), size);
            Array.Copy(values, begin, part, 0, size);
            return Plain(part);
        }

        /// <summary>Return numbers as double or long.</summary>
        private static Array Plain(Array values)
        {
            var floats = values as float[];
            if (floats != null) return floats.Select(one => (double)one).ToArray();
            var ints = values as int[];
            return ints != null ? ints.Select(one => (long)one).ToArray() : values;
        }
    }
}
