// SPDX-License-Identifier: BSD-3-Clause
// A look into an ONNX file: none of its weights may lie in another file, which no signature covers;
// and what it says of itself beside its graph, which engines in browsers do not tell.
import { need } from './errors.js';

const METADATA = 14; // metadata_props of ModelProto: pairs of texts, key 1 and value 2
const DEEPEST = 64;

// Field numbers of onnx.proto that lead to tensors, by the message that they are in.
const LEADS = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};
const [EXTERNAL_DATA, DATA_LOCATION] = [13, 14];

/** Refuse what is no ONNX model, or has weights in another file. */
export function checkModel(data) {
  try {
    need(walk(data, 'model', 0) === 1, 'that is no ONNX model');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    need(false, 'that is no ONNX model');
  }
}

/** Return how many graphs a model has at its top. */
function walk(data, within, depth) {
  need(depth <= DEEPEST, 'the graphs of the model are nested too deep', 'unsupported');
  let graphs = 0;
  for (const [number, body, value] of fieldsOf(data)) {
    const elsewhere = number === EXTERNAL_DATA || (number === DATA_LOCATION && value !== 0);
    need(within !== 'tensor' || !elsewhere, 'the model has weights in another, unsigned file',
      'unsupported', 'save it as one file');
    const next = LEADS[within][number];
    if (body && next) walk(body, next, depth + 1);
    if (within === 'model' && next === 'graph') graphs += 1;
  }
  return graphs;
}

/** Return the metadata of a model's bytes: name to text; nothing where they are no ONNX model. */
export function metadataOf(data) {
  const found = new Map();
  try {
    for (const [number, entry] of fieldsOf(data)) {
      if (number !== METADATA || !entry) continue;
      const pair = new Map(fieldsOf(entry));
      const text = (part) => new TextDecoder().decode(pair.get(part));
      found.set(text(1), text(2));
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the engine says what is wrong
  }
  return found;
}

/** Return the labels that `safeserial convert` wrote into a model, in the order of probabilities. */
export function classesOf(data) {
  try {
    const found = JSON.parse(metadataOf(data).get('safeserial.classes') ?? 'null');
    const plain = (one) => ['string', 'number', 'boolean'].includes(typeof one);
    return Array.isArray(found) && found.every(plain) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Yield number and content of a message's fields: bytes, or the value of a varint. */
function* fieldsOf(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let place = 0; place < 10; place += 1) {
      const one = bytes[at];
      if (one === undefined) break;
      at += 1;
      value += (one & 127) * 2 ** (7 * place);
      if (one < 128) return value;
    }
    throw new RangeError('the message ends early');
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag >= 2 ** 32) throw new RangeError('a field has a number too large');
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    let value;
    if (wire === 0) value = varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const size = varint();
      if (size > bytes.length - at) throw new RangeError('the message ends early');
      yield [number, bytes.subarray(at, at + size)];
      at += size;
      continue;
    } else throw new RangeError('unknown kind of field');
    if (at > bytes.length) throw new RangeError('the message ends early');
    yield [number, undefined, value];
  }
}
