// SPDX-License-Identifier: BSD-3-Clause
// Base64, digests, bytes, and the fields of objects, each in the one form that the specification allows.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

final class Texts {
    private Texts() {}

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    /** Return several byte arrays as one. */
    static byte[] joined(byte[]... parts) {
        int length = 0;
        for (byte[] one : parts) {
            length += one.length;
        }
        byte[] out = new byte[length];
        int at = 0;
        for (byte[] one : parts) {
            System.arraycopy(one, 0, out, at, one.length);
            at += one.length;
        }
        return out;
    }

    /** Read base64: the standard alphabet, padded, no spare bits, no white space, at least a byte. */
    static byte[] fromBase64(Object value, String what) {
        need(value instanceof String, what + " is not base64");
        byte[] found;
        try {
            found = Base64.getDecoder().decode((String) value);
        } catch (IllegalArgumentException error) {
            found = new byte[0];
        }
        boolean same = Base64.getEncoder().encodeToString(found).equals(value);
        need(found.length > 0 && same, what + " is not base64 as it should be");
        return found;
    }

    /** Hash bytes.  The JDK has no BLAKE3; a provider such as Bouncy Castle's may bring it. */
    static String digest(String algorithm, byte[] bytes) {
        boolean usual = algorithm.equals("sha256");
        try {
            return hex(MessageDigest.getInstance(usual ? "SHA-256" : "BLAKE3-256").digest(bytes));
        } catch (NoSuchAlgorithmException error) {
            throw new SafeSerialException(Kind.UNSUPPORTED, "the model is hashed with BLAKE3, which Java lacks",
                    "add a security provider that has BLAKE3-256, or have the model signed with SHA-256");
        }
    }

    /** DSSE's pre-authentication encoding: what a signature is over. */
    static byte[] signedBytes(String type, byte[] body) {
        String head = "DSSEv1 " + utf8(type).length + " " + type + " " + body.length + " ";
        return joined(utf8(head), body);
    }

    /** Return an object that has the needed fields, perhaps the optional ones, and no others. */
    static Map<String, Object> fields(Object value, String what, List<String> needed, List<String> optional) {
        Map<String, Object> found = object(value, what);
        for (String key : needed) {
            need(found.containsKey(key), what + " has no " + key);
        }
        for (String key : found.keySet()) {
            need(needed.contains(key) || optional.contains(key), what + " has an unknown field");
        }
        return found;
    }

    @SuppressWarnings("unchecked") // Json makes no other maps
    static Map<String, Object> object(Object value, String what) {
        need(value instanceof Map, what + " is no object");
        return (Map<String, Object>) value;
    }

    static List<?> list(Object value, String what) {
        need(value instanceof List, what + " is no list");
        return (List<?>) value;
    }

    private static final Pattern MOMENT =
            Pattern.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z");
    private static final int SKEW = 300; // seconds by which clocks may differ

    /** Require a date of the calendar that is not in the future. */
    static void needMoment(Object value, String what) {
        boolean right = false;
        if (value instanceof String text && MOMENT.matcher(text).matches()) {
            try {
                LocalDateTime date = LocalDateTime.parse(text.substring(0, text.length() - 1));
                Instant latest = Instant.now().plusSeconds(SKEW);
                right = date.getYear() > 0 && !date.toInstant(ZoneOffset.UTC).isAfter(latest);
            } catch (DateTimeException error) {
                right = false;
            }
        }
        need(right, what + " is wrong or in the future");
    }

    /** Require a list of texts. */
    static void needTexts(Collection<?> values, String what) {
        need(values.stream().allMatch(String.class::isInstance), what + " are not texts");
    }

    /** Return a text; what is null or not there is the empty one. */
    static String optionalText(Object value, String what) {
        need(value == null || value instanceof String, what + " is no text");
        return value == null ? "" : (String) value;
    }
}
