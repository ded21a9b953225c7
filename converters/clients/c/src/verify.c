/* SPDX-License-Identifier: BSD-3-Clause */
/* Verify a model, whichever way it is signed.  Needs no engine. */
#include <stdlib.h>
#include <string.h>
#include "internal.h"

enum { MOST_MODEL = 0x7fffffff, MOST_SIGNATURE = 64 << 20 };

/* What is handed out, and what it points into. */
typedef struct {
  safeserial_verified shown; /* first, so that both have one address */
  unsigned char *file;
  json_t *said;
  const char **signers;
  char *metadata, *classes;
} ss_verified;

static json_t *or_else(json_t *value, json_t *otherwise) {
  if (!value || json_is_null(value)) return otherwise;
  json_decref(otherwise);
  return json_incref(value);
}

json_t *ss_said(const char *const *signers, size_t count, const json_t *from) {
  json_t *names = json_array(), *said = json_object();
  for (size_t at = 0; at < count; at += 1)
    (void)json_array_append_new(names, json_string(signers[at]));
  int failed = json_object_set_new(said, "signers", names);
  static const char *const texts[] = {"name", "version", "created", NULL};
  for (const char *const *one = texts; *one; one += 1) {
    failed |=
        json_object_set_new(said, *one, or_else(json_object_get(from, *one), json_string("")));
  }
  json_t *metadata = or_else(json_object_get(from, "metadata"), json_object());
  failed |= json_object_set_new(said, "metadata", metadata);
  if (!failed && json_array_size(names) == count) return said;
  json_decref(said);
  return NULL;
}

/* Fill in what is shown of what was verified. */
static bool show(ss_verified *found) {
  const json_t *said = found->said;
  const json_t *signers = json_object_get(said, "signers");
  size_t count = json_array_size(signers);
  found->signers = calloc(count + 1, sizeof *found->signers);
  found->metadata = json_dumps(json_object_get(said, "metadata"), JSON_COMPACT | JSON_SORT_KEYS);
  const json_t *classes = json_object_get(said, "classes");
  if (classes) found->classes = json_dumps(classes, JSON_COMPACT);
  if (!found->signers || !found->metadata || (classes && !found->classes)) return false;
  for (size_t at = 0; at < count; at += 1) {
    found->signers[at] = json_string_value(json_array_get(signers, at));
  }
  found->shown.signers = found->signers;
  found->shown.signer_count = count;
  found->shown.name = json_string_value(json_object_get(said, "name"));
  found->shown.version = json_string_value(json_object_get(said, "version"));
  found->shown.created = json_string_value(json_object_get(said, "created"));
  found->shown.metadata = found->metadata;
  found->shown.classes = found->classes;
  return true;
}

/* Verify a file's bytes, which are this function's from here on; `signature` stays the caller's. */
static safeserial_verified *verify(ss_bytes file, ss_bytes signature,
                                   const safeserial_key *const *keys, size_t count,
                                   safeserial_error *error) {
  size_t at = 0, length = file.size;
  ss_verified *found = calloc(1, sizeof *found);
  if (!found) {
    ss_memory(error);
    free(file.data);
    return NULL;
  }
  found->file = file.data;
  if (count == 0 || !keys) {
    ss_fail(error, "key", "give the sender's public key", "no key was given");
  } else if (ss_is_artifact(file.data, file.size)) {
    found->said = ss_verify_artifact(file.data, file.size, keys, count, &at, &length, error);
  } else if (!signature.data) {
    ss_fail(error, "unsigned", "the sender signs it with: safeserial sign model.onnx",
            "the model comes without a signature");
  } else {
    found->said = ss_verify_beside(file.data, file.size, signature, keys, count, error);
  }
  if (!found->said) goto refused;
  found->shown.data = found->file + at;
  found->shown.size = length;
  json_t *classes;
  if (!ss_check_onnx(found->shown.data, length, &classes, error)) goto refused;
  if (!json_object_get(found->said, "classes") && classes) {
    (void)json_object_set(found->said, "classes", classes);
  }
  json_decref(classes);
  if (show(found)) return &found->shown;
  ss_memory(error);
refused:
  safeserial_verified_free(&found->shown);
  return NULL;
}

safeserial_verified *safeserial_verify(const void *model, size_t model_size, const void *signature,
                                       size_t signature_size, const safeserial_key *const *keys,
                                       size_t key_count, safeserial_error *error) {
  if (!model || model_size > MOST_MODEL) {
    ss_bad(error, model ? "the model is too large" : "no model was given");
    return NULL;
  }
  ss_bytes copy = {malloc(model_size + 1), model_size};
  ss_bytes beside = {signature ? malloc(signature_size + 1) : NULL, signature_size};
  safeserial_verified *found = NULL;
  if (!copy.data || (signature && !beside.data)) {
    ss_memory(error);
    free(copy.data);
  } else {
    if (model_size) memcpy(copy.data, model, model_size);
    if (signature_size && signature) memcpy(beside.data, signature, signature_size);
    found = verify(copy, beside, keys, key_count, error);
  }
  free(beside.data);
  return found;
}

safeserial_verified *safeserial_verify_file(const char *model, const char *signature,
                                            const safeserial_key *const *keys, size_t key_count,
                                            safeserial_error *error) {
  ss_bytes file, beside = {NULL, 0};
  bool there = true;
  if (!ss_read(model, MOST_MODEL, NULL, &file, error)) return NULL;
  ss_buffer path = {0};
  ss_puts(&path, signature ? signature : model);
  if (!signature) ss_puts(&path, ".sig");
  ss_put(&path, "", 1);
  bool read = path.failed
                  ? ss_memory(error)
                  : ss_read(path.data, MOST_SIGNATURE, signature ? NULL : &there, &beside, error);
  free(path.data);
  if (!read) {
    free(file.data);
    return NULL;
  }
  safeserial_verified *found = verify(file, beside, keys, key_count, error);
  free(beside.data);
  return found;
}

void safeserial_verified_free(safeserial_verified *verified) {
  if (!verified) return;
  ss_verified *found = (ss_verified *)verified;
  json_decref(found->said);
  free(found->signers);
  free(found->metadata);
  free(found->classes);
  free(found->file);
  free(found);
}
