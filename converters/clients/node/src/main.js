#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
// The command: verify a model, answer the rows on standard input (a JSON list of records).
import { parseArgs } from 'node:util';
import { SafeSerialError, openModel } from './index.js';

const USAGE = 'safeserial-onnx MODEL --key KEYFILE [--signature FILE] [--show] < rows.json';

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      key: { type: 'string', multiple: true, default: [] },
      signature: { type: 'string' },
      show: { type: 'boolean', default: false },
    },
  });
  if (positionals.length !== 1) throw new SafeSerialError('usage', 'name one model', USAGE);
  const [model] = positionals;
  const opened = await openModel({ model, signature: values.signature, keyFiles: values.key });
  if (values.show) {
    const { signers, name, version, created, metadata, classes, inputs, outputs } = opened;
    return { signers, name, version, created, metadata, classes, inputs, outputs };
  }
  let records;
  try {
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    records = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new SafeSerialError('rows', 'standard input is not JSON', 'give a list of records');
  }
  return opened.predict(records);
}

try {
  console.log(JSON.stringify(await main(), (_, one) => (typeof one === 'bigint' ? `${one}` : one)));
} catch (error) {
  const usage = error.code?.startsWith?.('ERR_PARSE_ARGS') || error.code === 'usage';
  if (!usage && !(error instanceof SafeSerialError)) throw error;
  console.error(`error: ${error.message}\nhint: ${error.hint ?? USAGE}`);
  process.exitCode = usage ? 2 : 1;
}
