/* SPDX-License-Identifier: BSD-3-Clause */
/* The in-toto statement that is signed beside a file, read once its signature was found right. */
#include "statement.h"
#include <string.h>

enum { LEVELS = 16, MOST_STATEMENT = 16 << 20 };

static bool is(const json_t *value, const char *text) {
  const char *found = json_string_value(value);
  return found && strcmp(found, text) == 0;
}

static bool unsupported(safeserial_error *error, const char *why) {
  return ss_fail(error, "unsupported", "sign the .onnx file itself, with: safeserial sign", "%s",
                 why);
}

/* Say whether all are names of files in a folder: what is left out concerns folders, but has a
 * form. */
static bool are_names(const json_t *list) {
  size_t at;
  json_t *one;
  bool right = json_is_array(list);
  json_array_foreach(list, at, one) {
    const char *part = json_string_value(one);
    right = right && part && !strchr(part, '\\');
    for (size_t size = 0; right; part += size + 1) {
      size = strcspn(part, "/");
      right = size > 0 && !(part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.')));
      if (part[size] == 0) break;
    }
  }
  return right;
}

/* Check how the model was hashed. */
static bool hashed_as_usual(const json_t *how, bool ours, safeserial_error *error) {
  if (!ss_fields(how, "serialization", SS_LIST("method", "hash_type", "allow_symlinks"),
                 SS_LIST("ignore_paths"), error)) {
    return false;
  }
  const json_t *type = json_object_get(how, "hash_type");
  const json_t *ignored = json_object_get(how, "ignore_paths");
  if (ignored && !are_names(ignored)) return ss_bad(error, "a name that is left out is none");
  if (is(json_object_get(how, "method"), "files") &&
      json_is_false(json_object_get(how, "allow_symlinks")) &&
      (is(type, "sha256") || (ours && is(type, "blake3")))) {
    return true;
  }
  return unsupported(error, "the model is hashed in a way that is not read here");
}

/* The root is SHA-256 over the raw digest of the only file. */
static bool root_is_right(const json_t *subject, const char *digest, safeserial_error *error) {
  unsigned char raw[32];
  char root[SS_DIGEST];
  for (size_t at = 0; at < sizeof raw; at += 1) {
    static const char digits[] = "0123456789abcdef";
    size_t high = (size_t)(strchr(digits, digest[2 * at]) - digits);
    size_t low = (size_t)(strchr(digits, digest[2 * at + 1]) - digits);
    raw[at] = (unsigned char)(high << 4 | low);
  }
  const json_t *given = json_object_get(json_object_get(subject, "digest"), "sha256");
  if (ss_sha256(raw, sizeof raw, root) && is(given, root)) return true;
  return ss_fail(error, "digest", "do not use this model", "the digest of the whole is wrong");
}

static bool facts_are_right(const json_t *facts, safeserial_error *error) {
  static const char *const texts[] = {"created", "name", "version", NULL};
  if (!ss_fields(facts, "what the signer says", SS_NONE,
                 SS_LIST("created", "name", "version", "metadata"), error)) {
    return false;
  }
  for (const char *const *one = texts; *one; one += 1) {
    const json_t *value = json_object_get(facts, *one);
    if (value && !json_is_string(value) && !json_is_null(value)) {
      return ss_bad(error, "what the signer says of %s is no text", *one);
    }
  }
  const char *created = json_string_value(json_object_get(facts, "created"));
  if (created && !ss_is_date(created)) {
    return ss_bad(error, "the date is wrong or in the future");
  }
  const json_t *metadata = json_object_get(facts, "metadata");
  const char *key;
  json_t *one;
  bool right = !metadata || json_is_object(metadata);
  json_object_foreach((json_t *)metadata, key, one) right = right && json_is_string(one);
  return right || ss_bad(error, "the metadata is not text to text");
}

static bool read_statement(const json_t *said, bool ours, const unsigned char *data, size_t size,
                           json_t **facts, safeserial_error *error) {
  if (!ss_fields(said, "the statement", SS_LIST("_type", "subject", "predicateType", "predicate"),
                 SS_NONE, error)) {
    return false;
  }
  if (!is(json_object_get(said, "_type"), "https://in-toto.io/Statement/v1") ||
      !is(json_object_get(said, "predicateType"), "https://model_signing/signature/v1.0")) {
    return unsupported(error, "the statement is of another type");
  }
  const json_t *subjects = json_object_get(said, "subject");
  const json_t *subject = json_array_get(subjects, 0);
  if (json_array_size(subjects) != 1 || !json_is_object(subject)) {
    return ss_bad(error, "there is no subject");
  }
  const json_t *predicate = json_object_get(said, "predicate");
  if (!ss_fields(predicate, "the predicate", SS_LIST("resources", "serialization"), SS_NONE,
                 error)) {
    return false;
  }
  const json_t *how = json_object_get(predicate, "serialization");
  if (!hashed_as_usual(how, ours, error)) return false;
  const json_t *resources = json_object_get(predicate, "resources");
  if (json_array_size(resources) != 1) {
    return unsupported(error, "the signature is one of a folder");
  }
  const json_t *file = json_array_get(resources, 0);
  const char *algorithm = json_string_value(json_object_get(how, "hash_type"));
  const char *digest = json_string_value(json_object_get(file, "digest"));
  if (!is(json_object_get(file, "algorithm"), algorithm) || !digest || !ss_is_hex(digest, 64)) {
    return ss_bad(error, "the digest of the model has another form");
  }
  if (!root_is_right(subject, digest, error)) return false;
  const json_t *name = json_object_get(file, "name");
  if (!is(name, ".") &&
      !(json_is_string(name) && json_equal(name, json_object_get(subject, "name")))) {
    return unsupported(error, "the signature is one of a folder");
  }
  if (!ss_same_digest(algorithm, digest, data, size, error)) return false;
  const json_t *length = json_object_get(json_object_get(file, "annotations"), "safeserial/size");
  if (length && !(json_is_integer(length) && json_integer_value(length) == (json_int_t)size)) {
    return ss_fail(error, "digest", "do not use this model", "the model has another size");
  }
  *facts = json_object_get(json_object_get(subject, "annotations"), "safeserial/v1");
  return !*facts || facts_are_right(*facts, error);
}

bool ss_statement(ss_bytes payload, bool ours, const unsigned char *data, size_t size, json_t **out,
                  safeserial_error *error) {
  json_t *facts = NULL;
  if (payload.size > MOST_STATEMENT) return ss_bad(error, "the statement is too long");
  json_t *said = ss_json(payload.data, payload.size, LEVELS, "the statement", error);
  if (!said) return false;
  bool right = read_statement(said, ours, data, size, &facts, error);
  if (right) *out = facts ? json_incref(facts) : json_object();
  json_decref(said);
  return right && (*out || ss_memory(error));
}
