// SPDX-License-Identifier: BSD-3-Clause
// The program: node main.js [--key FILE] [ROWS] answers rows of a file or of standard input.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SafeSerialError, open } from './index.js';
import { rowsOf } from './rows.js';

const USAGE = 'node main.js [--key FILE] [ROWS]';
const MOST = 2 ** 29;

class Misuse extends Error {}

function ordered() {
  let found;
  try {
    found = parseArgs({ allowPositionals: true, options: { key: { type: 'string' } } });
  } catch (error) {
    throw new Misuse(error.message);
  }
  if (found.positionals.length > 1) throw new Misuse('name one file of rows');
  return { keyFile: found.values.key, place: found.positionals[0] };
}

async function textOf(place) {
  const chunks = [];
  let size = 0;
  if (place !== undefined) {
    try {
      chunks.push(await readFile(place));
    } catch (error) {
      throw new Misuse(`cannot read ${place}: ${error.code}`);
    }
  } else {
    for await (const chunk of process.stdin) {
      size += chunk.length;
      if (size > MOST) break;
      chunks.push(chunk);
    }
  }
  if (size > MOST || chunks[0]?.length > MOST) {
    throw new SafeSerialError('rows', 'there are too many rows', 'give them in parts');
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function main() {
  const { keyFile, place } = ordered();
  const model = await open({ keyFile });
  const answers = await model.predictRows(rowsOf(await textOf(place)));
  return JSON.stringify(answers, (_, one) => (typeof one === 'bigint' ? `${one}` : one));
}

try {
  console.log(await main());
} catch (error) {
  const misused = error instanceof Misuse;
  if (!misused && !(error instanceof SafeSerialError)) throw error;
  console.error(`error: ${error.message}\nhint: ${error.hint ?? USAGE}`);
  process.exitCode = misused ? 2 : 1;
}
