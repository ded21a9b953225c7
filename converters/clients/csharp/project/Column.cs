// SPDX-License-Identifier: BSD-3-Clause
// A column of the model, and how its values are read out of records.
using System;
using System.Collections.Generic;
using System.Linq;
using SafeSerial.Onnx;

namespace OneModel
{
    /// <summary>A column of the model.</summary>
    public sealed class Column
    {
        /// <summary>Its name in rows.</summary>
        public string Name { get; }

        /// <summary>float32, float64, int32, int64, bool or string.</summary>
        public string Type { get; }

        /// <summary>Whether a value may be missing.</summary>
        public bool IsOptional { get; }

        /// <summary>Whether a row has a list of values for it.</summary>
        public bool IsWide { get; }

        internal Column(string name, string type, bool isOptional, bool isWide)
        {
            Name = name;
            Type = type;
            IsOptional = isOptional;
            IsWide = isWide;
        }
    }

    /// <summary>Values of records as the types of fields.</summary>
    internal static class Cells
    {
        internal static object Of(IDictionary<string, object> row, string name)
        {
            object found;
            if (row.TryGetValue(name, out found)) return found;
            throw Wrong("the record has no column " + name, "give null for a value that is missing");
        }

        internal static double? Double(object value)
        {
            if (value == null) return null;
            if (value is double || value is float || value is long || value is int) return Convert.ToDouble(value);
            throw Wrong("a value is to be a number", "or null");
        }

        internal static float? Float(object value) => (float?)Double(value);

        internal static long Long(object value)
        {
            if (value is long || value is int) return Convert.ToInt64(value);
            throw Wrong("a value is to be an integer", "it cannot be missing");
        }

        internal static int Int(object value)
        {
            var found = Long(value);
            if (found >= int.MinValue && found <= int.MaxValue) return (int)found;
            throw Wrong("an integer is too large", "give one of 32 bits");
        }

        internal static bool Bool(object value)
        {
            if (value is bool) return (bool)value;
            throw Wrong("a value is to be true or false", "it cannot be missing");
        }

        internal static string Text(object value)
        {
            if (value == null || value is string) return (string)value;
            throw Wrong("a value is to be a text", "or null");
        }

        internal static IReadOnlyList<T> All<T>(object value, Func<object, T> read)
        {
            var list = value as IEnumerable<object>;
            if (list != null) return list.Select(read).ToList();
            throw Wrong("a value is to be a list", "give one value a feature");
        }

        internal static SafeSerialException Wrong(string message, string hint) =>
            new SafeSerialException(ErrorCode.Rows, message, hint);
    }
}
