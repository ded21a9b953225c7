// SPDX-License-Identifier: BSD-3-Clause
// The page: files in, what the signer says and answers out.  Text from a model is only ever text.
import { csvRows } from './csv.js';
import { blake3 } from './noble/blake3.js';
import * as ort from './ort/ort.wasm.min.mjs';
import { Model } from './src/model.js';
import { readKey } from './src/verify.js';

const SHOWN = 1000;
const find = (name) => document.getElementById(name);
const files = { model: undefined, signature: undefined, key: undefined };
let model; // verified and loaded
let turn = 0;

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL('./ort/', import.meta.url).href;

function made(tag, text) {
  const one = document.createElement(tag);
  one.textContent = text;
  return one;
}

function tell(text, mood = '') {
  find('status').textContent = text;
  find('status').className = mood;
}

function refuse(error) {
  tell(error.hint ? `Refused: ${error.message}.\n${error.hint}` : `Failed: ${error.message}`, 'bad');
}

/** Verify what was given, as soon as there is a model and a key. */
async function look() {
  turn += 1;
  const mine = turn;
  for (const name of ['said', 'ask', 'answers']) find(name).hidden = true;
  model = undefined;
  if (files.model && !files.key) tell('Now give the public key of the sender.');
  if (!files.model || !files.key) return;
  tell('Verifying …');
  try {
    const bytes = async (file) => file && new Uint8Array(await file.arrayBuffer());
    const key = await readKey(await files.key.text());
    const [data, signature] = [await bytes(files.model), await bytes(files.signature)];
    const options = { executionProviders: ['wasm'], logSeverityLevel: 3 };
    const opened = await Model.open(ort, options, data, signature, [key], blake3);
    if (mine !== turn) return; // other files were chosen meanwhile
    model = opened;
    show();
  } catch (error) {
    if (mine === turn) refuse(error);
  }
}

function show() {
  tell('The signature is right.', 'good');
  const facts = {
    'Signed by': model.signers.join(', '), Name: model.name, Version: model.version,
    'Signed on': model.created, Classes: model.classes?.join(', '),
    Inputs: model.inputs.map((one) => `${one.name} (${one.type})`).join(', '),
    Outputs: model.outputs.join(', '),
  };
  for (const [key, value] of Object.entries(model.metadata)) {
    facts[`Metadata: ${key}`] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  const told = Object.entries(facts).filter(([, value]) => value);
  find('facts').replaceChildren(...told.flatMap(([key, value]) => [made('dt', key), made('dd', value)]));
  find('fields').replaceChildren(...model.inputs.map((input) => {
    const label = made('label', input.name);
    label.append(made('span', hintFor(input)));
    const field = document.createElement('input');
    field.type = 'text';
    field.name = input.name;
    label.append(field);
    return label;
  }));
  find('said').hidden = false;
  find('ask').hidden = false;
}

const wide = (input) => input.shape.length > 1 && Number(input.shape[1]) > 1;

function hintFor(input) {
  if (input.type === 'string') return 'text, empty if missing';
  return wide(input) ? `${input.shape[1]} numbers with commas` : 'number, empty if missing';
}

/** Return what a person wrote as a value of an input. */
function valueOf(text, input) {
  if (input.type === 'string') return text === '' ? null : text;
  const one = (part) => {
    if (part.trim() === '') return null;
    if (input.type === 'bool') return part.trim().toLowerCase() === 'true';
    const number = Number(part);
    if (!Number.isNaN(number) || part.trim().toLowerCase() === 'nan') return number;
    throw Object.assign(new Error(`${input.name}: “${part}” is no number`), { hint: 'Write it as 1.5' });
  };
  return wide(input) ? text.split(',').map(one) : one(text);
}

/** A model of a bare array: each column of a CSV is a number of its one input. */
const isBare = () => model.inputs.length === 1 && wide(model.inputs[0]);
const joined = (row) => row.map(([, text]) => text).join(',');

/** Answer rows: each a list of pairs, column name and text. */
async function answer(rows) {
  const mine = turn;
  try {
    const records = rows.map((row) => {
      const cells = new Map(row);
      return Object.fromEntries(
        model.inputs.filter((one) => cells.has(one.name) || isBare())
          .map((one) => [one.name, valueOf(cells.get(one.name) ?? joined(row), one)]),
      );
    });
    const answers = await model.predict(records);
    if (mine === turn) list(answers);
  } catch (error) {
    refuse(error);
  }
}

function list(answers) {
  const names = Object.keys(answers[0]);
  const classes = model.classes ?? [];
  // A column a class where we know which is which.
  const isApart = (name) => name === 'probabilities' && answers[0][name].length === classes.length;
  const written = (value) => (Array.isArray(value) ? value.map((one) => round(one)).join('  ') : `${round(value)}`);
  const filled = (tag, first, cellsOf) => {
    const line = document.createElement('tr');
    line.append(...[first, ...names.flatMap(cellsOf)].map((text) => made(tag, text)));
    return line;
  };
  const head = filled('th', 'row', (name) => (isApart(name) ? classes.map((one) => `P(${one})`) : [name]));
  const lines = answers.slice(0, SHOWN).map((one, row) => filled('td', `${row + 1}`,
    (name) => (isApart(name) ? one[name].map(written) : [written(one[name])])));
  find('answers').querySelector('thead').replaceChildren(head);
  find('answers').querySelector('tbody').replaceChildren(...lines);
  find('answers').hidden = false;
  const more = answers.length > SHOWN ? `, the first ${SHOWN} shown` : '';
  tell(`The signature is right. ${answers.length} ${answers.length > 1 ? 'rows' : 'row'} answered${more}.`, 'good');
}

const round = (value) => (typeof value === 'number' ? Number(value.toPrecision(7)) : value);

function take(file) {
  const name = file.name.toLowerCase();
  const kind = name.endsWith('.sig') ? 'signature' : /\.(pem|txt)$/.test(name) ? 'key' : 'model';
  files[kind] = file;
  const shown = new DataTransfer(); // so that the field tells its name
  shown.items.add(file);
  find(kind).files = shown.files;
}

for (const kind of Object.keys(files)) {
  find(kind).addEventListener('change', (event) => {
    files[kind] = event.target.files[0];
    look();
  });
}
find('row').addEventListener('submit', (event) => {
  event.preventDefault();
  answer([[...new FormData(event.target)]]);
});
find('csv').addEventListener('change', (event) => answerCsv(event.target.files[0]));

async function answerCsv(file) {
  if (!file) return;
  if (!model) {
    tell('Rows are answered when there are a model and a key.');
    return;
  }
  try {
    await answer(csvRows(await file.text()));
  } catch (error) {
    refuse(error);
  }
}

/** Take what `safeserial show` hands out; it opens the page as `?given`. */
async function takeGiven() {
  for (const kind of Object.keys(files)) {
    const found = await fetch(`given/${kind}`);
    if (found.status === 200) files[kind] ??= await found.blob();
  }
  look();
}

if (location.search === '?given') takeGiven().catch(refuse);

addEventListener('dragover', (event) => {
  event.preventDefault();
  find('drop').classList.add('over');
});
addEventListener('dragleave', () => find('drop').classList.remove('over'));
addEventListener('drop', async (event) => {
  event.preventDefault();
  find('drop').classList.remove('over');
  const dropped = [...event.dataTransfer.files];
  const isCsv = (file) => file.name.toLowerCase().endsWith('.csv');
  const others = dropped.filter((file) => !isCsv(file));
  others.forEach(take);
  if (others.length) await look();
  if (model || !others.length) answerCsv(dropped.find(isCsv));
});
