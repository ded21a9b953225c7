// SPDX-License-Identifier: BSD-3-Clause
// A signed artifact, `model.safeserial` (docs/spec/format-v1.md).  No ZIP structure is interpreted:
// what the manifest says the file must be is built and compared with what it is.
import { need } from './errors.js';
import { digest, signedBytes } from './keys.js';
import { canonicalJson, equal, fields, fromBase64, joined, needMoment, utf8 } from './texts.js';

const TYPE = 'application/vnd.safeserial.manifest.v1+json';
const [FIRST, ROOM, ALIGN, TOP] = [64, 16320, 64, 0xffffffff];
const SEGMENT = '[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?';
const PATH = new RegExp(`^payload(/${SEGMENT}){1,4}$`);
const NEEDED = ['created', 'environment', 'format', 'globals', 'members', 'model', 'options', 'schema'];

/** Say whether bytes begin as an artifact does. */
export const looksLikeArtifact = (data) => equal(data.slice(0, 4), [0x50, 0x4b, 3, 4]);

/** Verify an artifact with an ONNX payload; return the model's bytes and what its signers say. */
export async function verifyArtifact(data, keys, blake3) {
  const front = data.slice(FIRST, FIRST + ROOM);
  need(front.length === ROOM, 'the file is too short');
  const first = localHeader('signatures.json', ROOM, crc32(front), 0);
  need(equal(data.slice(0, FIRST), first), 'the file does not begin as an artifact');
  const { size, signatures } = frontOf(front);
  const begin = FIRST + ROOM;
  const headed = localHeader('manifest.json', size, 0, begin).length;
  const body = data.slice(begin + headed, begin + headed + size);
  need(body.length === size, 'the file is too short');
  const signers = await signersOf(signatures, keys, signedBytes(TYPE, body));
  const manifest = manifestOf(body);

  const expected = [localHeader('manifest.json', size, crc32(body), begin)];
  const listed = [
    { path: 'signatures.json', size: ROOM, crc: crc32(front), at: 0 },
    { path: 'manifest.json', size, crc: crc32(body), at: begin },
  ];
  const member = manifest.members[0];
  const at = begin + headed + size;
  const header = localHeader(member.path, member.size, parseInt(member.crc32, 16), at);
  listed.push({ path: member.path, size: member.size, crc: parseInt(member.crc32, 16), at });
  const [from, to] = [at + header.length, at + header.length + member.size];
  need(equal(data.slice(begin, begin + headed), expected[0]), "the manifest's header is wrong");
  need(equal(data.slice(at, from), header), "a member's header is wrong");
  need(equal(data.slice(to), tail(listed, to)), 'the end of the file is not as it should be');
  const model = data.slice(from, to);
  const [algorithm, wanted] = member.digest.split(':');
  need((await digest(algorithm, model, blake3)) === wanted,
    'the model was changed after it was signed', 'digest', 'do not use this model');
  const { name, version, created, metadata } = manifest;
  return {
    data: model,
    said: {
      signers, name: name ?? '', version: version ?? '', created, metadata: metadata ?? {},
      classes: manifest.model.classes ?? undefined,
    },
  };
}

function frontOf(bytes) {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0x20) end -= 1;
  const front = canonicalJson(bytes.slice(0, end), 'signatures.json');
  fields(front, 'signatures.json', ['payloadSize', 'payloadType', 'signatures']);
  const { payloadSize: size, payloadType, signatures } = front;
  need(payloadType === TYPE, 'the artifact is of another version', 'unsupported');
  need(Number.isInteger(size) && size > 0 && size <= 16 * 2 ** 20, 'the manifest has another size');
  need(Array.isArray(signatures), 'the signatures are no list');
  need(signatures.length, 'the artifact is not signed', 'unsigned', 'ask the sender to sign it');
  need(signatures.length <= 32, 'there are too many signatures');
  for (const one of signatures) {
    fields(one, 'a signature', ['keyid', 'sig']);
    const named = typeof one.keyid === 'string' && /^[a-z0-9][a-z0-9._:-]{0,127}$/.test(one.keyid);
    need(named, 'the name of a key has another form');
    fromBase64(one.sig, 'a signature');
  }
  need(new Set(signatures.map((one) => one.keyid)).size === signatures.length, 'a key signed twice');
  return { size, signatures };
}

