// SPDX-License-Identifier: BSD-3-Clause
// The one exception of this library: what is wrong, what kind of wrong, and what to do about it.
using System;

namespace SafeSerial.Onnx
{
    /// <summary>What kind of wrong.</summary>
    public enum ErrorCode
    {
        /// <summary>A file has another form than it should.</summary>
        Format,
        /// <summary>There is no signature.</summary>
        Unsigned,
        /// <summary>Signed, but by none of the keys given.</summary>
        UnknownKey,
        /// <summary>A signature does not fit.</summary>
        BadSignature,
        /// <summary>The model was changed after it was signed.</summary>
        Digest,
        /// <summary>Something that this library does not read.</summary>
        Unsupported,
        /// <summary>A key is none, or a weak one.</summary>
        Key,
        /// <summary>The rows do not fit the model.</summary>
        Rows,
        /// <summary>The engine, or a library it needs, failed.</summary>
        Runtime,
        /// <summary>A command was given in another way than it is meant.</summary>
        Usage,
    }

    /// <summary>A model, signature, key or row that is not to be used.</summary>
    public sealed class SafeSerialException : Exception
    {
        /// <summary>What kind of wrong.</summary>
        public ErrorCode Code { get; }

        /// <summary>What to do.</summary>
        public string Hint { get; }

        /// <summary>Say what is wrong and what to do.</summary>
        public SafeSerialException(ErrorCode code, string message, string hint, Exception cause = null)
            : base(message, cause)
        {
            Code = code;
            Hint = hint;
        }
    }

    /// <summary>Refusals, in one line each.</summary>
    internal static class Must
    {
        internal const string Again = "ask the sender for the file again";

        /// <summary>Refuse unless a condition holds.</summary>
        internal static void Be(
            bool condition, string message, ErrorCode code = ErrorCode.Format, string hint = Again)
        {
            if (!condition) throw new SafeSerialException(code, message, hint);
        }
    }
}
