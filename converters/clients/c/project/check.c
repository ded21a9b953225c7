/* SPDX-License-Identifier: BSD-3-Clause */
/* The project's own test: the model answers as it did when the project was made, from JSON, CSV and
 * typed rows, and a changed one is refused.  A model signed with a shared secret is tested with
 * SAFESERIAL_KEY_FILE=secret.key make test */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"

static int failures;

static bool check(bool right, const char *name, const char *why) {
  printf("%s - %s%s%s\n", right ? "ok" : "not ok", name, right ? "" : ": ", right ? "" : why);
  failures += !right;
  return right;
}

static char *content(const char *name, size_t *size) {
  FILE *stream = fopen(name, "rb");
  char *text = NULL;
  *size = 0;
  if (stream && fseek(stream, 0, SEEK_END) == 0) {
    long length = ftell(stream);
    rewind(stream);
    text = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (text) *size = fread(text, 1, (size_t)length, stream);
  }
  if (stream) (void)fclose(stream);
  return text;
}

/* Numbers to 1e-6, large integers as texts, booleans as 0 and 1. */
static bool same(const json_t *found, const json_t *wanted) {
  if (json_is_array(wanted)) {
    bool right = json_array_size(found) == json_array_size(wanted);
    for (size_t at = 0; right && at < json_array_size(wanted); at += 1) {
      right = same(json_array_get(found, at), json_array_get(wanted, at));
    }
    return right;
  }
  if (json_is_string(found) && json_is_integer(wanted)) {
    return strtoll(json_string_value(found), NULL, 10) == json_integer_value(wanted);
  }
  if (json_is_boolean(wanted)) return json_number_value(found) == (json_is_true(wanted) ? 1 : 0);
  if (!json_is_number(wanted)) return json_equal(found, wanted);
  double number = json_number_value(wanted), most = fabs(number) > 1 ? fabs(number) : 1;
  return json_is_number(found) && fabs(json_number_value(found) - number) <= 1e-6 * most;
}

static void agree(const char *name, char *told, const json_t *answers, const char *why) {
  json_t *found = told ? json_loads(told, 0, NULL) : NULL, *wanted, *value;
  bool right = found && json_array_size(found) == json_array_size(answers);
  size_t row;
  const char *key;
  json_array_foreach(answers, row, wanted) {
    const json_t *answer = json_array_get(found, row);
    right = right && json_object_size(answer) == json_object_size(wanted);
    json_object_foreach(wanted, key, value) right =
        right && same(json_object_get(answer, key), value);
  }
  check(right, name, told ? told : why);
  json_decref(found);
  free(told);
}

/* Write a value of JSON into a field. */
static void put(const model_column *column, void *values, size_t at, const json_t *value) {
  double number = json_is_null(value) ? (double)NAN : json_number_value(value);
  switch (column->type) {
    case MODEL_FLOAT32: ((float *)values)[at] = (float)number; break;
    case MODEL_FLOAT64: ((double *)values)[at] = number; break;
    case MODEL_INT32: ((int32_t *)values)[at] = (int32_t)json_integer_value(value); break;
    case MODEL_INT64: ((int64_t *)values)[at] = json_integer_value(value); break;
    case MODEL_BOOL: ((bool *)values)[at] = json_is_true(value); break;
    case MODEL_STRING: ((const char **)values)[at] = json_string_value(value); break;
  }
}

static void with_typed_rows(const safeserial_model *model, const json_t *list,
                            const json_t *answers) {
  safeserial_error error = {"", "", ""};
  size_t count = json_array_size(list), used = 0;
  model_row *rows = calloc(count + 1, sizeof *rows);
  void **lists = calloc(count * MODEL_COLUMN_COUNT + 1, sizeof *lists);
  for (size_t row = 0; rows && lists && row < count; row += 1) {
    for (size_t at = 0; at < MODEL_COLUMN_COUNT; at += 1) {
      const model_column *column = &MODEL_COLUMNS[at];
      const json_t *value = json_object_get(json_array_get(list, row), column->name);
      void *field = (char *)&rows[row] + column->at;
      size_t found = json_array_size(value);
      if (column->width == 0) {
        lists[used] = calloc(found + 1, sizeof(double));
        memcpy(field, &lists[used], sizeof(void *));
        memcpy((char *)&rows[row] + column->count_at, &found, sizeof found);
        field = lists[used++];
      }
      if (column->width == 1) put(column, field, 0, value);
      for (size_t one = 0; column->width != 1 && one < found; one += 1) {
        put(column, field, one, json_array_get(value, one));
      }
    }
  }
  safeserial_answers *given = model_predict(model, rows, count, &error);
  char *told = given ? safeserial_answers_json(given, &error) : NULL;
  agree("typed rows are answered as when the project was made", told, answers, error.message);
  safeserial_answers_free(given);
  while (used > 0) free(lists[--used]);
  free(lists);
  free(rows);
}

static void with_a_changed_model(const char *key_file) {
  safeserial_error error = {"", "", ""};
  char name[64];
  size_t size, length;
  (void)snprintf(name, sizeof name, "%s.sig", MODEL_FILE);
  char *model = content(MODEL_FILE, &size), *signature = content(name, &length);
  safeserial_key *key = safeserial_key_open(key_file, &error);
  const safeserial_key *keys[] = {key};
  if (key && model && size > 2) {
    model[size / 2] ^= 1;
    safeserial_verified *found =
        safeserial_verify(model, size, signature, signature ? length : 0, keys, 1, &error);
    check(!found && *error.code, "a changed model is refused", "it was taken");
    safeserial_verified_free(found);
  } else {
    check(false, "a changed model is refused", "model or key cannot be read");
  }
  safeserial_key_free(key);
  free(model);
  free(signature);
}

int main(void) {
  const char *secret = getenv("SAFESERIAL_KEY_FILE");
  if (secret && !*secret) secret = NULL;
  if (!secret && !MODEL_KEY) {
    puts("skipped: SAFESERIAL_KEY_FILE names no key");
    return 0;
  }
  safeserial_error error = {"", "", ""};
  safeserial_model *model = model_open(".", secret, &error);
  if (!check(model != NULL, "the model is verified and loaded", error.message)) return 1;
  json_t *rows = json_load_file("rows.json", 0, NULL);
  json_t *answers = json_load_file("answers.json", 0, NULL);
  static const char *const texts[] = {"rows.json", "rows.csv"};
  bool as_cells = true; /* lists beside other columns have no form in CSV */
  for (size_t at = 0; at < MODEL_COLUMN_COUNT; at += 1) {
    as_cells = as_cells && (MODEL_IS_ARRAY || MODEL_COLUMNS[at].width == 1);
  }
  for (size_t at = 0; json_array_size(answers) && at < (as_cells ? 2 : 1); at += 1) {
    size_t size;
    char *text = content(texts[at], &size);
    char *told = text ? model_predict_text(model, text, size, &error) : NULL;
    agree(texts[at], told, answers, error.message);
    free(text);
  }
  if (json_array_size(answers)) with_typed_rows(model, rows, answers);
  json_decref(rows);
  json_decref(answers);
  safeserial_close(model);
  with_a_changed_model(secret ? secret : MODEL_KEY);
  return failures ? 1 : 0;
}
