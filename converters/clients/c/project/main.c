/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: answer [--key FILE] [--folder FOLDER] [ROWS] answers rows of a file, or of standard
 * input, a JSON list of records or CSV.  FOLDER has the model; it is that of the program. */
#include "model.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSED = 1, USAGE = 2, MOST = 1 << 29 };
static const char HOW[] = "answer [--key FILE] [--folder FOLDER] [ROWS]";

static int fail(int code, const char *message, const char *hint) {
  fprintf(stderr, "error: %s\nhint: %s\n", message, hint);
  return code;
}

/* Read a stream to its end; NULL if it is too much, or cannot be read. */
static char *all_of(FILE *stream, size_t *size) {
  size_t room = 1 << 16;
  char *text = malloc(room);
  for (*size = 0; text;) {
    *size += fread(text + *size, 1, room - *size, stream);
    if (*size < room && !ferror(stream)) return text;
    char *grown = room < MOST && !ferror(stream) ? realloc(text, room * 2) : NULL;
    room *= 2;
    if (!grown) free(text);
    text = grown;
  }
  return NULL;
}

/* Return the folder of the program, as it was called. */
static char *own_folder(const char *program) {
  const char *slash = program ? strrchr(program, '/') : NULL;
  size_t size = slash && slash > program ? (size_t)(slash - program) : 1;
  char *folder = calloc(size + 1, 1);
  if (folder) memcpy(folder, slash ? program : ".", size);
  return folder;
}

int main(int count, char **arguments) {
  const char *key = NULL, *folder = NULL, *place = NULL;
  for (int at = 1; at < count; at += 1) {
    const char **taken = strcmp(arguments[at], "--key") == 0      ? &key
                         : strcmp(arguments[at], "--folder") == 0 ? &folder
                                                                  : NULL;
    if (taken && at + 1 == count) return fail(USAGE, "an option has no value", HOW);
    if (taken) *taken = arguments[at += 1];
    else if (arguments[at][0] == '-') return fail(USAGE, "there is no such option", HOW);
    else if (place) return fail(USAGE, "name one file of rows", HOW);
    else place = arguments[at];
  }
  FILE *stream = place ? fopen(place, "rb") : stdin;
  if (!stream) return fail(USAGE, strerror(errno), "name a file of rows that can be read");
  safeserial_error error = {"", "there is not enough memory", "give the program more of it"};
  char *own = own_folder(arguments[0]), *rows = NULL, *told = NULL;
  safeserial_model *model = own ? model_open(folder ? folder : own, key, &error) : NULL;
  size_t size = 0;
  if (model) {
    rows = all_of(stream, &size);
    if (rows) told = model_predict_text(model, rows, size, &error);
    else
      error = (safeserial_error){"rows", "the rows cannot be read, or are too many",
                                 "give them in parts"};
  }
  if (place) (void)fclose(stream);
  safeserial_close(model);
  free(own);
  free(rows);
  int code = told ? 0 : fail(REFUSED, error.message, error.hint);
  if (told && (puts(told) < 0 || fflush(stdout) != 0)) {
    code = fail(REFUSED, "standard output cannot be written", "look where it leads");
  }
  free(told);
  return code;
}
