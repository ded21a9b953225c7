// SPDX-License-Identifier: BSD-3-Clause
// Put the page together as one static folder: node build.mjs FOLDER (after `npm ci` in ../node).
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;
const [target = 'dist', modules = join(here, '..', 'node', 'node_modules')] = process.argv.slice(2);
const { page, client, packages } = JSON.parse(readFileSync(join(here, 'page.json'), 'utf8'));
const copy = (from, names, to) => {
  mkdirSync(join(target, to), { recursive: true });
  for (const name of names) cpSync(join(from, name), join(target, to, name));
};
copy(here, page, '.');
copy(join(here, '..', 'node', 'src'), client, 'src');
for (const [name, one] of Object.entries(packages)) copy(join(modules, name, one.from), one.files, one.into);
