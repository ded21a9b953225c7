/* SPDX-License-Identifier: BSD-3-Clause */
/* The command: verify a model, answer the rows on standard input (a JSON list of records). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "safeserial_onnx.h"

enum { REFUSED = 1, USAGE = 2, MOST_KEYS = 64, MOST_ROWS = 1 << 28 };
static const char HOW[] =
    "safeserial-onnx MODEL --key KEYFILE [--signature FILE] [--show] < rows.json";

typedef struct {
  const char *model, *signature, *keys[MOST_KEYS];
  size_t key_count;
  bool show;
} ss_command;

static int fail(int code, const char *message, const char *hint) {
  fprintf(stderr, "error: %s\nhint: %s\n", message, hint);
  return code;
}

/* Take the value of an option: `--name value` or `--name=value`.  NULL: it is another argument. */
static const char *value_of(const char *name, int count, char **arguments, int *at) {
  size_t size = strlen(name);
  if (strncmp(arguments[*at], name, size) != 0) return NULL;
  if (arguments[*at][size] == '=') return arguments[*at] + size + 1;
  if (arguments[*at][size] != 0) return NULL;
  *at += 1;
  return *at < count ? arguments[*at] : "";
}

static bool parse(int count, char **arguments, ss_command *out) {
  bool bare = false;
  for (int at = 1; at < count; at += 1) {
    const char *value = NULL;
    if (bare || arguments[at][0] != '-') {
      if (out->model) return false;
      out->model = arguments[at];
    } else if (strcmp(arguments[at], "--") == 0) {
      bare = true;
    } else if (strcmp(arguments[at], "--show") == 0) {
      out->show = true;
    } else if ((value = value_of("--key", count, arguments, &at))) {
      if (!*value || out->key_count == MOST_KEYS) return false;
      out->keys[out->key_count++] = value;
    } else if ((value = value_of("--signature", count, arguments, &at))) {
      if (!*value) return false;
      out->signature = value;
    } else {
      return false;
    }
  }
  return out->model != NULL;
}

static json_t *ports(const safeserial_port *list, size_t count) {
  json_t *out = json_array();
  for (const safeserial_port *one = list; one < list + count; one += 1) {
    json_t *shape = json_array();
    for (size_t at = 0; at < one->rank; at += 1) {
      bool open = one->shape[at] < 0;
      json_array_append_new(shape,
                            open ? json_string(one->symbols[at]) : json_integer(one->shape[at]));
    }
    json_array_append_new(
        out, json_pack("{ss ss so}", "name", one->name, "type", one->type, "shape", shape));
  }
  return out;
}

static char *shown(const safeserial_model *model) {
  const safeserial_verified *said = safeserial_said(model);
  size_t inputs, outputs;
  const safeserial_port *in = safeserial_inputs(model, &inputs);
  const safeserial_port *out = safeserial_outputs(model, &outputs);
  json_t *signers = json_array(), *names = json_array();
  for (size_t at = 0; at < said->signer_count; at += 1) {
    json_array_append_new(signers, json_string(said->signers[at]));
  }
  for (size_t at = 0; at < outputs; at += 1)
    json_array_append_new(names, json_string(out[at].name));
  json_t *all = json_pack("{so ss ss ss so}", "signers", signers, "name", said->name, "version",
                          said->version, "created", said->created, "metadata",
                          json_loads(said->metadata, 0, NULL));
  if (said->classes) json_object_set_new(all, "classes", json_loads(said->classes, 0, NULL));
  json_object_set_new(all, "inputs", ports(in, inputs));
  json_object_set_new(all, "outputs", names);
  char *text = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return text;
}

/* Read standard input; NULL if it is too much. */
static char *all_of_stdin(size_t *size) {
  size_t room = 1 << 16;
  char *text = malloc(room);
  for (*size = 0; text;) {
    *size += fread(text + *size, 1, room - *size, stdin);
    if (*size < room) return text;
    char *grown = room < MOST_ROWS ? realloc(text, room * 2) : NULL;
    room *= 2;
    if (!grown) free(text);
    text = grown;
  }
  return NULL;
}

static char *answers(const safeserial_model *model, safeserial_error *error) {
  size_t size = 0;
  char *rows = all_of_stdin(&size), *text = NULL;
  if (rows) text = safeserial_predict_json(model, rows, size, error);
  else *error = (safeserial_error){"rows", "there are too many rows", "give them in several parts"};
  free(rows);
  return text;
}

int main(int count, char **arguments) {
  ss_command asked = {0};
  if (!parse(count, arguments, &asked)) return fail(USAGE, "the command is wrong", HOW);
  safeserial_error error = {"", "something is wrong", ""};
  safeserial_key *keys[MOST_KEYS] = {NULL};
  safeserial_model *model = NULL;
  size_t read = 0;
  while (read < asked.key_count && (keys[read] = safeserial_key_open(asked.keys[read], &error))) {
    read += 1;
  }
  if (read == asked.key_count) {
    model = safeserial_open(asked.model, asked.signature, (const safeserial_key *const *)keys, read,
                            &error);
  }
  for (size_t at = 0; at < read; at += 1) safeserial_key_free(keys[at]);
  char *text = !model ? NULL : asked.show ? shown(model) : answers(model, &error);
  safeserial_close(model);
  if (!text) return fail(REFUSED, error.message, error.hint);
  bool told = puts(text) >= 0 && fflush(stdout) == 0;
  free(text);
  return told ? 0 : fail(REFUSED, "standard output cannot be written", "look where it leads");
}
