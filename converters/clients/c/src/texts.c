/* SPDX-License-Identifier: BSD-3-Clause */
/* Base64, hex and JSON, each in the one form that the specification allows. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

enum { MOST_VALUES = 1 << 19, CANONICAL_LEVELS = 32 };
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Read base64: the standard alphabet, padded, no spare bits, no white space, at least a byte. */
bool ss_base64(const char *text, size_t size, ss_bytes *out) {
  *out = (ss_bytes){NULL, 0};
  if (size == 0 || size % 4 != 0 || size > INT_MAX / 2) return false;
  size_t padding = (size_t)(text[size - 1] == '=') + (size_t)(text[size - 2] == '=');
  if (padding == 2 && text[size - 1] != '=') return false;
  for (size_t at = 0; at < size - padding; at += 1) {
    if (text[at] == 0 || !strchr(ALPHABET, text[at])) return false;
  }
  unsigned char *found = malloc(size / 4 * 3 + 1);
  unsigned char *again = malloc(size + 1);
  bool right = found && again;
  if (right) {
    int whole = EVP_DecodeBlock(found, (const unsigned char *)text, (int)size);
    right = whole == (int)(size / 4 * 3);
    size_t length = size / 4 * 3 - padding;
    right = right && EVP_EncodeBlock(again, found, (int)length) == (int)size &&
            memcmp(again, text, size) == 0;
    *out = (ss_bytes){found, length};
  }
  free(again);
  if (!right) {
    free(found);
    *out = (ss_bytes){NULL, 0};
  }
  return right;
}

void ss_hex(const unsigned char *data, size_t size, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t at = 0; at < size; at += 1) {
    *out++ = digits[data[at] >> 4];
    *out++ = digits[data[at] & 15];
  }
  *out = 0;
}

