// SPDX-License-Identifier: BSD-3-Clause
// Every vector, in both engines: what must be refused is, the rest answers as scikit-learn does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { classesOf, metadataOf } from '../src/onnx.js';
import { verify, readKey, SafeSerialError } from '../src/verify.js';
import { blake3 } from '@noble/hashes/blake3.js';

const folder = process.env.SAFESERIAL_VECTORS ?? join(import.meta.dirname, '..', '..', 'vectors');
const place = (name) => join(folder, name);
const json = (name) => JSON.parse(readFileSync(place(name), 'utf8'));
const cases = json('cases.json');
const engines = { native: '../src/index.js', wasm: '../src/wasm.js' };

test('there are cases of both kinds', () => {
  assert.ok(cases.filter((one) => one.accept).length >= 12);
  assert.ok(cases.filter((one) => !one.accept).length >= 70);
});

for (const one of cases) {
  test(one.name, async () => {
    const key = await readKey(readFileSync(place(one.key), 'utf8'));
    const data = new Uint8Array(readFileSync(place(one.model)));
    const signature = one.signature && new Uint8Array(readFileSync(place(one.signature)));
    const verified = verify(data, signature ?? undefined, [key], blake3);
    if (one.accept) {
      const { said } = await verified;
      assert.deepEqual(said.signers, [key.id]);
      assert.equal(said.version, '1.0');
      assert.deepEqual({ ...said.metadata }, one.needs ? {} : { team: 'vectors' });
      return;
    }
    await assert.rejects(verified, (error) => {
      assert.ok(error instanceof SafeSerialError, error.stack);
      assert.ok(error.hint && error.message);
      return true;
    });
  });
}

function recordsOf(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, row) =>
    Object.fromEntries(names.map((name) => [name, columns[name][row]])),
  );
}

for (const [engine, module] of Object.entries(engines)) {
  for (const name of ['mixed', 'forest', 'text']) {
    test(`500 rows of ${name}, ${engine}`, async () => {
      const { openModel } = await import(module);
      const model = await openModel({
        model: place(`${name}/model.onnx`),
        signature: place(`signed/${name}.p256.sig`),
        keyFiles: [place('keys/p256.pem')],
      });
      const records = recordsOf(json(`${name}/rows.json`));
      const expected = json(`${name}/expected.json`);
      const answers = await model.predict(records);
      assert.equal(answers.length, 500);
      let [wrong, off] = [0, 0];
      answers.forEach((answer, row) => {
        if (answer.label !== expected.labels[row]) wrong += 1;
        assert.equal(answer.probabilities.length, expected.classes.length);
        answer.probabilities.forEach((value, at) => {
          assert.ok(Number.isFinite(value));
          off = Math.max(off, Math.abs(value - expected.probabilities[row][at]));
        });
      });
      console.log(`# ${name} ${engine}: ${wrong} labels differ, probabilities by ${off}`);
      assert.equal(wrong, 0);
      assert.ok(off <= 1e-6, `${off}`);
      await model.close();
    });
  }
}

test('a model tells its classes and columns, and bytes that are none tell nothing', () => {
  const data = new Uint8Array(readFileSync(place('mixed/model.onnx')));
  assert.deepEqual(classesOf(data), json('mixed/expected.json').classes);
  assert.match(metadataOf(data).get('safeserial.contract'), /"layout": "frame"/);
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state;
  };
  for (let turn = 0; turn < 500; turn += 1) {
    const broken = data.slice(turn % 2 ? 0 : random() % data.length, random() % data.length);
    for (let edit = 0; edit < 8; edit += 1) broken[random() % (broken.length || 1)] = random() % 256;
    const classes = classesOf(broken);
    assert.ok(classes === undefined || Array.isArray(classes));
  }
  assert.equal(classesOf(new Uint8Array([0x72, 0xff])), undefined);
});
