// SPDX-License-Identifier: BSD-3-Clause
// What an ONNX file says of itself beside its graph: engines in browsers do not tell.
const METADATA = 14; // metadata_props of ModelProto: pairs of texts, key 1 and value 2

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

/** Yield number and content of a message's fields; of those that are no bytes, only the number. */
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
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const size = varint();
      if (size > bytes.length - at) throw new RangeError('the message ends early');
      yield [number, bytes.subarray(at, at + size)];
      at += size;
      continue;
    } else throw new RangeError('unknown kind of field');
    yield [number];
  }
}
