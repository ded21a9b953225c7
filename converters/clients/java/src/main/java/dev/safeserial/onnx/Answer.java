// SPDX-License-Identifier: BSD-3-Clause
// What a model says of one row.
package dev.safeserial.onnx;

import java.util.Collections;
import java.util.List;
import java.util.Map;

/** What a model says of one row. */
public final class Answer {
    private final Map<String, Object> values;

    Answer(Map<String, Object> values) {
        this.values = Collections.unmodifiableMap(values);
    }

    /**
     * What the model predicts: a String, Long, Double or Boolean, or a List of them if it predicts
     * several things; null if it predicts nothing.
     */
    public Object label() {
        return values.get("label");
    }

    /** One number a class, in the order of the model's classes; empty if the model gives none. */
    public double[] probabilities() {
        Object found = values.get("probabilities");
        return found instanceof List<?> list
                ? list.stream().mapToDouble(one -> ((Number) one).doubleValue()).toArray()
                : new double[0];
    }

    /** All that the model gives: {@code label}, {@code probabilities}, and other outputs by their names. */
    public Map<String, Object> values() {
        return values;
    }

    @Override
    public String toString() {
        return Json.write(values);
    }
}
