/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of CSV (RFC 4180): the first line names the columns, in any order; others do not count. */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "project.h"

typedef struct {
  char *text;         /* of all cells, each ended by a zero byte */
  const char **cells; /* of all lines, one behind the other */
  size_t *ends;       /* of each line: how many cells there are up to its end */
  size_t lines;
} csv_table;

static bool wrong(safeserial_error *error, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool wrong(safeserial_error *error, const char *hint, const char *format, ...) {
  if (!error) return false;
  va_list list;
  va_start(list, format);
  (void)vsnprintf(error->message, sizeof error->message, format, list);
  va_end(list);
  (void)snprintf(error->code, sizeof error->code, "rows");
  (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
  return false;
}

static bool memory(safeserial_error *error) {
  return wrong(error, "give them in parts", "there is not enough memory for the rows");
}

static void table_free(csv_table *table) {
  free(table->text);
  free(table->cells);
  free(table->ends);
}

/* Take the text apart; lines without a character are none. */
static bool parse(const char *text, size_t size, csv_table *out, safeserial_error *error) {
  size_t lines = 1, cells = 1, count = 0;
  for (size_t at = 0; at < size; at += 1) {
    lines += text[at] == '\n' || text[at] == '\r';
    cells += text[at] == '\n' || text[at] == '\r' || text[at] == ',';
  }
  *out = (csv_table){malloc(size + 2), malloc((cells + 1) * sizeof *out->cells),
                     malloc((lines + 1) * sizeof *out->ends), 0};
  if (!out->text || !out->cells || !out->ends) return memory(error);
  char *to = out->text, *cell = to;
  bool quoted = false, begun = false;
  for (size_t at = 0; at <= size; at += 1) {
    char one = at < size ? text[at] : '\n';
    bool line = (!quoted || at == size) && (one == '\n' || one == '\r');
    if (at < size && one == 0) return wrong(error, "save it as UTF-8", "the CSV has a zero byte");
    if (line && !begun) continue; /* of \r\n the second ends a line without a character */
    if (line || (!quoted && one == ',')) {
      *to++ = 0;
      out->cells[count++] = cell;
      cell = to;
      begun = !line;
      if (line) out->ends[out->lines++] = count;
      continue;
    }
    begun = true;
    if (quoted && one == '"' && at + 1 < size && text[at + 1] == '"') *to++ = text[at++];
    else if (quoted && one == '"') quoted = false;
    else if (one == '"' && to == cell) quoted = true;
    else *to++ = one;
  }
  json_t *whole = json_stringn(text, size); /* which it is only of UTF-8 */
  json_decref(whole);
  if (!whole) return wrong(error, "save it as UTF-8", "the CSV is not UTF-8");
  if (out->lines < 2)
    return wrong(error, "its first line names the columns", "the CSV has no rows");
  size_t width = out->ends[0];
  for (size_t row = 1; row < out->lines; row += 1) {
    size_t found = out->ends[row] - out->ends[row - 1];
    if (found != width) {
      return wrong(error, "quote cells with commas", "row %zu: %zu cells, not %zu", row - 1, found,
                   width);
    }
  }
  return true;
}

/* Say whether a text is a number as people write it: 1, -1.5, .5e3. */
static bool is_number(const char *text) {
  text += *text == '+' || *text == '-';
  size_t whole = strspn(text, "0123456789");
  text += whole;
  if (*text == '.') {
    size_t after = strspn(text + 1, "0123456789");
    whole += after;
    text += 1 + after;
  }
  if (whole == 0) return false;
  if (*text == 'e' || *text == 'E') {
    text += 1;
    text += *text == '+' || *text == '-';
    whole = strspn(text, "0123456789");
    text += whole;
  }
  return whole > 0 && *text == 0;
}

static bool same(const char *text, const char *word) {
  for (; *text && *word; text += 1, word += 1) {
    if (tolower((unsigned char)*text) != *word) return false;
  }
  return *text == *word;
}

/* Cut blanks off both ends of a cell. */
static const char *trimmed(const char *cell, char *room, size_t size) {
  size_t length = strlen(cell);
  while (length && isspace((unsigned char)*cell)) cell += 1, length -= 1;
  while (length && isspace((unsigned char)cell[length - 1])) length -= 1;
  (void)snprintf(room, size, "%.*s", length < size ? (int)length : 0, cell);
  return room; /* a cell that is too long for a number becomes nothing, which is none */
}

static bool value_of(const char *cell, const model_column *column, size_t row,
                     safeserial_value *out, safeserial_error *error) {
  char room[512];
  const char *text = trimmed(cell, room, sizeof room);
  const char *number = text + (*text == '+' || *text == '-');
  *out = (safeserial_value){.kind = SAFESERIAL_MISSING};
  switch (column->type) {
    case MODEL_STRING:
      if (*cell) *out = (safeserial_value){.kind = SAFESERIAL_TEXT, .text = cell};
      return true;
    case MODEL_FLOAT32:
    case MODEL_FLOAT64:
      if (!*cell) return true;
      out->kind = SAFESERIAL_NUMBER;
      out->number = is_number(text) ? strtod(text, NULL) : *text == '-' ? -HUGE_VAL : HUGE_VAL;
      if (same(number, "nan")) out->number = (double)NAN;
      if (same(number, "nan") || same(number, "inf") || same(number, "infinity") ||
          is_number(text)) {
        return true;
      }
      return wrong(error, "write it as 1.5, or leave it empty",
                   "row %zu: column %s is to be a number", row, column->name);
    case MODEL_BOOL:
      *out = (safeserial_value){.kind = SAFESERIAL_BOOL, .integer = same(text, "true")};
      if (same(text, "true") || same(text, "false")) return true;
      return wrong(error, "bools have no missing values",
                   "row %zu: column %s is to be true or false", row, column->name);
    case MODEL_INT32:
    case MODEL_INT64: break;
  }
  size_t digits = strspn(number, "0123456789");
  if (digits < 1 || digits > 18 || number[digits]) {
    return wrong(error, "integers have no missing values", "row %zu: column %s is to be an integer",
                 row, column->name);
  }
  *out = (safeserial_value){.kind = SAFESERIAL_INTEGER, .integer = strtoll(text, NULL, 10)};
  return true;
}

/* Find the place of each column in the header. */
static bool find_columns(const csv_table *table, size_t *places, safeserial_error *error) {
  for (size_t at = 0; at < MODEL_COLUMN_COUNT; at += 1) {
    size_t found = 0;
    for (size_t place = 0; place < table->ends[0]; place += 1) {
      if (strcmp(table->cells[place], MODEL_COLUMNS[at].name) != 0) continue;
      places[at] = place;
      found += 1;
    }
    if (found == 1) continue;
    return wrong(error, found ? "each column once" : "its first line names the columns",
                 found ? "the CSV has the column %s twice" : "the CSV has no column %s",
                 MODEL_COLUMNS[at].name);
  }
  return true;
}

/* Fill the values of all rows: `width` a row. */
static bool fill(const csv_table *table, const size_t *places, size_t width,
                 safeserial_value *values, safeserial_error *error) {
  for (size_t row = 0; row + 1 < table->lines; row += 1) {
    const char **cells = table->cells + table->ends[row];
    for (size_t at = 0; at < width; at += 1) {
      const model_column *column = MODEL_IS_ARRAY ? MODEL_COLUMNS : &MODEL_COLUMNS[at];
      const char *cell = cells[MODEL_IS_ARRAY ? at : places[at]];
      if (!value_of(cell, column, row, &values[row * width + at], error)) return false;
    }
  }
  return true;
}

safeserial_answers *model_predict_csv(const safeserial_model *model, const char *text, size_t size,
                                      safeserial_error *error) {
  csv_table table;
  safeserial_answers *answers = NULL;
  safeserial_record *records = NULL;
  safeserial_cell *cells = NULL;
  safeserial_value *values = NULL;
  size_t *places = calloc(MODEL_COLUMN_COUNT + 1, sizeof *places);
  bool done = parse(text, size, &table, error);
  done = done && (places || memory(error));
  done = done && (MODEL_IS_ARRAY || find_columns(&table, places, error));
  if (!done) goto end;
  size_t rows = table.lines - 1, width = MODEL_IS_ARRAY ? table.ends[0] : MODEL_COLUMN_COUNT;
  values = calloc(rows * width + 1, sizeof *values);
  cells = calloc(rows * width + 1, sizeof *cells);
  records = calloc(rows + 1, sizeof *records);
  done = (values && cells && records) || memory(error);
  if (!done || !fill(&table, places, width, values, error)) goto end;
  for (size_t row = 0; row < rows; row += 1) {
    safeserial_cell *first = cells + row * width;
    records[row] = (safeserial_record){first, MODEL_IS_ARRAY ? 1 : width};
    for (size_t at = 0; at < records[row].count; at += 1) {
      first[at] = (safeserial_cell){MODEL_COLUMNS[at].name, values[row * width + at]};
    }
    if (MODEL_IS_ARRAY) {
      first->value = (safeserial_value){
          .kind = SAFESERIAL_LIST, .items = values + row * width, .count = width};
    }
  }
  answers = safeserial_predict(model, records, rows, error);
end:
  table_free(&table);
  free(places);
  free(values);
  free(cells);
  free(records);
  return answers;
}
