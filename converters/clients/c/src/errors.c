/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong, in words; and memory that grows. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

static const char AGAIN[] = "ask the sender for the file again";

/* Words of others stand in messages: no control characters, no half of a character at the end. */
static void tidy(char *text, size_t room) {
  size_t size = strlen(text);
  if (size + 1 == room) {
    while (size > 0 && ((unsigned char)text[size - 1] & 0xc0) == 0x80) size -= 1;
    if (size > 0 && (unsigned char)text[size - 1] >= 0xc0) size -= 1;
    text[size] = 0;
  }
  for (char *at = text; *at; at += 1) {
    if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
  }
}

static void fill(safeserial_error *error, const char *code, const char *hint, const char *format,
                 va_list list) {
  if (!error) return;
  (void)snprintf(error->code, sizeof error->code, "%s", code);
  (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
  (void)vsnprintf(error->message, sizeof error->message, format, list);
  tidy(error->message, sizeof error->message);
}

bool ss_fail(safeserial_error *error, const char *code, const char *hint, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fill(error, code, hint, format, list);
  va_end(list);
  return false;
}

/* The common case: the file is not as the specification says. */
bool ss_bad(safeserial_error *error, const char *format, ...) {
  va_list list;
  va_start(list, format);
  fill(error, "format", AGAIN, format, list);
  va_end(list);
  return false;
}

bool ss_memory(safeserial_error *error) {
  return ss_fail(error, "runtime", "give the program more of it", "there is not enough memory");
}

void ss_put(ss_buffer *buffer, const void *data, size_t size) {
  if (buffer->failed || size == 0) return;
  if (size > SIZE_MAX / 4 - buffer->size) {
    buffer->failed = true;
    return;
  }
  if (buffer->size + size > buffer->room) {
    size_t room = (buffer->size + size) * 2;
    char *grown = realloc(buffer->data, room);
    if (!grown) {
      buffer->failed = true;
      return;
    }
    buffer->data = grown;
    buffer->room = room;
  }
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
}

void ss_puts(ss_buffer *buffer, const char *text) { ss_put(buffer, text, strlen(text)); }

char *ss_copy(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  if (copy) memcpy(copy, text, size);
  return copy;
}
