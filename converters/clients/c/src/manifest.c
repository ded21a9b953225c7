/* SPDX-License-Identifier: BSD-3-Clause */
/* The manifest of an artifact (docs/spec/format-v1.md, section 6), read once its signature was
 * found right. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "internal.h"

/* Section 6: `payload` and one to four segments. */
static bool is_path(const char *path) {
  static const char inner[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  if (strncmp(path, "payload/", 8) != 0 || strstr(path, "..")) return false;
  int segments = 0;
  for (const char *at = path + 7; *at == '/'; segments += 1) {
    size_t size = strspn(at + 1, inner);
    if (size < 1 || size > 100 || at[1] == '.' || at[1] == '-' || at[size] == '.') return false;
    at += 1 + size;
    if (*at && *at != '/') return false;
  }
  return segments >= 1 && segments <= 4;
}

/* Say whether a date is not more than five minutes from now: such texts sort as what they say. */
static bool is_past(const char *text) {
  time_t latest = time(NULL) + 300;
  struct tm parts;
  char limit[64];
  if (!gmtime_r(&latest, &parts)) return false;
  if (!strftime(limit, sizeof limit, "%Y-%m-%dT%H:%M:%SZ", &parts)) return false;
  return strcmp(text, limit) <= 0;
}

/* Say whether a text is a date of the calendar, as `2026-11-22T08:00:00Z`, and not one to come. */
bool ss_is_date(const char *text) {
  static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
  static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (strlen(text) != strlen(form)) return false;
  for (size_t at = 0; form[at]; at += 1) {
    if (form[at] == 'd' ? !(text[at] >= '0' && text[at] <= '9') : text[at] != form[at])
      return false;
  }
  int year = atoi(text), month = atoi(text + 5), day = atoi(text + 8);
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > days[month - 1]) return false;
  if ((month == 2 && day == 29 && !leap) || atoi(text + 11) > 23) return false;
  return atoi(text + 14) <= 59 && atoi(text + 17) <= 59 && is_past(text);
}

static bool text_or_null(const json_t *value) {
  return !value || json_is_string(value) || json_is_null(value);
}

static bool texts(const json_t *list) {
  size_t at;
  json_t *one;
  bool right = json_is_array(list);
  json_array_foreach(list, at, one) right = right && json_is_string(one);
  return right;
}

/* What `model` and `environment` say is not shown, but for the classes; they have one shape. */
static bool facts_are_right(const json_t *manifest, safeserial_error *error) {
  const json_t *environment = json_object_get(manifest, "environment");
  const json_t *model = json_object_get(manifest, "model");
  const char *const *parts = SS_LIST("python", "implementation", "platform", "packages");
  const char *const *facts = SS_LIST("n_features", "feature_names", "classes");
  if (!ss_fields(environment, "the environment", parts, SS_NONE, error) ||
      !ss_fields(model, "the model", SS_LIST("class_name"), facts, error)) {
    return false;
  }
  const json_t *packages = json_object_get(environment, "packages"), *one;
  const char *key;
  bool right = json_is_object(packages) && json_is_string(json_object_get(model, "class_name"));
  for (; *parts && strcmp(*parts, "packages") != 0; parts += 1) {
    right = right && json_is_string(json_object_get(environment, *parts));
  }
  json_object_foreach((json_t *)packages, key, one) right = right && json_is_string(one);
  one = json_object_get(model, "n_features");
  right = right && (!one || json_is_null(one) || json_is_integer(one));
  one = json_object_get(model, "feature_names");
  right = right && (!one || json_is_null(one) || texts(one));
  const json_t *classes = json_object_get(model, "classes");
  right = right && (!classes || json_is_null(classes) || json_is_array(classes));
  size_t at;
  json_array_foreach(classes, at, one) right =
      right && (json_is_string(one) || json_is_integer(one) || json_is_boolean(one));
  return right || ss_bad(error, "a field of the manifest is of another type");
}

/* Read what a manifest says of its only member. */
static bool member_is_right(const json_t *member, safeserial_error *error) {
  if (!ss_fields(member, "the member", SS_LIST("path", "size", "digest", "crc32"), SS_NONE,
                 error)) {
    return false;
  }
  const char *path = json_string_value(json_object_get(member, "path"));
  const char *digest = json_string_value(json_object_get(member, "digest"));
  const char *crc = json_string_value(json_object_get(member, "crc32"));
  const json_t *size = json_object_get(member, "size");
  if (!path || !is_path(path)) return ss_bad(error, "the member has a wrong path");
  if (!json_is_integer(size) || json_integer_value(size) < 0) {
    return ss_bad(error, "the member has a wrong size");
  }
  if (!digest || !((strncmp(digest, "sha256:", 7) == 0 || strncmp(digest, "blake3:", 7) == 0) &&
                   ss_is_hex(digest + 7, 64))) {
    return ss_bad(error, "the member has a wrong digest");
  }
  if (!crc || !ss_is_hex(crc, 8)) return ss_bad(error, "the member has a wrong CRC-32");
  return true;
}

/* Check a manifest, as section 6 says, whose payload is to be ONNX. */
bool ss_manifest(const json_t *manifest, safeserial_error *error) {
  const char *schema = json_string_value(json_object_get(manifest, "schema"));
  if (!schema || strcmp(schema, "safeserial/manifest/v1") != 0) {
    return ss_fail(error, "unsupported", "use a later version of this program",
                   "the manifest is of another version");
  }
  if (!ss_fields(manifest, "the manifest",
                 SS_LIST("created", "environment", "format", "globals", "members", "model",
                         "options", "schema"),
                 SS_LIST("metadata", "name", "version"), error)) {
    return false;
  }
  const char *format = json_string_value(json_object_get(manifest, "format"));
  if (!format || strcmp(format, "onnx") != 0) {
    return ss_fail(error, "unsupported", "ask for it as ONNX: safeserial convert --to onnx",
                   "the artifact holds %s, not ONNX", format ? format : "something");
  }
  const json_t *metadata = json_object_get(manifest, "metadata");
  const json_t *options = json_object_get(manifest, "options");
  if (!json_is_object(options) || json_object_size(options) > 0 ||
      !texts(json_object_get(manifest, "globals")) ||
      !(metadata == NULL || json_is_object(metadata)) ||
      !text_or_null(json_object_get(manifest, "name")) ||
      !text_or_null(json_object_get(manifest, "version"))) {
    return ss_bad(error, "a field of the manifest is of another type");
  }
  if (!facts_are_right(manifest, error)) return false;
  const json_t *members = json_object_get(manifest, "members");
  if (json_array_size(members) != 1) return ss_bad(error, "an ONNX artifact has one member");
  if (!member_is_right(json_array_get(members, 0), error)) return false;
  const char *created = json_string_value(json_object_get(manifest, "created"));
  return (created && ss_is_date(created)) || ss_bad(error, "the date is wrong or in the future");
}
