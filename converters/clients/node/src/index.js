// SPDX-License-Identifier: BSD-3-Clause
// Verify a signed model and run it with onnxruntime-node.
import { blake3 } from '@noble/hashes/blake3.js';
import './no-record.js'; // before the engine
import * as ort from 'onnxruntime-node';
import { gathered } from './files.js';
import { Model } from './model.js';

const OPTIONS = { executionProviders: ['cpu'], logSeverityLevel: 3 };

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
