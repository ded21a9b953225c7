// SPDX-License-Identifier: BSD-3-Clause
// JSON, strictly: no key twice, no half characters, bounded depth; and the canonical form of
// section 4 of docs/spec/format-v1.md.  Objects are Map, arrays List, integers Long, other numbers Double.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** JSON for rows and answers. */
public final class Json {
    private static final int MOST_VALUES = 1 << 19;
    private static final int DEEPEST = 32; // arrays and objects, one in the other
    private static final int LONGEST_NUMBER = 1000;
    private static final long LARGEST = (1L << 53) - 1;
    private static final Pattern NUMBER =
            Pattern.compile("-?(?:0|[1-9][0-9]*+)(\\.[0-9]++)?([eE][+-]?[0-9]++)?");

    private final String text;
    private final String what;
    private final int levels;
    private int at;

    private Json(String text, String what, int levels) {
        this.text = text;
        this.what = what;
        this.levels = levels;
    }

    static Object read(byte[] bytes, String what) {
        return read(bytes, what, DEEPEST);
    }

    /** Read JSON of at most 2^19 values, told before any is made. */
    static Object read(byte[] bytes, String what, int levels) {
        int values = 0;
        for (byte one : bytes) {
            values += one == ',' || one == '[' || one == '{' ? 1 : 0;
        }
        need(values <= MOST_VALUES, what + " has too many values");
        return whole(bytes, what, levels);
    }

    /**
     * Read JSON of any number of values: the caller's own rows.
     *
     * @throws SafeSerialException if it is not JSON, an object has a key twice, or it is nested deeper than 32
     */
    public static Object parse(byte[] bytes, String what) {
        return whole(bytes, what, DEEPEST);
    }

    private static Object whole(byte[] bytes, String what, int levels) {
        Json reader = new Json(decoded(bytes, what), what, levels);
        Object value = reader.value(0);
        reader.space();
        reader.check(reader.at == reader.text.length());
        return value;
    }

    /** Read JSON that has exactly one spelling. */
    static Object readCanonical(byte[] bytes, String what) {
        Object value = read(bytes, what);
        StringBuilder again = new StringBuilder();
        spell(value, true, what, again);
        boolean same = Arrays.equals(again.toString().getBytes(StandardCharsets.UTF_8), bytes);
        need(same, what + " is not in canonical form");
        return value;
    }

    /** Return the JSON of maps, lists, texts, numbers, booleans and nulls; what is no finite number is null. */
    public static String write(Object value) {
        StringBuilder out = new StringBuilder();
        spell(value, false, "the answer", out);
        return out.toString();
    }

    static String decoded(byte[] bytes, String what) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            need(false, what + " is not in UTF-8");
            return "";
        }
    }

    private void check(boolean condition) {
        need(condition, what + " is not JSON");
    }

    private char peek() {
        check(at < text.length());
        return text.charAt(at);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at += 1;
        }
    }

    private Object value(int depth) {
        need(depth <= levels, what + " is nested too deep");
        space();
        return switch (peek()) {
            case '{' -> object(depth);
            case '[' -> array(depth);
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private Object word(String word, Object value) {
        check(text.startsWith(word, at));
        at += word.length();
        return value;
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        at += 1;
        space();
        boolean more = peek() != '}';
        while (more) {
            space();
            check(peek() == '"');
            String key = string();
            need(!found.containsKey(key), what + " has a key twice");
            space();
            check(peek() == ':');
            at += 1;
            found.put(key, value(depth + 1));
            more = another('}');
        }
        at += 1;
        return found;
    }

    private List<Object> array(int depth) {
        List<Object> found = new ArrayList<>();
        at += 1;
        space();
        boolean more = peek() != ']';
        while (more) {
            found.add(value(depth + 1));
            more = another(']');
        }
        at += 1;
        return found;
    }

    /** Say whether a comma stands here, and go past it; else it must be the end. */
    private boolean another(char end) {
        space();
        boolean more = peek() == ',';
        check(more || peek() == end);
        at += more ? 1 : 0;
        return more;
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        at += 1;
        while (peek() != '"') {
            char one = text.charAt(at);
            check(one >= ' ');
            at += 1;
            out.append(one == '\\' ? escaped() : one);
        }
        at += 1;
        String found = out.toString();
        need(StandardCharsets.UTF_8.newEncoder().canEncode(found), what + " has half a character");
        return found;
    }

    private char escaped() {
        char one = peek();
        at += 1;
        if (one != 'u') {
            int place = "\"\\/bfnrt".indexOf(one);
            check(place >= 0);
            return "\"\\/\b\f\n\r\t".charAt(place);
        }
        int code = 0;
        for (int turn = 0; turn < 4; turn += 1) {
            char digit = peek();
            check(digit < 128 && Character.digit(digit, 16) >= 0);
            code = 16 * code + Character.digit(digit, 16);
            at += 1;
        }
        return (char) code;
    }

    private Object number() {
        Matcher found = NUMBER.matcher(text).region(at, Math.min(text.length(), at + LONGEST_NUMBER));
        check(found.lookingAt());
        at = found.end();
        String digits = found.group();
        boolean whole = found.group(1) == null && found.group(2) == null;
        if (whole && digits.length() <= 18 && !digits.equals("-0")) {
            return Long.parseLong(digits);
        }
        try {
            return whole && !digits.equals("-0") ? (Object) Long.parseLong(digits) : Double.valueOf(digits);
        } catch (NumberFormatException tooLarge) {
            return Double.valueOf(digits);
        }
    }

    private static void spell(Object value, boolean canonical, String what, StringBuilder out) {
        if (value instanceof Map<?, ?> map) {
            String before = "{";
            Map<?, ?> ordered = canonical ? new TreeMap<>(map) : map;
            for (Map.Entry<?, ?> one : ordered.entrySet()) {
                quote((String) one.getKey(), canonical, out.append(before));
                spell(one.getValue(), canonical, what, out.append(':'));
                before = ",";
            }
            out.append(map.isEmpty() ? "{}" : "}");
        } else if (value instanceof List<?> list) {
            String before = "[";
            for (Object one : list) {
                spell(one, canonical, what, out.append(before));
                before = ",";
            }
            out.append(list.isEmpty() ? "[]" : "]");
        } else if (value instanceof String string) {
            quote(string, canonical, out);
        } else if (value instanceof Number number) {
            boolean exact = number instanceof Long whole && whole <= LARGEST && whole >= -LARGEST;
            need(!canonical || exact, what + " has a number of another form");
            out.append(number instanceof Double real && !Double.isFinite(real) ? "null" : number);
        } else {
            out.append(value);
        }
    }

    private static void quote(String text, boolean ascii, StringBuilder out) {
        out.append('"');
        for (char one : text.toCharArray()) {
            int place = "\"\\\b\f\n\r\t".indexOf(one);
            if (place >= 0) {
                out.append('\\').append("\"\\bfnrt".charAt(place));
            } else if (one < ' ' || ascii && one > '~') {
                out.append(String.format("\\u%04x", (int) one));
            } else {
                out.append(one);
            }
        }
        out.append('"');
    }
}
