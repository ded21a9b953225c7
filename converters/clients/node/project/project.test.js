// SPDX-License-Identifier: BSD-3-Clause
// The model answers as when this project was made, from JSON and CSV, and a changed one is refused.
// A model signed with a shared secret is tested with SAFESERIAL_KEY_FILE=secret.key npm test
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SafeSerialError, openModel } from '../client/src/index.js';
import { open } from '../index.js';
import { COLUMNS } from '../record.js';
import { rowsOf } from '../rows.js';

const place = (name) => new URL(`../${name}`, import.meta.url);
const text = (name) => readFileSync(place(name), 'utf8');
const bytes = (name) => {
  try {
    return new Uint8Array(readFileSync(place(name)));
  } catch {
    return undefined;
  }
};
const keyFile = process.env.SAFESERIAL_KEY_FILE;
const skip = !keyFile && !bytes('key.pem') && 'SAFESERIAL_KEY_FILE names no key';
const answers = JSON.parse(text('answers.json'));

function same(found, wanted) {
  if (Array.isArray(wanted)) {
    assert.equal(found.length, wanted.length);
    wanted.forEach((one, at) => same(found[at], one));
  } else if (typeof wanted === 'number') {
    const off = Math.abs(Number(found) - wanted);
    assert.ok(off <= 1e-6 * Math.max(1, Math.abs(wanted)), `${found} is not ${wanted}`);
  } else assert.equal(found, wanted);
}

function agree(found) {
  assert.equal(found.length, answers.length);
  answers.forEach((wanted, row) => {
    assert.deepEqual(Object.keys(found[row]).sort(), Object.keys(wanted).sort());
    for (const [name, value] of Object.entries(wanted)) same(found[row][name], value);
  });
}

test('rows are answered as when the project was made', { skip: skip || !answers.length }, async () => {
  const model = await open({ keyFile });
  agree(await model.predictRows(rowsOf(text('rows.json'))));
  agree(await model.predictRows(rowsOf(text('rows.csv'))));
  const records = JSON.parse(text('rows.json')).map((row) =>
    Object.fromEntries(COLUMNS.map(({ field, column }) => [field, row[column]])),
  );
  agree(await model.predict(records));
  await model.close();
});

test('a changed model is refused', { skip }, async () => {
  const name = bytes('model.onnx') ? 'model.onnx' : 'model.safeserial';
  const changed = bytes(name);
  changed[changed.length >> 1] ^= 1;
  const key = keyFile ?? fileURLToPath(place('key.pem'));
  await assert.rejects(
    openModel({ model: changed, signature: bytes(`${name}.sig`), keyFiles: key }),
    (error) => error instanceof SafeSerialError,
  );
});
