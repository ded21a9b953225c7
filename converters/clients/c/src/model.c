/* SPDX-License-Identifier: BSD-3-Clause */
/* A verified model in an engine, and its answers. */
#include <stdlib.h>
#include <string.h>
#include "internal.h"

struct safeserial_model {
  safeserial_verified *verified;
  ss_engine *engine;
};

safeserial_model *safeserial_load(safeserial_verified *verified, const char *engine,
                                  safeserial_error *error) {
  if (!verified) return NULL;
  safeserial_model *model = calloc(1, sizeof *model);
  if (model) {
    model->verified = verified;
    model->engine = ss_engine_open(engine, verified->data, verified->size, error);
    if (model->engine) return model;
    free(model);
  } else {
    ss_memory(error);
  }
  safeserial_verified_free(verified);
  return NULL;
}

safeserial_model *safeserial_open(const char *model, const char *signature,
                                  const safeserial_key *const *keys, size_t key_count,
                                  safeserial_error *error) {
  return safeserial_load(safeserial_verify_file(model, signature, keys, key_count, error), NULL,
                         error);
}

const safeserial_verified *safeserial_said(const safeserial_model *model) {
  return model->verified;
}

const safeserial_port *safeserial_inputs(const safeserial_model *model, size_t *count) {
  return ss_engine_ports(model->engine, false, count);
}

const safeserial_port *safeserial_outputs(const safeserial_model *model, size_t *count) {
  return ss_engine_ports(model->engine, true, count);
}

safeserial_answers *safeserial_predict(const safeserial_model *model,
                                       const safeserial_record *records, size_t count,
                                       safeserial_error *error) {
  ss_tensor *feed;
  size_t inputs = 0, outputs = 0;
  if (!ss_feed(model->engine, records, count, &feed, error)) return NULL;
  (void)ss_engine_ports(model->engine, false, &inputs);
  (void)ss_engine_ports(model->engine, true, &outputs);
  safeserial_answers *answers = calloc(1, sizeof *answers);
  if (answers) answers->outputs = calloc(outputs + 1, sizeof *answers->outputs);
  bool done = (answers && answers->outputs) || ss_memory(error);
  if (done) answers->count = outputs;
  done = done && ss_engine_run(model->engine, feed, answers, count, error);
  ss_feed_free(feed, inputs);
  if (done) return answers;
  safeserial_answers_free(answers);
  return NULL;
}

const safeserial_output *safeserial_answers_get(const safeserial_answers *answers,
                                                const char *name) {
  for (size_t at = 0; at < answers->count; at += 1) {
    if (strcmp(answers->outputs[at].name, name) == 0) return &answers->outputs[at];
  }
  return NULL;
}

const safeserial_output *safeserial_answers_all(const safeserial_answers *answers, size_t *count) {
  *count = answers->count;
  return answers->outputs;
}

void safeserial_answers_free(safeserial_answers *answers) {
  if (!answers) return;
  for (size_t at = 0; at < answers->count; at += 1) {
    const safeserial_output *one = &answers->outputs[at];
    free((void *)one->name);
    free((void *)one->numbers);
    free((void *)one->integers);
    free((void *)one->texts);
  }
  free(answers->outputs);
  free(answers);
}

void safeserial_close(safeserial_model *model) {
  if (!model) return;
  ss_engine_close(model->engine);
  safeserial_verified_free(model->verified);
  free(model);
}
