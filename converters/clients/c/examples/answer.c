/* SPDX-License-Identifier: BSD-3-Clause */
/* Answer one row: cc answer.c $(pkg-config --cflags --libs safeserial_onnx) */
#include <safeserial_onnx.h>
#include <stdio.h>

int main(int count, char **arguments) {
  safeserial_error error;
  if (count != 3) return 2;
  safeserial_key *key = safeserial_key_open(arguments[2], &error);
  if (!key) goto failed;
  const safeserial_key *keys[] = {key};
  safeserial_model *model = safeserial_open(arguments[1], NULL, keys, 1, &error);
  safeserial_key_free(key);
  if (!model) goto failed;

  const safeserial_cell cells[] = {
      {"age", {.kind = SAFESERIAL_NUMBER, .number = 31}},
      {"fare", {.kind = SAFESERIAL_MISSING}},
      {"town", {.kind = SAFESERIAL_TEXT, .text = "Köln"}},
      {"class", {.kind = SAFESERIAL_TEXT, .text = "first"}},
  };
  const safeserial_record record = {cells, 4};
  safeserial_answers *answers = safeserial_predict(model, &record, 1, &error);
  if (!answers) {
    safeserial_close(model);
    goto failed;
  }
  const safeserial_output *label = safeserial_answers_get(answers, "label");
  const safeserial_output *proba = safeserial_answers_get(answers, "probabilities");
  if (label && label->texts) printf("%s\n", label->texts[0]);
  for (size_t at = 0; proba && at < proba->width; at += 1) printf("%.6f\n", proba->numbers[at]);
  safeserial_answers_free(answers);
  safeserial_close(model);
  return 0;

failed:
  fprintf(stderr, "%s: %s\nhint: %s\n", error.code, error.message, error.hint);
  return 1;
}
