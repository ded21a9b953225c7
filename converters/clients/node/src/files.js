// SPDX-License-Identifier: BSD-3-Clause
// What a caller names, as bytes: files are read once, and not without bound.
import { open } from 'node:fs/promises';
import { SafeSerialError, need } from './errors.js';
import { readKey } from './keys.js';

const MOST = 2 ** 31 - 1;

/** Return the content of a file, or undefined if it may be missing and is. */
export async function content(place, optional = false) {
  if (place instanceof Uint8Array) return place;
  let handle;
  try {
    handle = await open(place, 'r');
    const { size } = await handle.stat();
    need(size <= MOST, `${place} is too large`);
    return new Uint8Array(await handle.readFile());
  } catch (error) {
    if (error.code === 'ENOENT' && optional) return undefined;
    if (error instanceof SafeSerialError) throw error;
    throw new SafeSerialError('format', `cannot read ${place}: ${error.code}`, 'look at the path');
  } finally {
    await handle?.close();
  }
}

/** Return model, signature and keys of what a caller named. */
export async function gathered({ model, signature, keys = [], keyFiles = [] }) {
  const data = await content(model);
  const beside = signature ?? (typeof model === 'string' ? `${model}.sig` : undefined);
  const signed = beside && (await content(beside, signature === undefined));
  const files = await Promise.all([keyFiles].flat().map((one) => content(one)));
  const read = files.map((one) => readKey(new TextDecoder().decode(one)));
  return { data, signed, keys: [...keys, ...(await Promise.all(read))] };
}
