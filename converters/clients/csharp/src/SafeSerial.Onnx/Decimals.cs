// SPDX-License-Identifier: BSD-3-Clause
// The double that is nearest to a decimal number.  .NET reads it right since .NET Core 3.0; mono and
// .NET Framework miss now and then by the last bit, which sends a row down another branch of a tree.
using System;
using System.Globalization;
using System.Linq;
using System.Numerics;

namespace SafeSerial.Onnx
{
    /// <summary>Decimal numbers to the last bit, on any runtime.</summary>
    public static class Decimals
    {
        internal const int Longest = 400;

        /// <summary>Read a decimal number as JSON and CSV have it; infinite if it is too large.</summary>
        /// <exception cref="FormatException">If it is none, or has more than 400 characters.</exception>
        public static double Parse(string text)
        {
            if (text == null || text.Length > Longest) throw new FormatException("a number that is too long");
            if (text.Any(one => "0123456789+-.eE".IndexOf(one) < 0)) throw new FormatException("no number");
#if NET
            return double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
#else
            double near;
            try
            {
                near = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            }
            catch (OverflowException)
            {
                near = double.PositiveInfinity;
            }
            var sign = text[0] == '-' ? -1.0 : 1.0;
            return sign * Nearest(text.TrimStart('-', '+'), Math.Abs(near));
#endif
        }

#if !NET
        private static double Nearest(string text, double near)
        {
            var end = text.IndexOfAny(new[] { 'e', 'E' });
            var digits = end < 0 ? text : text.Substring(0, end);
            var point = digits.IndexOf('.');
            var behind = point < 0 ? 0 : digits.Length - point - 1;
            digits = digits.Replace(".", "").TrimStart('0');
            if (digits == "") return 0;
            var said = end < 0 ? 0 : Exponent(text.Substring(end + 1));
            var power = said - behind;
            if (digits.Length + power < -330) return 0;
            if (digits.Length + power > 310) return double.PositiveInfinity;
            var number = BigInteger.Parse(digits, CultureInfo.InvariantCulture);
            var numerator = power > 0 ? number * BigInteger.Pow(10, power) : number;
            var denominator = power < 0 ? BigInteger.Pow(10, -power) : BigInteger.One;
            var bits = BitConverter.DoubleToInt64Bits(double.IsInfinity(near) ? double.MaxValue : near);
            while (bits < 0x7ff0000000000000)
            {
                var side = Side(numerator, denominator, bits);
                if (side < 0 || (side == 0 && bits % 2 == 0)) break;
                bits += 1;
            }
            while (bits > 0)
            {
                var side = Side(numerator, denominator, bits - 1);
                if (side > 0 || (side == 0 && bits % 2 == 0)) break;
                bits -= 1;
            }
            return BitConverter.Int64BitsToDouble(bits);
        }

        private static int Exponent(string text) =>
            int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var found)
                && Math.Abs((long)found) < 100000 ? found : text[0] == '-' ? -100000 : 100000;

        /// <summary>Compare a fraction with what is half way between a double and the next one.</summary>
        private static int Side(BigInteger numerator, BigInteger denominator, long bits)
        {
            var raised = (int)(bits >> 52);
            var whole = bits & 0xfffffffffffff;
            if (raised > 0) whole += 1L << 52;
            var shift = Math.Max(raised, 1) - 1076; // half way is (2 whole + 1) times 2 to this power
            BigInteger half = 2 * whole + 1;
            var left = shift < 0 ? numerator << -shift : numerator;
            var right = denominator * (shift > 0 ? half << shift : half);
            return left.CompareTo(right);
        }
#endif
    }
}
