// SPDX-License-Identifier: BSD-3-Clause
// Rows as people write them, JSON or CSV, as rows of the model.
import { SafeSerialError } from './client/src/errors.js';
import { csvCells } from './csv.js';
import { COLUMNS } from './record.js';

function wrong(message, hint) {
  return new SafeSerialError('rows', message, hint);
}

/** Return the rows of a text: a JSON list of records, or CSV whose first line names the columns. */
export function rowsOf(text) {
  if (!/^\ufeff?\s*\[/.test(text)) return csvRows(text);
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    throw wrong('the rows are not JSON', 'give a JSON list of records, or CSV');
  }
}

function csvRows(text) {
  const [names, ...lines] = csvCells(text);
  if (!lines.length) throw wrong('the CSV has no rows', 'its first line names the columns');
  lines.forEach((line, row) => {
    if (line.length !== names.length) {
      throw wrong(`row ${row}: ${line.length} cells, not ${names.length}`, 'quote cells with commas');
    }
  });
  if (COLUMNS.length === 1 && COLUMNS[0].width !== 1) {
    const [one] = COLUMNS;
    return lines.map((line, row) => ({ [one.column]: line.map((cell) => valueOf(cell, one, row)) }));
  }
  const places = COLUMNS.map((one) => {
    const place = names.indexOf(one.column);
    if (place < 0) throw wrong(`the CSV has no column ${one.column}`, 'its first line names the columns');
    if (names.lastIndexOf(one.column) !== place) {
      throw wrong(`the CSV has the column ${one.column} twice`, 'each column once');
    }
    return place;
  });
  return lines.map((line, row) => Object.fromEntries(
    COLUMNS.map((one, at) => [one.column, valueOf(line[places[at]], one, row)]),
  ));
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

function valueOf(cell, { column, type, optional }, row) {
  const what = `row ${row}: column ${column}`;
  if (cell === '' && optional) return null;
  if (type === 'string') return cell;
  const text = cell.trim();
  if (type === 'bool') {
    if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
    throw wrong(`${what} is to be true or false`, 'bools have no missing values');
  }
  if (type.startsWith('int')) {
    if (/^[+-]?\d{1,18}$/.test(text)) return BigInt(text);
    throw wrong(`${what} is to be an integer`, 'integers have no missing values');
  }
  if (/^[+-]?(nan|inf(inity)?)$/i.test(text)) {
    return /nan/i.test(text) ? NaN : text.startsWith('-') ? -Infinity : Infinity;
  }
  if (NUMBER.test(text)) return Number(text);
  throw wrong(`${what} is to be a number`, 'write it as 1.5, or leave it empty');
}
