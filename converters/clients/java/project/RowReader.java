// SPDX-License-Identifier: BSD-3-Clause
// Rows as people write them, JSON or CSV, as rows of the model.
package model;

import dev.safeserial.onnx.Json;
import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

final class RowReader {
    private static final Pattern NUMBER = Pattern.compile("[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]+)?");
    private static final Pattern NO_FINITE_NUMBER = Pattern.compile("[+-]?(nan|inf(inity)?)");
    private static final Pattern INTEGER = Pattern.compile("[+-]?[0-9]{1,18}");
    private static final String HEADER = "the first line names the columns";

    private RowReader() {}

    /** Return the rows of a text: a JSON list of records, or CSV whose first line names the columns. */
    static List<?> rows(byte[] bytes, List<Column> columns) {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            throw wrong("the rows are not in UTF-8", "write them again");
        }
        text = text.startsWith("\ufeff") ? text.substring(1) : text;
        if (!text.stripLeading().startsWith("[")) {
            return csv(text, columns);
        }
        try {
            return (List<?>) Json.parse(text.strip().getBytes(StandardCharsets.UTF_8), "what should be rows");
        } catch (SafeSerialException error) {
            throw wrong(error.getMessage(), "give a JSON list of records, or CSV");
        }
    }

    private static List<?> csv(String text, List<Column> columns) {
        List<List<String>> lines = Csv.lines(text);
        if (lines.size() < 2) {
            throw wrong("the CSV has no rows", HEADER);
        }
        List<String> names = lines.get(0);
        boolean array = columns.size() == 1 && columns.get(0).wide();
        int[] places = array ? new int[0] : columns.stream().mapToInt(one -> place(names, one.name())).toArray();
        List<Object> rows = new ArrayList<>();
        for (int row = 0; row < lines.size() - 1; row += 1) {
            List<String> line = lines.get(row + 1);
            if (line.size() != names.size()) {
                String message = "row " + row + ": " + line.size() + " cells, not " + names.size();
                throw wrong(message, "quote cells with commas");
            }
            Map<String, Object> record = new LinkedHashMap<>();
            if (array) {
                Column one = columns.get(0);
                List<Object> cells = new ArrayList<>();
                for (String cell : line) {
                    cells.add(value(cell, one, row));
                }
                record.put(one.name(), cells);
            } else {
                for (int at = 0; at < places.length; at += 1) {
                    Column one = columns.get(at);
                    record.put(one.name(), value(line.get(places[at]), one, row));
                }
            }
            rows.add(record);
        }
        return rows;
    }

    private static int place(List<String> names, String wanted) {
        int place = names.indexOf(wanted);
        if (place < 0) {
            throw wrong("the CSV has no column " + wanted, HEADER);
        }
        if (names.lastIndexOf(wanted) != place) {
            throw wrong("the CSV has the column " + wanted + " twice", "each column once");
        }
        return place;
    }

    private static Object value(String cell, Column column, int row) {
        if (cell.isEmpty() && column.optional()) {
            return null;
        }
        if (column.type().equals("string")) {
            return cell;
        }
        String what = "row " + row + ": column " + column.name();
        String text = cell.strip().toLowerCase(Locale.ROOT);
        if (column.type().equals("bool")) {
            if (text.equals("true") || text.equals("false")) {
                return text.equals("true");
            }
            throw wrong(what + " is to be true or false", "it has no missing values");
        }
        if (column.type().startsWith("int")) {
            if (INTEGER.matcher(text).matches()) {
                return Long.valueOf(text);
            }
            throw wrong(what + " is to be an integer", "it has no missing values");
        }
        if (NO_FINITE_NUMBER.matcher(text).matches()) {
            double infinity = text.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
            return text.contains("nan") ? Double.NaN : infinity;
        }
        if (NUMBER.matcher(text).matches()) {
            return Double.valueOf(text);
        }
        throw wrong(what + " is to be a number", "write it as 1.5, or leave it empty");
    }

    private static SafeSerialException wrong(String message, String hint) {
        return new SafeSerialException(Kind.ROWS, message, hint);
    }
}
