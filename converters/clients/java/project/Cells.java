// SPDX-License-Identifier: BSD-3-Clause
// Values of rows and answers as the types of Java that fields have.
package model;

import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;

final class Cells {
    private Cells() {}

    static Double float64(Object value) {
        return value == null ? null : cast(value, Number.class).doubleValue();
    }

    static Float float32(Object value) {
        return value == null ? null : cast(value, Number.class).floatValue();
    }

    static Long int64(Object value) {
        return value == null ? null : (Long) whole(value, Long.MIN_VALUE, Long.MAX_VALUE);
    }

    static Integer int32(Object value) {
        return value == null ? null : (Integer) (int) whole(value, Integer.MIN_VALUE, Integer.MAX_VALUE);
    }

    static Boolean bool(Object value) {
        return value == null ? null : cast(value, Boolean.class);
    }

    static String string(Object value) {
        return value == null ? null : cast(value, String.class);
    }

    /** Return a list whose values are of one type; a value alone is a list of one. */
    static <T> List<T> list(Object value, Function<Object, T> as) {
        List<T> found = new ArrayList<>();
        for (Object one : value instanceof List<?> list ? list : Collections.singletonList(value)) {
            found.add(as.apply(one));
        }
        return found;
    }

    private static long whole(Object value, long least, long most) {
        Number number = cast(value, Number.class);
        boolean exact = number.doubleValue() == Math.rint(number.doubleValue());
        if (!exact || number.longValue() < least || number.longValue() > most) {
            throw new SafeSerialException(Kind.ROWS, value + " is no such integer", "look at the rows");
        }
        return number.longValue();
    }

    private static <T> T cast(Object value, Class<T> type) {
        if (!type.isInstance(value)) {
            String found = value.getClass().getSimpleName();
            String message = "a value is to be a " + type.getSimpleName() + ", not a " + found;
            throw new SafeSerialException(Kind.ROWS, message, "look at the rows");
        }
        return type.cast(value);
    }
}
