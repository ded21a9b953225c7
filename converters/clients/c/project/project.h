/* SPDX-License-Identifier: BSD-3-Clause */
/* A project for one model: what its files share.  `model.h` and `columns.c` are written for the
 * model, the others are the same for all. */
#ifndef PROJECT_H
#define PROJECT_H

#include <safeserial_onnx.h>

typedef enum {
  MODEL_FLOAT32,
  MODEL_FLOAT64,
  MODEL_INT32,
  MODEL_INT64,
  MODEL_BOOL,
  MODEL_STRING
} model_type;

/* A column, and the field of model_row that stands for it. */
typedef struct {
  const char *name;
  const char *field;
  model_type type;
  size_t width;    /* values a row; 0: any number of them, and the field is a pointer */
  size_t at;       /* of the field in model_row */
  size_t count_at; /* where `width` is 0: of the field that says how many */
} model_column;

/* columns.c */
extern const model_column MODEL_COLUMNS[];
extern const size_t MODEL_COLUMN_COUNT;
extern const bool MODEL_IS_ARRAY; /* one column of many values, which are a CSV's columns */
extern const char MODEL_FILE[];
extern const char *const MODEL_KEY; /* NULL: a shared secret, which is in a file of yours */

/* csv.c: answer rows of a CSV text, whose first line names the columns. */
safeserial_answers *model_predict_csv(const safeserial_model *model, const char *text, size_t size,
                                      safeserial_error *error);

#endif
