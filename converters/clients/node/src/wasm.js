// SPDX-License-Identifier: BSD-3-Clause
// Verify a signed model and run it with onnxruntime-web/wasm.
import { blake3 } from '@noble/hashes/blake3.js';
import * as ort from 'onnxruntime-web/wasm';
import { gathered } from './files.js';
import { Model } from './model.js';

ort.env.wasm.numThreads = 1;
const OPTIONS = { executionProviders: ['wasm'], logSeverityLevel: 3 };

/**
 * Verify a model, then load it.
 * @param {OpenOptions} given
 * @returns {Promise<Model>}
 */
export async function openModel(given) {
  const { data, signed, keys } = await gathered(given);
  return Model.open(ort, OPTIONS, data, signed, keys, blake3);
}

export { readKey } from './keys.js';
export { SafeSerialError } from './errors.js';
export { Model };
