/* SPDX-License-Identifier: BSD-3-Clause */
/* Open the model, and turn typed rows into records of the client. */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *joined(const char *folder, const char *name) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (path) (void)snprintf(path, size, "%s/%s", folder, name);
  return path;
}

static void set(safeserial_error *error, const char *code, const char *message, const char *hint) {
  if (!error) return;
  (void)snprintf(error->code, sizeof error->code, "%s", code);
  (void)snprintf(error->message, sizeof error->message, "%s", message);
  (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
}

safeserial_model *model_open(const char *folder, const char *key_file, safeserial_error *error) {
  if (!folder) folder = ".";
  if (!key_file && !MODEL_KEY) {
    set(error, "key", "no key was given", "name the file that holds the shared secret: --key FILE");
    return NULL;
  }
  char *model = joined(folder, MODEL_FILE);
  char *beside = MODEL_KEY ? joined(folder, MODEL_KEY) : NULL;
  safeserial_key *key = NULL;
  safeserial_model *opened = NULL;
  if (model && (beside || !MODEL_KEY))
    key = safeserial_key_open(key_file ? key_file : beside, error);
  else set(error, "runtime", "there is not enough memory", "give the program more of it");
  if (key) {
    const safeserial_key *keys[] = {key};
    opened = safeserial_open(model, NULL, keys, 1, error);
  }
  safeserial_key_free(key);
  free(beside);
  free(model);
  return opened;
}

/* Return the value at a place of an array of a column's type. */
static safeserial_value value_of(const model_column *column, const void *values, size_t at) {
  safeserial_value out = {.kind = SAFESERIAL_INTEGER};
  switch (column->type) {
    case MODEL_FLOAT32:
      out.kind = SAFESERIAL_NUMBER;
      out.number = (double)((const float *)values)[at];
      break;
    case MODEL_FLOAT64:
      out.kind = SAFESERIAL_NUMBER;
      out.number = ((const double *)values)[at];
      break;
    case MODEL_INT32: out.integer = ((const int32_t *)values)[at]; break;
    case MODEL_INT64: out.integer = ((const int64_t *)values)[at]; break;
    case MODEL_BOOL:
      out.kind = SAFESERIAL_BOOL;
      out.integer = ((const bool *)values)[at];
      break;
    case MODEL_STRING:
      out.text = ((const char *const *)values)[at];
      out.kind = out.text ? SAFESERIAL_TEXT : SAFESERIAL_MISSING;
  }
  return out;
}

/* Give where a row has a column's values, and how many. */
static size_t values_of(const model_column *column, const model_row *row, const void **values) {
  const char *base = (const char *)row;
  if (column->width) {
    *values = base + column->at;
    return column->width;
  }
  size_t count;
  memcpy(values, base + column->at, sizeof *values);
  memcpy(&count, base + column->count_at, sizeof count);
  return *values ? count : 0;
}

safeserial_answers *model_predict(const safeserial_model *model, const model_row *rows,
                                  size_t count, safeserial_error *error) {
  size_t lists = 0, used = 0;
  const void *values;
  for (size_t row = 0; row < count; row += 1) {
    for (size_t at = 0; at < MODEL_COLUMN_COUNT; at += 1) {
      size_t found = values_of(&MODEL_COLUMNS[at], &rows[row], &values);
      if (MODEL_COLUMNS[at].width != 1) lists += found;
    }
  }
  safeserial_record *records = calloc(count + 1, sizeof *records);
  safeserial_cell *cells = calloc(count * MODEL_COLUMN_COUNT + 1, sizeof *cells);
  safeserial_value *items = calloc(lists + 1, sizeof *items);
  safeserial_answers *answers = NULL;
  if (!records || !cells || !items) {
    set(error, "runtime", "there is not enough memory", "give fewer rows");
    goto done;
  }
  for (size_t row = 0; row < count; row += 1) {
    records[row] = (safeserial_record){cells + row * MODEL_COLUMN_COUNT, MODEL_COLUMN_COUNT};
    for (size_t at = 0; at < MODEL_COLUMN_COUNT; at += 1) {
      const model_column *column = &MODEL_COLUMNS[at];
      size_t found = values_of(column, &rows[row], &values);
      safeserial_cell *cell = &cells[row * MODEL_COLUMN_COUNT + at];
      cell->column = column->name;
      if (column->width == 1) {
        cell->value = value_of(column, values, 0);
        continue;
      }
      cell->value =
          (safeserial_value){.kind = SAFESERIAL_LIST, .items = items + used, .count = found};
      for (size_t one = 0; one < found; one += 1) items[used++] = value_of(column, values, one);
    }
  }
  answers = safeserial_predict(model, records, count, error);
done:
  free(records);
  free(cells);
  free(items);
  return answers;
}

char *model_predict_text(const safeserial_model *model, const char *text, size_t size,
                         safeserial_error *error) {
  if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, size -= 3;
  size_t blank = 0;
  while (blank < size && strchr(" \t\r\n", text[blank]) && text[blank]) blank += 1;
  if (blank < size && text[blank] == '[') return safeserial_predict_json(model, text, size, error);
  safeserial_answers *answers = model_predict_csv(model, text, size, error);
  char *told = answers ? safeserial_answers_json(answers, error) : NULL;
  safeserial_answers_free(answers);
  return told;
}
