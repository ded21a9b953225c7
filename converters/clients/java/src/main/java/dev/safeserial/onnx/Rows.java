// SPDX-License-Identifier: BSD-3-Clause
// Records to tensors and back: columns by name, texts, missing values; labels and probabilities.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.Engine.Input;
import dev.safeserial.onnx.Engine.Tensor;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Rows {
    private static final Map<String, Class<?>> HOLD = Map.of("float32", float.class, "float64", double.class,
            "int64", long.class, "int32", int.class, "bool", boolean.class, "string", String.class);
    private static final int MOST_CELLS = Content.MOST / 8;
    private static final double SAFE = 9007199254740991.0; // below, each whole double is one integer

    private Rows() {}

    /** Return the tensors of some records. */
    static Map<String, Tensor> feed(List<Input> inputs, List<?> records) {
        need(records != null && !records.isEmpty(), "there are no rows", Kind.ROWS, "give a list of records");
        Map<String, Tensor> feed = new LinkedHashMap<>();
        for (Input input : inputs) {
            need(HOLD.containsKey(input.type()), "input " + input.name() + " is of type " + input.type(),
                    Kind.UNSUPPORTED, "convert the model with dtype=\"float32\"");
            feed.put(input.name(), column(input, records, inputs.size()));
        }
        return feed;
    }

    private static Tensor column(Input input, List<?> records, int inputs) {
        boolean flat = input.shape().size() < 2;
        int wide = flat ? 1 : (int) Math.min(input.shape().get(1), MOST_CELLS);
        Object data = null;
        int row = 0;
        for (Object record : records) {
            Object cell = cellOf(record, input.name(), row, inputs);
            List<?> cells = flat ? null : listOf(cell);
            int found = cells == null ? 1 : cells.size();
            if (data == null) {
                wide = wide > 0 ? wide : found; // the graph may leave it open; the rows must agree
                need((long) wide * records.size() <= MOST_CELLS, "there are too many rows", Kind.ROWS,
                        "give fewer rows at once");
                data = Array.newInstance(HOLD.get(input.type()), wide * records.size());
            }
            need(found == wide && found > 0, "row " + row + ": " + input.name() + " has " + found + " values, not "
                    + wide, Kind.ROWS, "give one number a feature");
            for (int at = 0; at < wide; at += 1) {
                put(data, row * wide + at, cells == null ? cell : cells.get(at), input.name(), row);
            }
            row += 1;
        }
        long[] shape = flat ? new long[] {records.size()} : new long[] {records.size(), wide};
        return new Tensor(shape, data);
    }

    private static Object cellOf(Object record, String name, int row, int inputs) {
        if (!(record instanceof Map<?, ?> map)) {
            need(inputs == 1, "row " + row + " is no record", Kind.ROWS, "give a map with a value a column");
            return record;
        }
        need(map.containsKey(name), "row " + row + " has no column " + name, Kind.ROWS,
                "give null for a value that is missing");
        return map.get(name);
    }

    /** Return the values of a list or an array, or null if it is none. */
    private static List<?> listOf(Object cell) {
        if (cell instanceof List<?> list) {
            return list;
        }
        if (cell == null || !cell.getClass().isArray()) {
            return null;
        }
        List<Object> found = new ArrayList<>();
        for (int at = 0; at < Array.getLength(cell); at += 1) {
            found.add(Array.get(cell, at));
        }
        return found;
    }

    private static void put(Object data, int at, Object value, String name, int row) {
        String what = "row " + row + ": column " + name;
        if (data instanceof String[] texts) {
            need(value == null || value instanceof String, what + " is to be a text", Kind.ROWS, "or null");
            texts[at] = value == null ? "" : (String) value;
        } else if (data instanceof double[] || data instanceof float[]) {
            need(value == null || value instanceof Number, what + " is to be a number", Kind.ROWS, "or null");
            double number = value == null ? Double.NaN : ((Number) value).doubleValue();
            if (data instanceof double[] numbers) {
                numbers[at] = number;
            } else {
                ((float[]) data)[at] = (float) number;
            }
        } else {
            need(value != null, what + " cannot be missing", Kind.ROWS,
                    "this model was trained without missing values");
            if (data instanceof boolean[] flags) {
                need(value instanceof Boolean, what + " is to be true or false", Kind.ROWS, "look at the rows");
                flags[at] = (Boolean) value;
            } else if (data instanceof long[] numbers) {
                numbers[at] = whole(value, Long.MIN_VALUE, Long.MAX_VALUE, what);
            } else {
                ((int[]) data)[at] = (int) whole(value, Integer.MIN_VALUE, Integer.MAX_VALUE, what);
            }
        }
    }

    private static long whole(Object value, long least, long most, String what) {
        boolean real = value instanceof Double || value instanceof Float || value instanceof BigDecimal;
        double number = value instanceof Number given ? given.doubleValue() : Double.NaN;
        boolean exact = real ? number == Math.rint(number) && Math.abs(number) <= SAFE
                : value instanceof BigInteger large ? large.bitLength() < 64 : value instanceof Number;
        long found = exact ? ((Number) value).longValue() : 0;
        need(exact && found >= least && found <= most, what + " is to be an integer", Kind.ROWS, "look at the rows");
        return found;
    }

    /** Return one answer a row: label and probabilities where the model has them, and the rest. */
    static List<Answer> answers(Map<String, Tensor> outputs, int count) {
        List<Map<String, Object>> rows = new ArrayList<>();
        for (int row = 0; row < count; row += 1) {
            rows.add(new LinkedHashMap<>());
        }
        for (Map.Entry<String, Tensor> output : outputs.entrySet()) {
            String name = switch (output.getKey()) {
                case "predict" -> "label";
                case "predict_proba" -> "probabilities";
                default -> output.getKey();
            };
            Tensor tensor = output.getValue();
            int length = Array.getLength(tensor.data());
            need(length > 0 && length % count == 0, "output " + name + " has no value for each row", Kind.RUNTIME,
                    "convert the model again");
            int wide = length / count;
            for (int row = 0; row < count; row += 1) {
                Object[] cells = new Object[wide];
                for (int at = 0; at < wide; at += 1) {
                    cells[at] = plain(Array.get(tensor.data(), row * wide + at));
                }
                boolean flat = tensor.shape().length < 2;
                Object cell = flat && wide == 1 ? cells[0] : Collections.unmodifiableList(Arrays.asList(cells));
                rows.get(row).put(name, cell);
            }
        }
        return rows.stream().map(Answer::new).toList();
    }

    private static Object plain(Object value) {
        return value instanceof Integer whole ? (Object) whole.longValue()
                : value instanceof Float real ? (Object) real.doubleValue() : value;
    }
}
