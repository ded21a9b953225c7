/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this library share.  Nothing here is for users of it. */
#ifndef SS_INTERNAL_H
#define SS_INTERNAL_H

#include <jansson.h>
#include "safeserial_onnx.h"

typedef struct {
  unsigned char *data;
  size_t size;
} ss_bytes;

/* A text or byte string that grows.  After memory ran out it stays as it is and `failed`. */
typedef struct {
  char *data;
  size_t size, room;
  bool failed;
} ss_buffer;

/* errors.c */
bool ss_fail(safeserial_error *error, const char *code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool ss_bad(safeserial_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool ss_memory(safeserial_error *error);
void ss_put(ss_buffer *buffer, const void *data, size_t size);
void ss_puts(ss_buffer *buffer, const char *text);
char *ss_copy(const char *text);

/* files.c: read a regular file once, up to `most` bytes.  `found` NULL: it must be there. */
bool ss_read(const char *path, size_t most, bool *found, ss_bytes *out, safeserial_error *error);

/* texts.c */
#define SS_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SS_NONE ((const char *const[]){NULL})
bool ss_base64(const char *text, size_t size, ss_bytes *out);
void ss_hex(const unsigned char *data, size_t size, char *out);
bool ss_is_hex(const char *text, size_t digits);
json_t *ss_json(const void *data, size_t size, int levels, const char *what,
                safeserial_error *error);
json_t *ss_canonical(const void *data, size_t size, const char *what, safeserial_error *error);
bool ss_fields(const json_t *value, const char *what, const char *const *needed,
               const char *const *optional, safeserial_error *error);

/* keys.c */
#define SS_DIGEST 65
const char *ss_key_hint(const safeserial_key *key);
bool ss_key_is_curve(const safeserial_key *key);
bool ss_key_fits(const safeserial_key *key, ss_bytes message, ss_bytes value, const char *purpose);
bool ss_message(const char *type, const void *body, size_t size, ss_bytes *out);
bool ss_sha256(const void *data, size_t size, char out[SS_DIGEST]);
bool ss_same_digest(const char *algorithm, const char *wanted, const void *data, size_t size,
                    safeserial_error *error);

/* artifact.c, bundle.c: where the model lies in the file, and what is said of it, as a new object
 * with `signers`, `name`, `version`, `created`, `metadata` and perhaps `classes`. */
bool ss_is_artifact(const unsigned char *data, size_t size);
json_t *ss_verify_artifact(const unsigned char *data, size_t size,
                           const safeserial_key *const *keys, size_t count, size_t *at,
                           size_t *length, safeserial_error *error);
json_t *ss_verify_beside(const unsigned char *data, size_t size, ss_bytes signature,
                         const safeserial_key *const *keys, size_t count, safeserial_error *error);
json_t *ss_said(const char *const *signers, size_t count, const json_t *from);

/* manifest.c */
bool ss_manifest(const json_t *manifest, safeserial_error *error);
bool ss_is_date(const char *text);

/* onnx.c: refuse what is no ONNX model of one file; `classes` gets a new list, or NULL. */
bool ss_check_onnx(const unsigned char *data, size_t size, json_t **classes,
                   safeserial_error *error);

/* zip.c */
#define SS_TOP 0xffffffffu
typedef struct {
  const char *path;
  uint32_t size, crc, at;
} ss_member;
size_t ss_local_header(ss_member member, unsigned char out[512]);
size_t ss_tail(const ss_member *members, size_t count, uint32_t at, unsigned char out[2048]);
uint32_t ss_crc32(const unsigned char *data, size_t size);

/* engine.c, run.c: the model in ONNX Runtime. */
typedef struct ss_engine ss_engine;
typedef enum {
  SS_FLOAT = 1,
  SS_INT32 = 6,
  SS_INT64 = 7,
  SS_TEXT = 8,
  SS_BOOL = 9,
  SS_DOUBLE = 11
} ss_type;
typedef struct {
  ss_type type;
  size_t rank;
  const int64_t *shape;
  void *numbers;      /* of all types but SS_TEXT */
  const char **texts; /* of SS_TEXT */
  size_t count;
} ss_tensor;
ss_engine *ss_engine_open(const char *path, const void *model, size_t size,
                          safeserial_error *error);
const safeserial_port *ss_engine_ports(const ss_engine *engine, bool outputs, size_t *count);
int ss_engine_type(const ss_engine *engine, size_t input);
bool ss_engine_run(const ss_engine *engine, const ss_tensor *feed, safeserial_answers *into,
                   size_t rows, safeserial_error *error);
void ss_engine_close(ss_engine *engine);

/* model.c */
struct safeserial_answers {
  safeserial_output *outputs;
  size_t count;
};

/* rows.c */
bool ss_feed(const ss_engine *engine, const safeserial_record *records, size_t count,
             ss_tensor **feed, safeserial_error *error);
void ss_feed_free(ss_tensor *feed, size_t count);

#endif
