// SPDX-License-Identifier: BSD-3-Clause
// What runs a model.  NativeEngine binds ONNX Runtime's C library; another may be put in its place.
package dev.safeserial.onnx;

import java.util.List;
import java.util.Map;

/** What runs a model; safe for use by several threads. */
public interface Engine {
    /**
     * Load a model.
     *
     * @param onnx the bytes that were verified
     * @throws SafeSerialException if the engine cannot run it
     */
    Session load(byte[] onnx);

    /** A model in an engine. */
    interface Session extends AutoCloseable {
        /** The columns that the model takes. */
        List<Input> inputs();

        /** The names of what it gives. */
        List<String> outputs();

        /**
         * Run the model.
         *
         * @param feed a tensor an input
         * @return a tensor an output, in the order of the outputs
         * @throws SafeSerialException if the model fails
         */
        Map<String, Tensor> run(Map<String, Tensor> feed);

        @Override
        void close();
    }

    /**
     * A column that a model takes.
     *
     * @param name its name
     * @param type {@code float32}, {@code float64}, {@code int64}, {@code int32}, {@code bool},
     *     {@code string}, or the name of a type that cannot be given here
     * @param shape its dimensions; −1 is any number
     */
    record Input(String name, String type, List<Long> shape) {}

    /**
     * Values with a shape.
     *
     * @param shape the dimensions
     * @param data {@code float[]}, {@code double[]}, {@code long[]}, {@code int[]},
     *     {@code boolean[]} or {@code String[]}, the last index fastest
     */
    record Tensor(long[] shape, Object data) {}
}
