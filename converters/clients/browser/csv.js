// SPDX-License-Identifier: BSD-3-Clause
// CSV as RFC 4180 has it: the first line names the columns.

/** Return the lines of a CSV text, each a list of texts; lines without a character are none. */
export function csvCells(text) {
  const lines = [];
  let [cells, cell, quoted, begun] = [[], '', false, false];
  const endCell = () => {
    cells.push(cell);
    cell = '';
  };
  const endLine = () => {
    if (begun) {
      endCell();
      lines.push(cells);
    }
    [cells, begun] = [[], false];
  };
  for (let at = text.startsWith('\ufeff') ? 1 : 0; at < text.length; at += 1) {
    const one = text[at];
    if (!quoted && (one === '\n' || one === '\r')) {
      endLine(); // of \r\n the second ends a line without a character
      continue;
    }
    begun = true;
    if (quoted) {
      if (one !== '"') cell += one;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (one === '"' && cell === '') quoted = true;
    else if (one === ',') endCell();
    else cell += one;
  }
  endLine();
  return lines;
}

function wrong(message, hint) {
  return Object.assign(new Error(message), { hint });
}

/** Return the rows of a CSV text: pairs of column name and text, in the columns' order. */
export function csvRows(text) {
  const [names, ...rows] = csvCells(text);
  if (!names || !rows.length) throw wrong('the CSV has no rows', 'The first line names the columns');
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw wrong(`the CSV has the column “${twice}” twice`, 'Each column once');
  const odd = rows.findIndex((row) => row.length !== names.length);
  if (odd >= 0) {
    throw wrong(`row ${odd + 1} of the CSV has ${rows[odd].length} cells, not ${names.length}`, 'Quote cells with commas');
  }
  return rows.map((row) => names.map((name, index) => [name, row[index]]));
}
