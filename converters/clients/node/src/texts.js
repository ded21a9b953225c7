// SPDX-License-Identifier: BSD-3-Clause
// Base64, hex and JSON, each in the one form that the specification allows.
import { need } from './errors.js';

const MOST_VALUES = 2 ** 19;

/** Return the bytes of a text. */
export const utf8 = (text) => new TextEncoder().encode(text);

/** Return bytes as lowercase hex digits. */
export const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, '0')).join('');

/** Return the bytes of hex digits. */
export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (one) => parseInt(one, 16));

/** Return several byte arrays as one. */
export function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    out.set(one, at);
    at += one.length;
  }
  return out;
}

/** Say whether two byte arrays are equal; for public bytes only. */
export const equal = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);

function toBase64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/** Read base64: the standard alphabet, padded, no spare bits, no white space, at least a byte. */
export function fromBase64(text, what) {
  need(typeof text === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(text), `${what} is not base64`);
  let found;
  try {
    found = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  } catch {
    found = new Uint8Array();
  }
  need(found.length > 0 && toBase64(found) === text, `${what} is not base64 as it should be`);
  return found;
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const SKEW = 300_000; // milliseconds by which clocks may differ

/** Require a date of the calendar that is not in the future. */
export function needMoment(text, what) {
  const right = typeof text === 'string' && MOMENT.test(text) && text >= '0001';
  const at = right ? Date.parse(text) : NaN;
  // A 31st of February is a date to some engines: the day after.
  const same = !Number.isNaN(at) && new Date(at).toISOString() === text.replace('Z', '.000Z');
  need(same && at <= Date.now() + SKEW, `${what} is wrong or in the future`);
}

/** Read JSON in which no object has a key twice. */
export function strictJson(bytes, what, levels = 32) {
  let text;
  let value;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    need((text.match(/[,[{]/g) ?? []).length <= MOST_VALUES, `${what} has too many values`);
    value = JSON.parse(text);
  } catch (error) {
    if (error.code === 'format') throw error;
    need(false, `${what} is not JSON`);
  }
  // An object keeps one of two equal keys: then the tree has fewer keys than the text.
  let keys = 0;
  for (const one of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)/g)) keys += one[1] === ':' ? 1 : 0;
  need(keys === countKeys(value, levels, what), `${what} has a key twice`);
  return value;
}

function countKeys(value, levels, what) {
  need(levels >= 0, `${what} is nested too deep`);
  if (typeof value === 'string') need(value.isWellFormed(), `${what} has half a character`);
  if (value === null || typeof value !== 'object') return 0;
  let found = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const one of Object.values(value)) found += countKeys(one, levels - 1, what);
  return found;
}

/** Read JSON that has exactly one spelling (section 4 of the format's specification). */
export function canonicalJson(bytes, what) {
  const value = strictJson(bytes, what);
  need(equal(utf8(spelled(value, what)), bytes), `${what} is not in canonical form`);
  return value;
}

function spelled(value, what) {
  if (Array.isArray(value)) return `[${value.map((one) => spelled(one, what)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${quoted(key)}:${spelled(value[key], what)}`).join(',')}}`;
  }
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') {
    need(Number.isSafeInteger(value) && !Object.is(value, -0), `${what} has a number of another form`);
  }
  return String(value);
}

function quoted(text) {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Return an object that has the needed fields, perhaps the optional ones, and no others. */
export function fields(value, what, needed, optional = []) {
  const found = value !== null && typeof value === 'object' && !Array.isArray(value);
  need(found, `${what} is no object`);
  for (const key of needed) need(Object.hasOwn(value, key), `${what} has no ${key}`);
  for (const key of Object.keys(value)) {
    need(needed.includes(key) || optional.includes(key), `${what} has an unknown field`);
  }
  return value;
}
