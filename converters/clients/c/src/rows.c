/* SPDX-License-Identifier: BSD-3-Clause */
/* Records to tensors: columns by name, texts, missing values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

typedef struct {
  const safeserial_port *port;
  ss_tensor *tensor;
  size_t row, width, inputs;
  safeserial_error *error;
} ss_column;

static bool wrong(const ss_column *at, const char *hint, const char *why) {
  return ss_fail(at->error, "rows", hint, "row %zu: column %s %s", at->row, at->port->name, why);
}

/* Find a row's value of a column.  Rows mostly have their columns in one order: `hint` is where the
 * last one was. */
static const safeserial_value *cell_of(const ss_column *at, const safeserial_record *record,
                                       size_t *hint) {
  for (size_t turn = 0; turn < record->count; turn += 1) {
    size_t which = (*hint + turn) % record->count;
    const safeserial_cell *cell = &record->cells[which];
    bool only = !cell->column && record->count == 1 && at->inputs == 1;
    if (only || (cell->column && strcmp(cell->column, at->port->name) == 0)) {
      *hint = which;
      return &cell->value;
    }
  }
  if (record->count == 1 && !record->cells->column) {
    ss_fail(at->error, "rows", "give an object with a value a column", "row %zu is no record",
            at->row);
  } else {
    ss_fail(at->error, "rows", "give null for a value that is missing", "row %zu has no column %s",
            at->row, at->port->name);
  }
  return NULL;
}

static bool put_real(const ss_column *at, const safeserial_value *value, size_t place) {
  double number = value->kind == SAFESERIAL_NUMBER    ? value->number
                  : value->kind == SAFESERIAL_INTEGER ? (double)value->integer
                                                      : (double)NAN;
  if (value->kind != SAFESERIAL_MISSING && value->kind != SAFESERIAL_NUMBER &&
      value->kind != SAFESERIAL_INTEGER) {
    return wrong(at, "or null", "is to be a number");
  }
  if (at->tensor->type == SS_DOUBLE) ((double *)at->tensor->numbers)[place] = number;
  else ((float *)at->tensor->numbers)[place] = (float)number;
  return true;
}

static bool put_whole(const ss_column *at, const safeserial_value *value, size_t place) {
  const double most = 9007199254740991.0; /* what a double holds without a gap */
  if (value->kind == SAFESERIAL_MISSING) {
    return wrong(at, "this model was trained without missing values", "cannot be missing");
  }
  if (at->tensor->type == SS_BOOL) {
    if (value->kind != SAFESERIAL_BOOL)
      return wrong(at, "no other value", "is to be true or false");
    ((unsigned char *)at->tensor->numbers)[place] = value->integer != 0;
    return true;
  }
  int64_t number = value->integer;
  bool whole = value->kind == SAFESERIAL_INTEGER;
  if (value->kind == SAFESERIAL_NUMBER) {
    whole = fabs(value->number) <= most && trunc(value->number) == value->number;
    number = whole ? (int64_t)value->number : 0;
  }
  bool narrow = at->tensor->type == SS_INT32;
  if (!whole || (narrow && (number > INT32_MAX || number < INT32_MIN))) {
    return wrong(at, narrow ? "one of 32 bits" : "without a fraction", "is to be an integer");
  }
  if (narrow) ((int32_t *)at->tensor->numbers)[place] = (int32_t)number;
  else ((int64_t *)at->tensor->numbers)[place] = number;
  return true;
}

static bool put_value(const ss_column *at, const safeserial_value *value, size_t place) {
  switch (at->tensor->type) {
    case SS_FLOAT:
    case SS_DOUBLE: return put_real(at, value, place);
    case SS_TEXT:
      if (value->kind != SAFESERIAL_MISSING && (value->kind != SAFESERIAL_TEXT || !value->text)) {
        return wrong(at, "or null", "is to be a text");
      }
      at->tensor->texts[place] = value->kind == SAFESERIAL_TEXT ? value->text : "";
      return true;
    default: return put_whole(at, value, place);
  }
}

/* Make room for `rows` rows of `width` values. */
static bool reserve(ss_tensor *tensor, size_t rows, size_t width) {
  if (width > SIZE_MAX / 16 / rows) return false;
  size_t count = rows * width;
  int64_t *shape = malloc(2 * sizeof *shape);
  if (!shape) return false;
  shape[0] = (int64_t)rows;
  shape[1] = (int64_t)width;
  tensor->shape = shape;
  tensor->count = count;
  if (tensor->type == SS_TEXT) tensor->texts = calloc(count + 1, sizeof *tensor->texts);
  else tensor->numbers = calloc(count + 1, sizeof(double));
  return tensor->texts || tensor->numbers;
}

static bool fill(ss_column *at, const safeserial_record *records, size_t count) {
  size_t hint = 0;
  bool wide = at->port->rank > 1;
  at->width = 1;
  if (wide) at->width = at->port->shape[1] > 0 ? (size_t)at->port->shape[1] : 0;
  at->tensor->rank = wide ? 2 : 1;
  for (at->row = 0; at->row < count; at->row += 1) {
    const safeserial_value *cell = cell_of(at, &records[at->row], &hint);
    if (!cell) return false;
    bool several = wide && cell->kind == SAFESERIAL_LIST;
    const safeserial_value *items = several ? cell->items : cell;
    size_t found = several ? cell->count : 1;
    if (at->width == 0) at->width = found; /* the graph leaves it open; the rows must agree */
    if (found != at->width || found == 0) {
      return ss_fail(at->error, "rows", "give one number a feature",
                     "row %zu: %s has %zu values, not %zu", at->row, at->port->name, found,
                     at->width);
    }
    if (at->row == 0 && !reserve(at->tensor, count, at->width)) return ss_memory(at->error);
    for (size_t one = 0; one < found; one += 1) {
      if (!put_value(at, &items[one], at->row * at->width + one)) return false;
    }
  }
  return true;
}

bool ss_feed(const ss_engine *engine, const safeserial_record *records, size_t count,
             ss_tensor **feed, safeserial_error *error) {
  size_t inputs = 0;
  const safeserial_port *ports = ss_engine_ports(engine, false, &inputs);
  *feed = NULL;
  if (!records || count == 0) {
    return ss_fail(error, "rows", "give a list of records", "there are no rows");
  }
  ss_tensor *tensors = calloc(inputs + 1, sizeof *tensors);
  if (!tensors) return ss_memory(error);
  bool done = true;
  for (size_t at = 0; done && at < inputs; at += 1) {
    if (strcmp(ports[at].type, "another") == 0) {
      done = ss_fail(error, "unsupported", "convert the model with dtype=\"float32\"",
                     "input %s is of a type that is not read here", ports[at].name);
      break;
    }
    tensors[at].type = (ss_type)ss_engine_type(engine, at);
    ss_column column = {&ports[at], &tensors[at], 0, 0, inputs, error};
    done = fill(&column, records, count);
  }
  if (done) *feed = tensors;
  else ss_feed_free(tensors, inputs);
  return done;
}

void ss_feed_free(ss_tensor *feed, size_t count) {
  for (size_t at = 0; feed && at < count; at += 1) {
    free((void *)feed[at].shape);
    free(feed[at].numbers);
    free((void *)feed[at].texts);
  }
  free(feed);
}
