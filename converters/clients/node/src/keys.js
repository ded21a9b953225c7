// SPDX-License-Identifier: BSD-3-Clause
// Keys, and whether a signature fits one.  The cryptography is the platform's own (Web Crypto).
import { SafeSerialError, need } from './errors.js';
import { fromBase64, fromHex, hex, joined, utf8 } from './texts.js';

const { subtle } = globalThis.crypto;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const PRIME = 2n ** 255n - 19n;
// The y of every point whose order divides 8: under such a key anybody can sign.
const WEAK = [
  0n, 1n, PRIME - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
];
const KINDS = [
  { label: 'ed25519', der: '302a300506032b6570032100', bytes: 32 },
  { label: 'p256', der: '3059301306072a8648ce3d020106082a8648ce3d030107034200', bytes: 65,
    curve: 'P-256', hash: 'SHA-256', size: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  { label: 'p384', der: '3076301006072a8648ce3d020106052b81040022036200', bytes: 97,
    curve: 'P-384', hash: 'SHA-384', size: 48,
    order: 2n ** 384n - 1388124618062372383947042015309946732620727252194336364173n },
  { label: 'p521', der: '30819b301006072a8648ce3d020106052b8104002303818600', bytes: 133,
    curve: 'P-521', hash: 'SHA-512', size: 66,
    order: 2n ** 521n - 657877501894328237357444332315020117536923257219387276263472201219398408051703n },
];
const HMAC_LINE = 'safeserial-hmac-sha256-v1:';
const NOT_A_KEY = 'give the PEM of a public key, or the one line of a shared secret';

const number = (bytes) => BigInt(`0x0${hex(bytes)}`);
const sha256 = async (bytes) => new Uint8Array(await subtle.digest('SHA-256', bytes));

/**
 * Read a public key (PEM: Ed25519, P-256, P-384, P-521) or a shared secret (one line).
 * @param {string} text
 * @returns {Promise<Key>}
 */
export async function readKey(text) {
  need(typeof text === 'string' && text.length <= 16384, 'that is no key', 'key', NOT_A_KEY);
  const line = text.trim();
  if (line.startsWith(HMAC_LINE)) return secretKey(line.slice(HMAC_LINE.length));
  const body = /^-----BEGIN PUBLIC KEY-----\r?\n([\s\S]+?)-----END PUBLIC KEY-----$/.exec(line);
  need(body, 'that is no public key in PEM', 'key', NOT_A_KEY);
  return publicKey(fromBase64(body[1].replace(/\s+/g, ''), 'the public key'));
}

async function publicKey(der) {
  const kind = KINDS.find(
    (one) => der.length === one.der.length / 2 + one.bytes && hex(der).startsWith(one.der),
  );
  need(kind, 'this kind of public key is not read here', 'key', 'Ed25519, P-256, P-384 or P-521');
  if (kind.label === 'ed25519') {
    const y = number(der.slice(-32).reverse()) & (2n ** 255n - 1n);
    need(y < PRIME && !WEAK.includes(y), 'under this key anybody can sign', 'key', NOT_A_KEY);
  }
  const algorithm = kind.curve ? { name: 'ECDSA', namedCurve: kind.curve } : { name: 'Ed25519' };
  let handle;
  try {
    handle = await subtle.importKey('spki', der, algorithm, false, ['verify']);
  } catch (error) {
    const hint = error.name === 'NotSupportedError' ? 'this engine is too old for it' : NOT_A_KEY;
    throw new SafeSerialError('key', 'the public key cannot be used', hint);
  }
  const id = `${kind.label}-${hex((await sha256(der)).slice(0, 16))}`;
  const hint = kind.curve ? hex(await sha256(utf8(pem(der)))) : id;
  const verify = kind.curve
    ? (message, value) => ecFits(kind, handle, message, value)
    : async (message, value) =>
        value.length === 64 &&
        number(value.slice(32).reverse()) < ORDER &&
        subtle.verify('Ed25519', handle, value, message);
  return Object.freeze({ id, hint, isCurve: Boolean(kind.curve), verify });
}

function pem(der) {
  const text = btoa(String.fromCharCode(...der)).replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`;
}

async function ecFits(kind, handle, message, value) {
  const pair = fromDer(value, kind.order);
  if (!pair) return false;
  const raw = pair.map((one) => fromHex(one.toString(16).padStart(2 * kind.size, '0')));
  return subtle.verify({ name: 'ECDSA', hash: kind.hash }, handle, joined(...raw), message);
}

/** Return r and s of a DER sequence, or nothing if it has another form or they are out of range. */
function fromDer(value, order) {
  const long = value[1] === 0x81;
  const start = long ? 3 : 2;
  const length = long ? value[2] : value[1];
  if (value[0] !== 0x30 || (long ? length < 128 : length > 127)) return undefined;
  if (value.length !== start + length) return undefined;
  const found = [];
  let at = start;
  for (let turn = 0; turn < 2; turn += 1) {
    const size = value[at + 1];
    const body = value.slice(at + 2, at + 2 + size);
    const minimal = body[0] < 128 && !(body[0] === 0 && body.length > 1 && body[1] < 128);
    if (value[at] !== 2 || !(size > 0) || body.length !== size || !minimal) return undefined;
    found.push(number(body));
    at += 2 + size;
  }
  const inRange = found.every((one) => one > 0n && one < order);
  return at === value.length && inRange ? found : undefined;
}

async function secretKey(text) {
  const secret = fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'), 'the shared secret');
  const strong = secret.length >= 32 && secret.length <= 1024 && new Set(secret).size >= 8;
  need(strong, 'the shared secret is too weak', 'key', 'make one with: safeserial keys new');
  const base = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const derive = async (purpose) => {
    const info = utf8(`safeserial/v1/${purpose}`);
    const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info };
    return new Uint8Array(await subtle.deriveBits(how, base, 256));
  };
  const id = `hmac-${hex((await derive('key-id')).slice(0, 16))}`;
  const verify = async (message, value, purpose) => {
    const how = { name: 'HMAC', hash: 'SHA-256' };
    const key = await subtle.importKey('raw', await derive(purpose), how, false, ['verify']);
    return subtle.verify('HMAC', key, value, message); // compares in constant time
  };
  return Object.freeze({ id, hint: id, isCurve: false, verify });
}

/** DSSE's pre-authentication encoding: what a signature is over. */
export function signedBytes(type, body) {
  return joined(utf8(`DSSEv1 ${utf8(type).length} ${type} ${body.length} `), body);
}

/** Hash bytes; BLAKE3 comes from @noble/hashes, which the caller hands in. */
export async function digest(algorithm, bytes, blake3) {
  if (algorithm === 'sha256') return hex(await sha256(bytes));
  need(blake3, 'the model is hashed with BLAKE3', 'unsupported', 'hand blake3 in, or sign with P-256');
  return hex(blake3(bytes));
}