bool ss_is_hex(const char *text, size_t digits) {
  return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static bool shallow(const json_t *value, int levels) {
  if (levels < 0) return false;
  const char *key;
  json_t *one;
  size_t at;
  if (json_is_array(value)) {
    json_array_foreach(value, at, one) {
      if (!shallow(one, levels - 1)) return false;
    }
  }
  json_object_foreach((json_t *)value, key, one) {
    if (!shallow(one, levels - 1)) return false;
  }
  return true;
}

/* Read JSON in which no object has a key twice.  Jansson refuses bytes that are no UTF-8, halves of
 * surrogate pairs, U+0000, numbers that are too large, and stops at a depth of 2,048. */
json_t *ss_json(const void *data, size_t size, int levels, const char *what,
                safeserial_error *error) {
  const char *text = data;
  size_t values = 0;
  for (size_t at = 0; at < size; at += 1) {
    values += text[at] == ',' || text[at] == '[' || text[at] == '{';
  }
  if (values > MOST_VALUES) {
    ss_bad(error, "%s has too many values", what);
    return NULL;
  }
  json_error_t why;
  json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
  if (!value) {
    if (json_error_code(&why) == json_error_duplicate_key)
      ss_bad(error, "%s has a key twice", what);
    else ss_bad(error, "%s is not JSON as it should be", what);
    return NULL;
  }
  if (!shallow(value, levels)) {
    ss_bad(error, "%s is nested too deep", what);
    json_decref(value);
    return NULL;
  }
  return value;
}

static void put_unit(ss_buffer *out, unsigned unit) {
  char text[8];
  (void)snprintf(text, sizeof text, "\\u%04x", unit & 0xffff);
  ss_puts(out, text);
}

/* Jansson's texts are UTF-8 without fault. */
static void put_text(ss_buffer *out, const char *text) {
  static const char plain[] = "\"\\\b\t\n\f\r", letters[] = "\"\\btnfr";
  const unsigned char *at = (const unsigned char *)text;
  ss_puts(out, "\"");
  while (*at) {
    const char *found = strchr(plain, *at);
    unsigned code = *at;
    int more = code >= 0xf0 ? 3 : code >= 0xe0 ? 2 : code >= 0xc0 ? 1 : 0;
    if (more) code &= 0x3fu >> more;
    for (at += 1; more > 0; more -= 1) code = code << 6 | (*at++ & 0x3f);
    if (found) {
      ss_put(out, (char[]){'\\', letters[found - plain]}, 2);
    } else if (code >= 0x20 && code <= 0x7e) {
      ss_put(out, (char[]){(char)code}, 1);
    } else if (code > 0xffff) {
      put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
      put_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    } else {
      put_unit(out, code);
    }
  }
  ss_puts(out, "\"");
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool put_value(ss_buffer *out, json_t *value);

static bool put_object(ss_buffer *out, json_t *value) {
  size_t count = json_object_size(value), at = 0;
  const char **keys = malloc((count + 1) * sizeof *keys);
  if (!keys) return false;
  const char *key;
  json_t *one;
  json_object_foreach(value, key, one) keys[at++] = key;
  qsort(keys, count, sizeof *keys, by_name);
  bool right = true;
  ss_puts(out, "{");
  for (at = 0; right && at < count; at += 1) {
    for (const char *letter = keys[at]; *letter; letter += 1) right = right && *letter > 0;
    if (at) ss_puts(out, ",");
    put_text(out, keys[at]);
    ss_puts(out, ":");
    right = right && put_value(out, json_object_get(value, keys[at]));
  }
  ss_puts(out, "}");
  free(keys);
  return right;
}

/* Write a value in its one spelling; false if it has none. */
static bool put_value(ss_buffer *out, json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT: return put_object(out, value);
    case JSON_ARRAY: {
      size_t at;
      json_t *one;
      ss_puts(out, "[");
      json_array_foreach(value, at, one) {
        if (at) ss_puts(out, ",");
        if (!put_value(out, one)) return false;
      }
      ss_puts(out, "]");
      return true;
    }
    case JSON_STRING: put_text(out, json_string_value(value)); return true;
    case JSON_INTEGER: {
      long long number = json_integer_value(value);
      char text[32];
      (void)snprintf(text, sizeof text, "%lld", number);
      ss_puts(out, text);
      return number > -(1LL << 53) && number < 1LL << 53;
    }
    case JSON_TRUE: ss_puts(out, "true"); return true;
    case JSON_FALSE: ss_puts(out, "false"); return true;
    case JSON_NULL: ss_puts(out, "null"); return true;
    case JSON_REAL: break;
  }
  return false;
}

/* Read JSON that has exactly one spelling (section 4 of the format's specification). */
json_t *ss_canonical(const void *data, size_t size, const char *what, safeserial_error *error) {
  json_t *value = ss_json(data, size, CANONICAL_LEVELS, what, error);
  if (!value) return NULL;
  ss_buffer again = {0};
  bool right = put_value(&again, value) && !again.failed && again.size == size &&
               memcmp(again.data, data, size) == 0;
  free(again.data);
  if (right) return value;
  ss_bad(error, "%s is not in canonical form", what);
  json_decref(value);
  return NULL;
}

static bool listed(const char *const *list, const char *name) {
  for (; *list; list += 1) {
    if (strcmp(*list, name) == 0) return true;
  }
  return false;
}

/* Say whether a value is an object with the needed fields, perhaps the optional ones, no others. */
bool ss_fields(const json_t *value, const char *what, const char *const *needed,
               const char *const *optional, safeserial_error *error) {
  if (!json_is_object(value)) return ss_bad(error, "%s is no object", what);
  for (const char *const *one = needed; *one; one += 1) {
    if (!json_object_get(value, *one)) return ss_bad(error, "%s has no %s", what, *one);
  }
  const char *key;
  json_t *one;
  json_object_foreach((json_t *)value, key, one) {
    if (!listed(needed, key) && !listed(optional, key)) {
      return ss_bad(error, "%s has an unknown field", what);
    }
  }
  return true;
}
