/* SPDX-License-Identifier: BSD-3-Clause */
/* Records from JSON, and answers to JSON. */
#include <math.h>
#include <stdlib.h>
#include "internal.h"

typedef struct {
  safeserial_record *records;
  safeserial_cell *cells;
  safeserial_value *items; /* of all lists */
  size_t used_cells, used_items;
} ss_rows;

static bool refuse(safeserial_error *error, const char *why) {
  return ss_fail(error, "rows", "give a list of records", "the rows are not JSON: %s", why);
}

/* A value of a row; lists within lists, and objects, are handed on as an empty list, which no
 * column takes. */
static safeserial_value value_of(const json_t *value) {
  safeserial_value out = {SAFESERIAL_MISSING, 0, 0, NULL, NULL, 0};
  switch (json_typeof(value)) {
    case JSON_NULL: break;
    case JSON_TRUE:
    case JSON_FALSE:
      out.kind = SAFESERIAL_BOOL;
      out.integer = json_is_true(value);
      break;
    case JSON_REAL:
      out.kind = SAFESERIAL_NUMBER;
      out.number = json_real_value(value);
      break;
    case JSON_INTEGER:
      out.kind = SAFESERIAL_INTEGER;
      out.integer = json_integer_value(value);
      break;
    case JSON_STRING:
      out.kind = SAFESERIAL_TEXT;
      out.text = json_string_value(value);
      break;
    case JSON_ARRAY:
    case JSON_OBJECT: out.kind = SAFESERIAL_LIST;
  }
  return out;
}

static safeserial_value cell_of(const json_t *value, ss_rows *rows) {
  safeserial_value out = value_of(value);
  if (!json_is_array(value)) return out;
  safeserial_value *items = rows->items + rows->used_items;
  size_t at;
  json_t *one;
  json_array_foreach(value, at, one) items[at] = value_of(one);
  out.items = items;
  out.count = json_array_size(value);
  rows->used_items += out.count;
  return out;
}

/* Turn a list of rows into records, which point into it. */
static bool records_of(const json_t *list, ss_rows *rows) {
  size_t cells = 0, items = 0, at;
  json_t *row, *value;
  const char *column;
  json_array_foreach(list, at, row) {
    cells += json_is_object(row) ? json_object_size(row) : 1;
    items += json_array_size(row);
    json_object_foreach(row, column, value) items += json_array_size(value);
  }
  rows->records = calloc(json_array_size(list) + 1, sizeof *rows->records);
  rows->cells = calloc(cells + 1, sizeof *rows->cells);
  rows->items = calloc(items + 1, sizeof *rows->items);
  if (!rows->records || !rows->cells || !rows->items) return false;
  json_array_foreach(list, at, row) {
    safeserial_cell *first = rows->cells + rows->used_cells, *cell = first;
    if (json_is_object(row)) {
      json_object_foreach(row, column, value) {
        cell->column = column;
        cell->value = cell_of(value, rows);
        cell += 1;
      }
    } else {
      cell->value = cell_of(row, rows);
      cell += 1;
    }
    rows->records[at] = (safeserial_record){first, (size_t)(cell - first)};
    rows->used_cells += rows->records[at].count;
  }
  return true;
}

static void rows_free(ss_rows *rows) {
  free(rows->records);
  free(rows->cells);
  free(rows->items);
}

/* NaN and infinity are null, as JSON has no words for them; an integer that a double does not hold
 * is a text, as most readers would round it. */
static json_t *spelled(const safeserial_output *output, size_t at) {
  if (output->texts) return json_string(output->texts[at]);
  if (output->numbers) {
    return isfinite(output->numbers[at]) ? json_real(output->numbers[at]) : json_null();
  }
  int64_t whole = output->integers[at];
  if (whole < 1LL << 53 && whole > -(1LL << 53)) return json_integer(whole);
  return json_sprintf("%lld", (long long)whole);
}

static json_t *answer_of(const safeserial_output *outputs, size_t count, size_t row) {
  json_t *answer = json_object();
  bool right = answer != NULL;
  for (const safeserial_output *one = outputs; right && one < outputs + count; one += 1) {
    json_t *said = one->list ? json_array() : spelled(one, row);
    for (size_t at = 0; right && one->list && at < one->width; at += 1) {
      right = json_array_append_new(said, spelled(one, row * one->width + at)) == 0;
    }
    if (json_object_set_new(answer, one->name, said) != 0) right = false;
  }
  if (right) return answer;
  json_decref(answer);
  return NULL;
}

char *safeserial_answers_json(const safeserial_answers *answers, safeserial_error *error) {
  size_t count;
  const safeserial_output *outputs = safeserial_answers_all(answers, &count);
  size_t rows = count ? outputs->rows : 0;
  json_t *list = json_array();
  bool right = list != NULL;
  for (size_t row = 0; right && row < rows; row += 1) {
    right = json_array_append_new(list, answer_of(outputs, count, row)) == 0;
  }
  char *text = right ? json_dumps(list, JSON_COMPACT) : NULL;
  json_decref(list);
  if (!text) ss_fail(error, "runtime", "look at the labels", "the answers cannot be told as JSON");
  return text;
}

char *safeserial_predict_json(const safeserial_model *model, const char *rows, size_t size,
                              safeserial_error *error) {
  json_error_t why;
  json_t *list = json_loadb(rows, size, JSON_REJECT_DUPLICATES, &why);
  if (!list || !json_is_array(list)) {
    refuse(error, list ? "they are no list" : why.text);
    json_decref(list);
    return NULL;
  }
  ss_rows found = {0};
  char *text = NULL;
  safeserial_answers *answers = NULL;
  size_t count = json_array_size(list);
  if (!records_of(list, &found)) ss_memory(error);
  else answers = safeserial_predict(model, found.records, count, error);
  if (answers) text = safeserial_answers_json(answers, error);
  safeserial_answers_free(answers);
  rows_free(&found);
  json_decref(list);
  return text;
}
