/* SPDX-License-Identifier: BSD-3-Clause */
/* Verify a signed ONNX model of safeserial, then run it with ONNX Runtime.
 *
 * A model comes as `model.onnx` with `model.onnx.sig`, or as one file `model.safeserial`.  Files
 * are read once; ONNX Runtime gets the very bytes that were verified, and nothing before that.
 *
 * Functions that can fail return NULL or false and fill `error`, which may be NULL.  Whatever a
 * function returns for the caller to free has a function that frees it; these all take NULL.
 * Texts are UTF-8 and end with a zero byte.  A model may be used by several threads at once. */
#ifndef SAFESERIAL_ONNX_H
#define SAFESERIAL_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is wrong and what to do about it.  `code` is one of "format", "unsigned", "unknown-key",
 * "bad-signature", "digest", "unsupported", "key", "rows", "runtime". */
typedef struct {
  char code[16];
  char message[480];
  char hint[160];
} safeserial_error;

/* ---- Keys ---------------------------------------------------------------------------------- */

/* A public key (Ed25519, ECDSA on P-256, P-384 or P-521), or a shared secret (HMAC-SHA256). */
typedef struct safeserial_key safeserial_key;

/* Read a key from a text: the PEM of a public key, or the one line of a shared secret. */
safeserial_key *safeserial_key_read(const char *text, size_t size, safeserial_error *error);

/* Read a key from a file. */
safeserial_key *safeserial_key_open(const char *path, safeserial_error *error);

/* Return the name by which signatures call the key, for instance "ed25519-0123...". */
const char *safeserial_key_id(const safeserial_key *key);

/* Free a key.  Models and what was verified do not need it any more. */
void safeserial_key_free(safeserial_key *key);

/* ---- Verifying ------------------------------------------------------------------------------ */

/* A model whose signature is right, and what its signers say of it.  Read only. */
typedef struct {
  const unsigned char *data; /* the ONNX model */
  size_t size;
  const char *const *signers; /* the ids of your keys that signed, at least one */
  size_t signer_count;
  const char *name;     /* "" if the signers do not say */
  const char *version;  /* the same */
  const char *created;  /* UTC, for instance "2026-11-22T08:00:00Z", or "" */
  const char *metadata; /* a JSON object */
  const char *classes;  /* a JSON list, or NULL */
} safeserial_verified;

/* Verify bytes: a `.onnx` file and its signature, or a `.safeserial` file (signature NULL, 0).
 * The bytes are copied first, so that nobody can change them between the check and the use. */
safeserial_verified *safeserial_verify(const void *model, size_t model_size, const void *signature,
                                       size_t signature_size, const safeserial_key *const *keys,
                                       size_t key_count, safeserial_error *error);

/* The same with files.  With `signature` NULL it is looked for in the file MODEL.sig. */
safeserial_verified *safeserial_verify_file(const char *model, const char *signature,
                                            const safeserial_key *const *keys, size_t key_count,
                                            safeserial_error *error);

void safeserial_verified_free(safeserial_verified *verified);

/* ---- Running -------------------------------------------------------------------------------- */

typedef struct safeserial_model safeserial_model;

/* An input or output of the graph.  `type` is "float32", "float64", "int64", "int32", "bool",
 * "string" or "another"; a size in `shape` is -1 where the graph leaves it open. */
typedef struct {
  const char *name;
  const char *type;
  const int64_t *shape;
  const char *const *symbols; /* what the graph calls an open size, or "" */
  size_t rank;
} safeserial_port;

/* Load a verified model into ONNX Runtime.  The model owns `verified` from here on, and it is freed
 * if loading fails.  `engine` is the path of ONNX Runtime's library; NULL takes the one that the
 * system's loader finds (the program's rpath, LD_LIBRARY_PATH, ld.so.conf).
 *
 * ONNX Runtime's usage data are switched off: ORT_DISABLE_TELEMETRY is set in the environment if it
 * is not set.  A program whose other threads use getenv meanwhile sets it itself, before them. */
safeserial_model *safeserial_load(safeserial_verified *verified, const char *engine,
                                  safeserial_error *error);

/* Verify a file, then load it: safeserial_verify_file and safeserial_load in one call. */
safeserial_model *safeserial_open(const char *model, const char *signature,
                                  const safeserial_key *const *keys, size_t key_count,
                                  safeserial_error *error);

const safeserial_verified *safeserial_said(const safeserial_model *model);
const safeserial_port *safeserial_inputs(const safeserial_model *model, size_t *count);
const safeserial_port *safeserial_outputs(const safeserial_model *model, size_t *count);
void safeserial_close(safeserial_model *model);

typedef enum {
  SAFESERIAL_MISSING = 0, /* NaN or "" to the model; not for integers and booleans */
  SAFESERIAL_NUMBER,
  SAFESERIAL_INTEGER,
  SAFESERIAL_BOOL,
  SAFESERIAL_TEXT,
  SAFESERIAL_LIST /* several values, for a model of a bare array */
} safeserial_kind;

/* A value of one column. */
typedef struct safeserial_value {
  safeserial_kind kind;
  double number;                        /* of SAFESERIAL_NUMBER */
  int64_t integer;                      /* of SAFESERIAL_INTEGER, and 0 or 1 of SAFESERIAL_BOOL */
  const char *text;                     /* of SAFESERIAL_TEXT */
  const struct safeserial_value *items; /* of SAFESERIAL_LIST */
  size_t count;
} safeserial_value;

typedef struct {
  const char *column; /* NULL: the only column of a model that has one */
  safeserial_value value;
} safeserial_cell;

/* A row: every column that the model takes, in any order.  Other columns are passed over. */
typedef struct {
  const safeserial_cell *cells;
  size_t count;
} safeserial_record;

typedef struct safeserial_answers safeserial_answers;

/* What the model says of all rows under one name.  Exactly one of the three lists is there; it has
 * `width` values a row, those of the first row first. */
typedef struct {
  const char *name; /* "label", "probabilities", or the graph's own name */
  size_t rows;
  size_t width;
  bool list; /* whether a row has a list (perhaps of one value) or a value */
  const double *numbers;
  const int64_t *integers;
  const char *const *texts;
} safeserial_output;

/* Answer some records. */
safeserial_answers *safeserial_predict(const safeserial_model *model,
                                       const safeserial_record *records, size_t count,
                                       safeserial_error *error);

/* Return the output of a name, or NULL if the model has none. */
const safeserial_output *safeserial_answers_get(const safeserial_answers *answers,
                                                const char *name);

/* Return all outputs in the graph's order. */
const safeserial_output *safeserial_answers_all(const safeserial_answers *answers, size_t *count);

void safeserial_answers_free(safeserial_answers *answers);

/* Tell answers as JSON: a list with an object a row, which the caller frees with free(). */
char *safeserial_answers_json(const safeserial_answers *answers, safeserial_error *error);

/* Answer records that are given as JSON: a list of objects (column name to number, text, true,
 * false or null), or, for a model of one input, of bare values.  Returns a JSON list of objects,
 * which the caller frees with free(). */
char *safeserial_predict_json(const safeserial_model *model, const char *rows, size_t size,
                              safeserial_error *error);

#ifdef __cplusplus
}
#endif

#endif