async function signersOf(signatures, keys, message) {
  const found = [];
  for (const { keyid, sig } of signatures) {
    const key = keys.find((one) => one.id === keyid);
    if (!key) continue;
    const fits = await key.verify(message, fromBase64(sig, 'a signature'), 'artifact-signature');
    need(fits, `the signature of ${keyid} is wrong`, 'bad-signature', 'do not use this model');
    found.push(keyid);
  }
  const named = signatures.map((one) => one.keyid).join(', ');
  need(found.length, `signed by ${named}, and none of your keys is that`, 'unknown-key',
    "get the sender's public key from the sender");
  return found;
}

function manifestOf(body) {
  const manifest = canonicalJson(body, 'the manifest');
  need(manifest?.schema === 'safeserial/manifest/v1', 'the manifest is of another version', 'unsupported');
  fields(manifest, 'the manifest', NEEDED, ['metadata', 'name', 'version']);
  need(manifest.format === 'onnx', `the artifact holds ${manifest.format}, not ONNX`, 'unsupported',
    'ask for it as ONNX: safeserial convert --to onnx');
  const { members, model, created } = manifest;
  need(Array.isArray(members) && members.length === 1, 'an ONNX artifact has one member');
  const member = fields(members[0], 'the member', ['path', 'size', 'digest', 'crc32']);
  need(PATH.test(member.path) && !member.path.includes('..'), 'the member has a wrong path');
  need(Number.isInteger(member.size) && member.size >= 0, 'the member has a wrong size');
  need(member.size < TOP, 'models of 4 GiB are not read here', 'unsupported');
  need(/^(blake3|sha256):[0-9a-f]{64}$/.test(member.digest), 'the member has a wrong digest');
  need(/^[0-9a-f]{8}$/.test(member.crc32), 'the member has a wrong CRC-32');
  const { options, environment, globals, metadata, name, version } = manifest;
  need(isObject(options) && isObject(metadata ?? {}), 'the manifest has other options or metadata');
  fields(environment, 'the environment', ['python', 'implementation', 'platform', 'packages']);
  const { packages, ...running } = environment;
  need(isObject(packages) && areTexts([...Object.values(running), ...Object.values(packages)]),
    'the environment holds what is no text');
  need(areTexts(globals), 'the globals are no list of texts');
  fields(model, 'the model', ['class_name'], ['n_features', 'feature_names', 'classes']);
  need(areTexts([model.class_name]) && areTexts(model.feature_names ?? []),
    'the model has names that are no texts');
  need(Number.isInteger(model.n_features ?? 0), 'the model has another number of features');
  const plain = (one) => ['string', 'boolean'].includes(typeof one) || Number.isInteger(one);
  need(Array.isArray(model.classes ?? []) && (model.classes ?? []).every(plain),
    'the model has other classes');
  need(areTexts([name ?? '', version ?? '']), 'the name or version is no text');
  needMoment(created, 'the date of the manifest');
  return manifest;
}

const isObject = (one) => one !== null && typeof one === 'object' && !Array.isArray(one);
const areTexts = (list) => Array.isArray(list) && list.every((one) => typeof one === 'string');

/** Write little-endian numbers: pairs of how many bytes and what. */
function packed(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [bytes, value] of pairs) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

function localHeader(path, size, crc, at) {
  const name = utf8(path);
  const bare = at + 30 + name.length + 6;
  const gap = (ALIGN - (bare % ALIGN)) % ALIGN;
  const fixed = packed([4, 0x04034b50], [2, 20], [2, 0], [2, 0], [2, 0], [2, 33], [4, crc],
    [4, size], [4, size], [2, name.length], [2, 6 + gap]);
  return joined(fixed, name, packed([2, 0xd935], [2, 2 + gap], [2, ALIGN]), new Uint8Array(gap));
}

function tail(listed, at) {
  const records = listed.map((one) => joined(
    packed([4, 0x02014b50], [2, 20], [2, 20], [2, 0], [2, 0], [2, 0], [2, 33], [4, one.crc],
      [4, one.size], [4, one.size], [2, one.path.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0],
      [4, one.at]),
    utf8(one.path),
  ));
  const directory = joined(...records);
  need(at + directory.length < TOP, 'models of 4 GiB are not read here', 'unsupported');
  return joined(directory, packed([4, 0x06054b50], [2, 0], [2, 0], [2, listed.length],
    [2, listed.length], [4, directory.length], [4, at], [2, 0]));
}

/** The check sum of ZIP, which protects nothing; it stands in headers that are compared. */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const one of bytes) {
    sum ^= one;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
