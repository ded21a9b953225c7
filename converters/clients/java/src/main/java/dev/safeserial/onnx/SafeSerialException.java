// SPDX-License-Identifier: BSD-3-Clause
// The one error of this package: what is wrong, what kind of wrong, and what to do about it.
package dev.safeserial.onnx;

/** A model, signature, key or row that is not to be used. */
public final class SafeSerialException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final String AGAIN = "ask the sender for the file again";

    /** What kind of thing is wrong. */
    public enum Kind {
        FORMAT, UNSIGNED, UNKNOWN_KEY, BAD_SIGNATURE, DIGEST, UNSUPPORTED, KEY, ROWS, RUNTIME, USAGE
    }

    private final Kind kind;
    private final String hint;

    public SafeSerialException(Kind kind, String message, String hint) {
        super(message);
        this.kind = kind;
        this.hint = hint;
    }

    /** What kind of thing is wrong. */
    public Kind kind() {
        return kind;
    }

    /** What to do about it. */
    public String hint() {
        return hint;
    }

    /** The two lines that a command prints; what could move the cursor or turn the text is shown as ?. */
    public String lines() {
        return "error: " + shown(getMessage()) + "\nhint: " + shown(hint);
    }

    private static String shown(String text) {
        return text.replaceAll("[\\p{Cc}\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]", "?");
    }

    /** Refuse unless a condition holds. */
    static void need(boolean condition, String message, Kind kind, String hint) {
        if (!condition) {
            throw new SafeSerialException(kind, message, hint);
        }
    }

    static void need(boolean condition, String message, Kind kind) {
        need(condition, message, kind, AGAIN);
    }

    static void need(boolean condition, String message) {
        need(condition, message, Kind.FORMAT, AGAIN);
    }
}
