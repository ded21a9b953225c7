// SPDX-License-Identifier: BSD-3-Clause
// Records to tensors and back: columns by name, texts, missing values; labels and probabilities.
import { need } from './errors.js';

const HOLD = {
  float32: (list) => Float32Array.from(list),
  float64: (list) => Float64Array.from(list),
  int64: (list) => BigInt64Array.from(list),
  int32: (list) => Int32Array.from(list),
  bool: (list) => Uint8Array.from(list),
  string: (list) => list,
};

/** Return the tensors of some records. */
export function feedOf(ort, inputs, records) {
  need(Array.isArray(records) && records.length, 'there are no rows', 'rows', 'give a list of records');
  const feed = Object.create(null); // an input may be called __proto__
  for (const input of inputs) {
    need(HOLD[input.type], `input ${input.name} is of type ${input.type}`, 'unsupported',
      'convert the model with dtype="float32"');
    let width = input.shape.length > 1 ? Number(input.shape[1]) : 1;
    const values = [];
    records.forEach((record, row) => {
      const cell = cellOf(record, input.name, row, inputs.length);
      const cells = input.shape.length > 1 && Array.isArray(cell) ? cell : [cell];
      if (!(width > 0)) width = cells.length; // the graph leaves it open; the rows must agree
      need(cells.length === width && width > 0, `row ${row}: ${input.name} has ${cells.length} ` +
        `values, not ${width}`, 'rows', 'give one number a feature');
      for (const one of cells) values.push(valueOf(one, input, row));
    });
    const wide = values.length / records.length;
    const shape = input.shape.length > 1 ? [records.length, wide] : [records.length];
    feed[input.name] = new ort.Tensor(input.type, HOLD[input.type](values), shape);
  }
  return feed;
}

function cellOf(record, name, row, inputs) {
  const bare = record === null || typeof record !== 'object' || Array.isArray(record);
  if (bare) {
    need(inputs === 1, `row ${row} is no record`, 'rows', 'give an object with a value a column');
    return record;
  }
  need(Object.hasOwn(record, name), `row ${row} has no column ${name}`, 'rows',
    'give null for a value that is missing');
  return record[name];
}

function valueOf(value, input, row) {
  const missing = value === null || value === undefined;
  const what = `row ${row}: column ${input.name}`;
  if (input.type === 'string') {
    need(missing || typeof value === 'string', `${what} is to be a text`, 'rows', 'or null');
    return missing ? '' : value;
  }
  if (input.type.startsWith('float')) {
    need(missing || typeof value === 'number', `${what} is to be a number`, 'rows', 'or null');
    return missing ? NaN : value;
  }
  need(!missing, `${what} cannot be missing`, 'rows', 'this model was trained without missing values');
  if (input.type === 'bool') {
    need(typeof value === 'boolean', `${what} is to be true or false`, 'rows');
    return value ? 1 : 0;
  }
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
  const fits = whole && (input.type !== 'int32' || Math.abs(Number(value)) < 2 ** 31);
  need(fits, `${what} is to be an integer`, 'rows');
  return input.type === 'int64' ? BigInt(value) : Number(value);
}

/** Return one answer a row: `label` and `probabilities` where the model has them, and the rest. */
export function answersOf(outputs, count) {
  const names = new Map([['predict', 'label'], ['predict_proba', 'probabilities']]);
  const answers = Array.from({ length: count }, () => ({}));
  for (const [name, tensor] of Object.entries(outputs)) {
    const width = tensor.data.length / count;
    const flat = tensor.dims.length < 2;
    answers.forEach((answer, row) => {
      const cells = Array.from(tensor.data.slice(row * width, (row + 1) * width), plain);
      answer[names.get(name) ?? name] = flat ? cells[0] : cells;
    });
  }
  return answers;
}

function plain(value) {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
