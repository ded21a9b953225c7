/* SPDX-License-Identifier: BSD-3-Clause */
/* ONNX Runtime's C interface, as far as it is used here, without its header.
 *
 * The interface is a table of functions that is only ever appended to, so that a function keeps its
 * place for ever.  Where onnxruntime_c_api.h is at hand, the same functions stand in its OrtApi. */
#ifndef SS_ENGINE_H
#define SS_ENGINE_H

#include "internal.h"

typedef void *ss_status; /* NULL: it worked */

typedef struct {
  const char *(*message)(const void *status);
  ss_status (*create_env)(int level, const char *name, void **out);
  ss_status (*stop_telemetry)(const void *env);
  ss_status (*create_session)(const void *env, const void *model, size_t size, const void *options,
                              void **out);
  ss_status (*run)(void *session, const void *options, const char *const *names,
                   const void *const *inputs, size_t count, const char *const *wanted,
                   size_t outputs, void **out);
  ss_status (*create_options)(void **out);
  ss_status (*set_threads)(void *options, int count);
  ss_status (*input_count)(const void *session, size_t *out);
  ss_status (*output_count)(const void *session, size_t *out);
  ss_status (*input_type)(const void *session, size_t at, void **out);
  ss_status (*output_type)(const void *session, size_t at, void **out);
  ss_status (*input_name)(const void *session, size_t at, void *allocator, char **out);
  ss_status (*output_name)(const void *session, size_t at, void *allocator, char **out);
  ss_status (*create_tensor)(void *allocator, const int64_t *shape, size_t rank, int type,
                             void **out);
  ss_status (*wrap_tensor)(const void *memory, void *data, size_t bytes, const int64_t *shape,
                           size_t rank, int type, void **out);
  ss_status (*is_tensor)(const void *value, int *out);
  ss_status (*tensor_data)(void *value, void **out);
  ss_status (*fill_texts)(void *value, const char *const *texts, size_t count);
  ss_status (*texts_size)(const void *value, size_t *out);
  ss_status (*texts)(const void *value, void *out, size_t size, size_t *offsets, size_t count);
  ss_status (*as_tensor)(const void *type, const void **out);
  ss_status (*element)(const void *tensor, int *out);
  ss_status (*rank)(const void *tensor, size_t *out);
  ss_status (*shape)(const void *tensor, int64_t *out, size_t rank);
  ss_status (*symbols)(const void *tensor, const char **out, size_t rank);
  ss_status (*elements)(const void *tensor, size_t *out);
  ss_status (*tensor_of)(const void *value, void **out);
  ss_status (*create_memory)(int kind, int type, void **out);
  ss_status (*free_memory)(void *allocator, void *data);
  ss_status (*allocator)(void **out); /* the default one, which is nobody's to free */
  void (*release_env)(void *);
  void (*release_status)(void *);
  void (*release_memory)(void *);
  void (*release_session)(void *);
  void (*release_value)(void *);
  void (*release_type)(void *);
  void (*release_tensor)(void *);
  void (*release_options)(void *);
} ss_api;

struct ss_engine {
  ss_api api;
  void *env, *session, *memory, *allocator;
  safeserial_port *inputs, *outputs;
  int *input_types;
  size_t input_count, output_count;
};

/* Say whether a call worked; what the engine says of one that did not becomes the error. */
bool ss_worked(const ss_api *api, ss_status status, const char *what, const char *hint,
               safeserial_error *error);

#endif
