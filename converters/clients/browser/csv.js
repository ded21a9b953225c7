// SPDX-License-Identifier: BSD-3-Clause
// CSV as RFC 4180 has it: the first line names the columns.

/** Return the rows of a CSV text: column name to text. */
export function csvRows(text) {
  const lines = [[]];
  let [cell, quoted, at] = ['', false, text.startsWith('\ufeff') ? 1 : 0];
  const endCell = () => {
    lines.at(-1).push(cell);
    cell = '';
  };
  for (; at < text.length; at += 1) {
    const one = text[at];
    if (quoted) {
      if (one !== '"') cell += one;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (one === '"' && cell === '') quoted = true;
    else if (one === ',') endCell();
    else if (one === '\n') {
      endCell();
      lines.push([]);
    } else if (one !== '\r') cell += one;
  }
  if (cell !== '' || lines.at(-1).length) endCell();
  const [names, ...rows] = lines.filter((line) => line.length > 1 || line[0]);
  if (!names || !rows.length) throw Object.assign(new Error('the CSV has no rows'), { hint: 'The first line names the columns' });
  return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? ''])));
}
