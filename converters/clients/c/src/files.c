/* SPDX-License-Identifier: BSD-3-Clause */
/* Files are opened once, read once, and not without bound. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

static bool refuse(const char *path, const char *why, safeserial_error *error) {
  return ss_fail(error, "format", "look at the path", "cannot read %s: %s", path, why);
}

static bool content(int file, const char *path, size_t most, ss_bytes *out,
                    safeserial_error *error) {
  struct stat facts;
  if (fstat(file, &facts) != 0) return refuse(path, strerror(errno), error);
  if (!S_ISREG(facts.st_mode)) return refuse(path, "it is no regular file", error);
  if ((uintmax_t)facts.st_size > most) return refuse(path, "it is too large", error);
  size_t size = (size_t)facts.st_size;
  out->data = malloc(size + 1);
  if (!out->data) return ss_memory(error);
  while (out->size < size) {
    ssize_t got = read(file, out->data + out->size, size - out->size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(path, strerror(errno), error);
    if (got == 0) break; /* it became shorter: then that is what it is */
    out->size += (size_t)got;
  }
  return true;
}

bool ss_read(const char *path, size_t most, bool *found, ss_bytes *out, safeserial_error *error) {
  *out = (ss_bytes){NULL, 0};
  if (found) *found = true;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0 && errno == ENOENT && found) {
    *found = false;
    return true;
  }
  if (file < 0) return refuse(path, strerror(errno), error);
  bool done = content(file, path, most, out, error);
  (void)close(file);
  if (!done) {
    free(out->data);
    *out = (ss_bytes){NULL, 0};
  }
  return done;
}
