// SPDX-License-Identifier: BSD-3-Clause
// A model with its signature in a file beside it (docs/spec/detached-v1.md).
import { need } from './errors.js';
import { digest, signedBytes } from './keys.js';
import { fields, fromBase64, fromHex, hex, joined, needMoment, strictJson } from './texts.js';

const SIGSTORE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const OURS = 'application/vnd.safeserial.bundle.v1+json';
const STATEMENT_TYPE = 'application/vnd.in-toto+json';
const FACTS = 'safeserial/v1';
const LEVELS = 16;
const LONGEST_FACT = 256;
const KEY_NAME = /^[\x21-\x7e]{1,256}$/;

/** Verify a model against the content of its signature file; return what its signers say. */
export async function verifyBeside(data, signature, keys, blake3) {
  need(signature.length <= 64 * 2 ** 20, 'the signature file is too long');
  const bundles = split(signature);
  const seen = new Set(bundles.map((one) => `${hex(one.payload)} ${hex(one.value)}`));
  need(seen.size === bundles.length, 'the signature file has the same signature twice');
  const found = new Map();
  for (const bundle of bundles) {
    const message = signedBytes(STATEMENT_TYPE, bundle.payload);
    const key = await keyOf(bundle, keys, message);
    if (!key) continue;
    need(!found.has(key.id), 'two signatures are of one key');
    const fits = await key.verify(message, bundle.value, 'detached-signature');
    need(fits, `the signature of ${key.id} is wrong`, 'bad-signature', 'do not use this model');
    found.set(key.id, await read(bundle));
  }
  const named = bundles.map((one) => one.keyid || one.hint || 'a key without a name').join(', ');
  need(found.size, `signed by ${named}, and none of your keys is that`, 'unknown-key',
    "get the sender's public key from the sender");
  const said = [...found.values()];
  for (const one of said) {
    need((await digest(one.algorithm, data, blake3)) === one.digest,
      'the model was changed after it was signed', 'digest', 'do not use this model');
    need(one.size === undefined || one.size === data.length, 'the model has another size', 'digest');
    const same = one.name === said[0].name && one.version === said[0].version;
    need(same, 'the signers call the model by different names', 'bad-signature');
  }
  const { name, version, created, metadata } = said[0];
  return { signers: [...found.keys()], name, version, created, metadata };
}

function split(data) {
  const text = new TextDecoder('utf-8').decode(data).trim();
  need(text, 'the signature file is empty', 'unsigned', 'ask the sender to sign the model');
  let lines = text.split(/\r\n|\n|\r/);
  need(lines.length <= 4096, 'the signature file has too many lines');
  if (!lines.every((line) => line.startsWith('{') && line.trimEnd().endsWith('}'))) lines = [text];
  need(lines.length <= 32, 'there are too many signatures');
  return lines.map(bundleOf);
}

function bundleOf(line) {
  const top = strictJson(new TextEncoder().encode(line), 'the signature file', LEVELS);
  fields(top, 'the bundle', ['mediaType', 'verificationMaterial', 'dsseEnvelope']);
  need([SIGSTORE, OURS].includes(top.mediaType), 'unknown kind of signature', 'unsupported');
  const envelope = fields(top.dsseEnvelope, 'the envelope', ['payload', 'payloadType', 'signatures']);
  need(envelope.payloadType === STATEMENT_TYPE, 'unknown type of signed content', 'unsupported');
  need(Array.isArray(envelope.signatures), 'the signatures are no list');
  need(envelope.signatures.length > 0, 'the bundle carries no signature', 'unsigned',
    'ask the sender to sign the model');
  need(envelope.signatures.length === 1, 'the bundle carries more than one signature');
  const one = fields(envelope.signatures[0], 'the signature', ['sig'], ['keyid']);
  const value = fromBase64(one.sig, 'the signature');
  need(value.length <= 8192, 'the signature is too long');
  const material = fields(top.verificationMaterial, 'verificationMaterial', [],
    ['publicKey', 'tlogEntries', 'x509CertificateChain']);
  const entries = material.tlogEntries ?? [];
  need(Array.isArray(entries) && !entries.length, 'keyless signatures are not read here', 'unsupported');
  const byKey = Object.hasOwn(material, 'publicKey');
  need(byKey !== Object.hasOwn(material, 'x509CertificateChain'), 'the bundle names no key');
  const key = byKey
    ? fields(material.publicKey, 'publicKey', [], ['hint', 'rawBytes', 'keyDetails', 'validFor'])
    : {};
  return {
    mediaType: top.mediaType,
    payload: fromBase64(envelope.payload, 'the statement'),
    value,
    keyid: nameOf(one.keyid),
    hint: nameOf(key.hint),
    byKey,
  };
}

