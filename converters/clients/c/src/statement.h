/* SPDX-License-Identifier: BSD-3-Clause */
/* What is signed beside a file: an in-toto statement of one model. */
#ifndef SS_STATEMENT_H
#define SS_STATEMENT_H

#include "internal.h"

/* Read a statement whose signature is right and hold the model against it.  Gives an object with
 * `name`, `version`, `created` and `metadata`, as far as the signer says them. */
bool ss_statement(ss_bytes payload, bool ours, const unsigned char *data, size_t size, json_t **out,
                  safeserial_error *error);

#endif
