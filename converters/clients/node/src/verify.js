// SPDX-License-Identifier: BSD-3-Clause
// Verify a model, whichever way it is signed.  Runs in Node and in browsers; loads no engine.
import { looksLikeArtifact, verifyArtifact } from './artifact.js';
import { verifyBeside } from './bundle.js';
import { need } from './errors.js';
import { checkModel, classesOf } from './onnx.js';

/**
 * Verify a model's bytes.
 * @param {Uint8Array} given the `.onnx` or `.safeserial` file
 * @param {Uint8Array | undefined} signature the `.sig` file of an `.onnx` file
 * @param {Key[]} keys whom you trust
 * @param {(data: Uint8Array) => Uint8Array} [blake3]
 * @returns the ONNX bytes that were verified, and what the signers say
 */
export async function verify(given, signature, keys, blake3) {
  need(given instanceof Uint8Array, 'the model is to be given as bytes', 'format');
  need(Array.isArray(keys) && keys.length, 'no key was given', 'key', "give the sender's public key");
  const data = given.slice(); // nobody can change it between the check and the use
  let found;
  if (looksLikeArtifact(data)) {
    found = await verifyArtifact(data, keys, blake3);
  } else {
    need(signature, 'the model comes without a signature', 'unsigned',
      'the sender signs it with: safeserial sign model.onnx');
    found = { data, said: await verifyBeside(data, signature.slice(), keys, blake3) };
  }
  checkModel(found.data);
  found.said.classes ??= classesOf(found.data);
  return found;
}

export { readKey } from './keys.js';
export { SafeSerialError } from './errors.js';
