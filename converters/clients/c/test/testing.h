/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests share: files of the vectors' folder, and a count of what went right. */
#ifndef SS_TESTING_H
#define SS_TESTING_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../src/internal.h"

static int ss_passed, ss_failures;

static inline bool check(bool right, const char *name, const char *why) {
  if (right) ss_passed += 1;
  else ss_failures += 1;
  if (!right) printf("not ok - %s: %s\n", name, why);
  return right;
}

static inline const char *place(const char *name) {
  static char paths[8][1024];
  static size_t turn;
  const char *folder = getenv("SAFESERIAL_VECTORS");
  char *path = paths[turn++ % 8];
  (void)snprintf(path, sizeof *paths, "%s/%s", folder ? folder : "../vectors", name);
  return path;
}

static inline ss_bytes content(const char *name) {
  ss_bytes out;
  safeserial_error error;
  if (ss_read(place(name), 1 << 24, NULL, &out, &error)) return out;
  printf("not ok - %s\n", error.message);
  exit(1);
}

static inline json_t *json_of(const char *name) {
  json_t *value = json_load_file(place(name), 0, NULL);
  if (value) return value;
  printf("not ok - %s is not JSON\n", name);
  exit(1);
}

static inline safeserial_key *key_of(const char *name) {
  safeserial_error error;
  safeserial_key *key = safeserial_key_open(place(name), &error);
  if (key) return key;
  printf("not ok - %s: %s\n", name, error.message);
  exit(1);
}

#endif