function nameOf(value) {
  if (value === undefined || value === null || value === '') return '';
  need(typeof value === 'string' && KEY_NAME.test(value), 'the name of a key has another form');
  return value;
}

/** Find the key: what a bundle says only tells where to look. */
async function keyOf(bundle, keys, message) {
  if (!bundle.byKey) return undefined; // certificates: verified where roots can be given
  const mixed = 'the bundle is labelled as of another algorithm than its key';
  const byId = (id) => keys.find((one) => id && one.id === id);
  if (bundle.mediaType === OURS) {
    const one = !bundle.hint || !bundle.keyid || bundle.hint === bundle.keyid;
    need(one, 'the bundle names two keys');
    const key = byId(bundle.hint || bundle.keyid);
    need(!key?.isCurve, mixed, 'bad-signature', 'do not use this model');
    return key;
  }
  const named = byId(bundle.keyid) ?? byId(bundle.hint);
  need(!named || named.isCurve, mixed, 'bad-signature', 'do not use this model');
  const hinted = keys.find((one) => one.isCurve && one.hint === bundle.hint);
  if (bundle.hint) {
    need(!named || named === hinted, 'the bundle names two keys');
    need(!hinted || !bundle.keyid || bundle.keyid === hinted.id || !/^p\d+-/.test(bundle.keyid),
      'the bundle names two keys');
    return hinted;
  }
  if (named || bundle.keyid) return named;
  for (const key of keys) {
    if (key.isCurve && (await key.verify(message, bundle.value, 'detached-signature'))) return key;
  }
  return undefined;
}

async function rootOf(resources) {
  return digest('sha256', joined(...resources.map((one) => fromHex(one.digest))));
}

/** Read a statement whose signature is right. */
async function read(bundle) {
  const said = strictJson(bundle.payload, 'the statement', LEVELS);
  fields(said, 'the statement', ['_type', 'subject', 'predicateType', 'predicate']);
  const known =
    said._type === 'https://in-toto.io/Statement/v1' &&
    said.predicateType === 'https://model_signing/signature/v1.0';
  need(known, 'the statement is of another type', 'unsupported');
  const subject = said.subject?.[0];
  need(Array.isArray(said.subject) && said.subject.length === 1 && subject, 'there is no subject');
  const { resources, serialization } = fields(said.predicate, 'the predicate',
    ['resources', 'serialization']);
  fields(serialization, 'serialization', ['method', 'hash_type', 'allow_symlinks'], ['ignore_paths']);
  const { method, hash_type: algorithm, allow_symlinks: symlinks } = serialization;
  const algorithms = bundle.mediaType === OURS ? ['sha256', 'blake3'] : ['sha256'];
  const usual = method === 'files' && symlinks === false && algorithms.includes(algorithm);
  need(usual, 'the model is hashed in a way that is not read here', 'unsupported');
  const single = Array.isArray(resources) && resources.length === 1;
  need(single, 'the signature is one of a folder', 'unsupported', 'sign the .onnx file itself');
  const [file] = resources;
  const right = file !== null && file.algorithm === algorithm && typeof file.digest === 'string' &&
    /^[0-9a-f]{64}$/.test(file.digest);
  need(right, 'the digest of the model has another form');
  need(subject.digest?.sha256 === (await rootOf(resources)), 'the digest of the whole is wrong', 'digest');
  need(file.name === '.' || file.name === subject.name, 'the signature is one of a folder', 'unsupported');
  const facts = fields(subject.annotations?.[FACTS] ?? {}, 'what the signer says', [],
    ['created', 'name', 'version', 'metadata']);
  if (Object.hasOwn(facts, 'created')) needMoment(facts.created, 'the date of the statement');
  for (const key of ['name', 'version']) {
    const text = facts[key] ?? '';
    const fits = typeof text === 'string' && facts[key] !== null && text.length <= LONGEST_FACT;
    need(fits, `the ${key} of the model is no short text`);
  }
  const metadata = Object.hasOwn(facts, 'metadata') ? facts.metadata : {};
  const held = metadata !== null && typeof metadata === 'object' && !Array.isArray(metadata);
  need(held && Object.values(metadata).every((one) => typeof one === 'string'),
    'the metadata of the statement is not text to text');
  return {
    algorithm,
    digest: file.digest,
    size: file.annotations?.['safeserial/size'],
    name: facts.name ?? '',
    version: facts.version ?? '',
    created: facts.created ?? '',
    metadata,
  };
}

