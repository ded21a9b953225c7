// SPDX-License-Identifier: BSD-3-Clause
// One column of the model.
package model;

/**
 * One column of the model.
 *
 * @param name as the model has it
 * @param type {@code float32}, {@code float64}, {@code int32}, {@code int64}, {@code bool} or {@code string}
 * @param optional whether a value may be missing
 * @param wide whether a row has a list of values for it, not one
 */
record Column(String name, String type, boolean optional, boolean wide) {}
