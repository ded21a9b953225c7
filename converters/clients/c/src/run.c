/* SPDX-License-Identifier: BSD-3-Clause */
/* Run tensors through the engine, and take its answers out. */
#include <stdlib.h>
#include <string.h>
#include "engine.h"

static const char FAILED[] = "the model failed", LOOK[] = "look at the rows";

static bool element_size(int type, size_t *out) {
  *out = type == SS_DOUBLE || type == SS_INT64 ? 8 : type == SS_BOOL ? 1 : 4;
  return type == SS_FLOAT || type == SS_DOUBLE || type == SS_INT64 || type == SS_INT32 ||
         type == SS_BOOL;
}

static bool give(const ss_engine *engine, const ss_tensor *one, void **out,
                 safeserial_error *error) {
  const ss_api *api = &engine->api;
  size_t bytes;
  if (element_size(one->type, &bytes)) {
    return ss_worked(api,
                     api->wrap_tensor(engine->memory, one->numbers, one->count * bytes, one->shape,
                                      one->rank, one->type, out),
                     FAILED, LOOK, error);
  }
  return ss_worked(api, api->create_tensor(engine->allocator, one->shape, one->rank, SS_TEXT, out),
                   FAILED, LOOK, error) &&
         ss_worked(api, api->fill_texts(*out, one->texts, one->count), FAILED, LOOK, error);
}

/* Turn what the engine holds into doubles or 64-bit integers. */
static bool take_numbers(const void *data, int type, size_t count, safeserial_output *into) {
  size_t bytes;
  if (!element_size(type, &bytes)) return false;
  bool real = type == SS_FLOAT || type == SS_DOUBLE;
  double *numbers = calloc(count + 1, sizeof *numbers);
  int64_t *integers = calloc(count + 1, sizeof *integers);
  into->numbers = real ? numbers : NULL;
  into->integers = real ? NULL : integers;
  if (!numbers || !integers) return false;
  for (size_t at = 0; at < count; at += 1) {
    switch (type) {
      case SS_FLOAT: numbers[at] = (double)((const float *)data)[at]; break;
      case SS_DOUBLE: numbers[at] = ((const double *)data)[at]; break;
      case SS_INT64: integers[at] = ((const int64_t *)data)[at]; break;
      case SS_INT32: integers[at] = ((const int32_t *)data)[at]; break;
      default: integers[at] = ((const unsigned char *)data)[at] != 0;
    }
  }
  if (real) free(integers);
  else free(numbers);
  return true;
}

/* Texts lie one behind the other in the engine; here each ends with a zero byte. */
static bool take_texts(const ss_api *api, const void *value, size_t count, safeserial_output *into,
                       safeserial_error *error) {
  size_t size = 0;
  if (!ss_worked(api, api->texts_size(value, &size), FAILED, LOOK, error)) return false;
  char *raw = malloc(size + 1);
  size_t *offsets = malloc((count + 1) * sizeof *offsets);
  const char **texts = malloc((count + 1) * sizeof *texts + size + count);
  into->texts = texts;
  bool done = (raw && offsets && texts) || ss_memory(error);
  done = done && ss_worked(api, api->texts(value, raw, size, offsets, count), FAILED, LOOK, error);
  if (done && memchr(raw, 0, size)) {
    done = ss_fail(error, "unsupported", "ask the sender for other labels",
                   "an answer has a zero byte in it");
  }
  char *out = done ? (char *)(texts + count + 1) : NULL;
  for (size_t at = 0; done && at < count; at += 1) {
    size_t end = at + 1 < count ? offsets[at + 1] : size;
    size_t length = end - offsets[at];
    memcpy(out, raw + offsets[at], length);
    out[length] = 0;
    texts[at] = out;
    out += length + 1;
  }
  free(raw);
  free(offsets);
  return done;
}

static bool take_tensor(const ss_api *api, void *value, void *tensor, safeserial_output *into,
                        safeserial_error *error) {
  int type = 0;
  size_t rank = 0, count = 0, bytes = 0;
  if (!ss_worked(api, api->element(tensor, &type), FAILED, LOOK, error) ||
      !ss_worked(api, api->rank(tensor, &rank), FAILED, LOOK, error) ||
      !ss_worked(api, api->elements(tensor, &count), FAILED, LOOK, error)) {
    return false;
  }
  if (count % into->rows != 0 || (type != SS_TEXT && !element_size(type, &bytes))) {
    return ss_fail(error, "unsupported", "ask the sender for an output a row",
                   "the output %s has another form", into->name);
  }
  into->width = count / into->rows;
  into->list = rank > 1;
  if (!into->list && into->width != 1) {
    return ss_fail(error, "unsupported", "ask the sender for an output a row",
                   "the output %s has not one value a row", into->name);
  }
  if (type == SS_TEXT) return take_texts(api, value, count, into, error);
  void *data = NULL;
  if (!ss_worked(api, api->tensor_data(value, &data), FAILED, LOOK, error)) return false;
  return take_numbers(data, type, count, into) || ss_memory(error);
}

static bool take(const ss_api *api, void *value, safeserial_output *into, safeserial_error *error) {
  int is_tensor = 0;
  void *tensor = NULL;
  if (!ss_worked(api, api->is_tensor(value, &is_tensor), FAILED, LOOK, error)) return false;
  if (!is_tensor) {
    return ss_fail(error, "unsupported", "convert the model without ZipMap",
                   "the output %s is no tensor", into->name);
  }
  if (!ss_worked(api, api->tensor_of(value, &tensor), FAILED, LOOK, error)) return false;
  bool done = take_tensor(api, value, tensor, into, error);
  api->release_tensor(tensor);
  return done;
}

static const char *shown_name(const char *name) {
  if (strcmp(name, "predict") == 0) return "label";
  return strcmp(name, "predict_proba") == 0 ? "probabilities" : name;
}

bool ss_engine_run(const ss_engine *engine, const ss_tensor *feed, safeserial_answers *into,
                   size_t rows, safeserial_error *error) {
  const ss_api *api = &engine->api;
  size_t in = engine->input_count, out = engine->output_count;
  void **inputs = calloc(in + 1, sizeof *inputs), **outputs = calloc(out + 1, sizeof *outputs);
  const char **names = calloc(in + out + 1, sizeof *names);
  bool done = (inputs && outputs && names) || ss_memory(error);
  for (size_t at = 0; done && at < in; at += 1) {
    names[at] = engine->inputs[at].name;
    done = give(engine, &feed[at], &inputs[at], error);
  }
  for (size_t at = 0; done && at < out; at += 1) names[in + at] = engine->outputs[at].name;
  done = done && ss_worked(api,
                           api->run(engine->session, NULL, names, (const void *const *)inputs, in,
                                    names + in, out, outputs),
                           FAILED, LOOK, error);
  for (size_t at = 0; done && at < out; at += 1) {
    char *name = ss_copy(shown_name(engine->outputs[at].name));
    into->outputs[at].name = name;
    into->outputs[at].rows = rows;
    done = name ? take(api, outputs[at], &into->outputs[at], error) : ss_memory(error);
  }
  for (size_t at = 0; inputs && at < in; at += 1) {
    if (inputs[at]) api->release_value(inputs[at]);
  }
  for (size_t at = 0; outputs && at < out; at += 1) {
    if (outputs[at]) api->release_value(outputs[at]);
  }
  free(inputs);
  free(outputs);
  free(names);
  return done;
}
