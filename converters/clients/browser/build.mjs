// SPDX-License-Identifier: BSD-3-Clause
// Put the page together as one static folder: node build.mjs FOLDER (after `npm ci` in ../node).
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const [target = 'dist', packages = join(import.meta.dirname, '..', 'node', 'node_modules')] = process.argv.slice(2);
const copy = (from, names, to) => {
  mkdirSync(join(target, to), { recursive: true });
  for (const name of names) cpSync(join(from, name), join(target, to, name));
};
copy(import.meta.dirname, ['index.html', 'page.css', 'page.js', 'csv.js'], '.');
copy(join(import.meta.dirname, '..', 'node', 'src'),
  ['artifact.js', 'bundle.js', 'errors.js', 'keys.js', 'model.js', 'rows.js', 'texts.js', 'verify.js'], 'src');
copy(join(packages, '@noble', 'hashes'),
  ['_blake.js', '_md.js', '_u64.js', 'blake2.js', 'blake3.js', 'utils.js', 'LICENSE'], 'noble');
copy(join(packages, 'onnxruntime-web', 'dist'),
  ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm'], 'ort');
