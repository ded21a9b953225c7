/* SPDX-License-Identifier: BSD-3-Clause */
/* Every vector: what must be refused is, the rest answers as scikit-learn does. */
#include <math.h>
#include "testing.h"

static const char *text(const json_t *value, const char *key) {
  return json_string_value(json_object_get(value, key));
}

static void run_case(const json_t *one) {
  const char *name = text(one, "name"), *needs = text(one, "needs");
  bool accept = json_is_true(json_object_get(one, "accept"));
  const char *signature = text(one, "signature");
  safeserial_key *key = key_of(text(one, "key"));
  const safeserial_key *keys[] = {key};
  ss_bytes model = content(text(one, "model"));
  ss_bytes beside = {NULL, 0};
  if (signature) beside = content(signature);
  safeserial_error error = {"", "", ""};
  safeserial_verified *found =
      safeserial_verify(model.data, model.size, beside.data, beside.size, keys, 1, &error);
  if (needs) {
    check(!found && strcmp(error.code, "unsupported") == 0 && strstr(error.message, "BLAKE3"), name,
          "what is lacking must be refused by its name");
  } else if (accept) {
    check(found && found->signer_count == 1 &&
              strcmp(found->signers[0], safeserial_key_id(key)) == 0 &&
              strcmp(found->version, "1.0") == 0 &&
              strcmp(found->metadata, "{\"team\":\"vectors\"}") == 0 && found->classes,
          name, error.message);
  } else {
    check(!found && *error.code && *error.message && *error.hint, name, "it was taken");
  }
  safeserial_verified_free(found);
  safeserial_key_free(key);
  free(model.data);
  free(beside.data);
}

static safeserial_value value_of(const json_t *value) {
  safeserial_value out = {SAFESERIAL_MISSING, 0, 0, NULL, NULL, 0};
  if (json_is_string(value)) {
    out.kind = SAFESERIAL_TEXT;
    out.text = json_string_value(value);
  } else if (json_is_number(value)) {
    out.kind = SAFESERIAL_NUMBER;
    out.number = json_number_value(value);
  }
  return out;
}

/* A value, or the list of a bare array, whose items the caller frees. */
static safeserial_value cell_of(const json_t *value) {
  safeserial_value out = value_of(value);
  if (!json_is_array(value)) return out;
  out.kind = SAFESERIAL_LIST;
  out.count = json_array_size(value);
  safeserial_value *items = calloc(out.count, sizeof *items);
  for (size_t at = 0; at < out.count; at += 1) items[at] = value_of(json_array_get(value, at));
  out.items = items;
  return out;
}

/* Answer 500 rows by the functions for C, then the same rows as JSON. */
static void run_model(const char *name) {
  char path[3][64];
  (void)snprintf(path[0], 64, "%s/model.onnx", name);
  (void)snprintf(path[1], 64, "signed/%s.p256.sig", name);
  (void)snprintf(path[2], 64, "%s/rows.json", name);
  safeserial_error error = {"", "", ""};
  safeserial_key *key = key_of("keys/p256.pem");
  const safeserial_key *keys[] = {key};
  safeserial_model *model = safeserial_open(place(path[0]), place(path[1]), keys, 1, &error);
  safeserial_key_free(key);
  json_t *columns = json_of(path[2]);
  (void)snprintf(path[2], 64, "%s/expected.json", name);
  json_t *expected = json_of(path[2]), *list = json_array(), *value;
  const char *column;
  size_t width = json_object_size(columns), rows = 500, at = 0;
  if (!check(model != NULL, name, error.message)) exit(1);

  safeserial_cell *cells = calloc(rows * width, sizeof *cells);
  safeserial_record *records = calloc(rows, sizeof *records);
  for (size_t row = 0; row < rows; row += 1) {
    json_t *record = json_object();
    records[row] = (safeserial_record){cells + at, width};
    json_object_foreach(columns, column, value) {
      json_t *cell = json_array_get(value, row);
      cells[at++] = (safeserial_cell){column, cell_of(cell)};
      json_object_set(record, column, cell);
    }
    json_array_append_new(list, record);
  }
  safeserial_answers *answers = safeserial_predict(model, records, rows, &error);
  if (!check(answers != NULL, name, error.message)) exit(1);
  const safeserial_output *label = safeserial_answers_get(answers, "label");
  const safeserial_output *proba = safeserial_answers_get(answers, "probabilities");
  char *rows_text = json_dumps(list, 0);
  char *told = safeserial_predict_json(model, rows_text, strlen(rows_text), &error);
  if (!check(label && proba && told, name, error.message)) exit(1);
  json_t *again = json_loads(told, 0, NULL);

  size_t wrong = 0, differ = 0, classes = json_array_size(json_object_get(expected, "classes"));
  double most = 0;
  for (size_t row = 0; row < rows; row += 1) {
    const json_t *wanted = json_array_get(json_object_get(expected, "labels"), row);
    const json_t *numbers = json_array_get(json_object_get(expected, "probabilities"), row);
    const json_t *answer = json_array_get(again, row);
    if (label->texts) wrong += strcmp(label->texts[row], json_string_value(wanted)) != 0;
    else wrong += label->integers[row] != json_integer_value(wanted);
    differ += !json_equal(json_object_get(answer, "label"), wanted);
    for (size_t one = 0; one < classes; one += 1) {
      double found = proba->numbers[row * proba->width + one];
      const json_t *same = json_array_get(json_object_get(answer, "probabilities"), one);
      differ += json_real_value(same) != found;
      double off = fabs(found - json_number_value(json_array_get(numbers, one)));
      most = off <= most ? most : off; /* a NaN stays and is seen below */
    }
  }
  printf("# %s: %zu labels differ, probabilities by %.3g\n", name, wrong, most);
  check(proba->width == classes && wrong == 0 && most <= 1e-6, name, "other answers");
  check(json_array_size(again) == rows && differ == 0, name, "JSON gives other answers");
  json_decref(again);
  json_decref(list);
  json_decref(columns);
  json_decref(expected);
  free(told);
  free(rows_text);
  for (at = 0; at < rows * width; at += 1) free((void *)cells[at].value.items);
  free(records);
  free(cells);
  safeserial_answers_free(answers);
  safeserial_close(model);
}

static void refuse_rows(void) {
  static const char *const rows[][2] = {
      {"[]", "there are no rows"},
      {"{}", "no list"},
      {"[", "not JSON"},
      {"[{\"age\": 1, \"age\": 2}]", "not JSON"},
      {"[{\"age\": 1}]", "row 0 has no column fare"},
      {"[1]", "row 0 is no record"},
      {"[{\"age\": \"x\", \"fare\": 1, \"town\": \"\", \"class\": \"\"}]", "age is to be a number"},
      {"[{\"age\": [1, 2], \"fare\": 1, \"town\": \"\", \"class\": \"\"}]", "2 values, not 1"},
      {"[{\"age\": {}, \"fare\": 1, \"town\": \"\", \"class\": \"\"}]", "0 values, not 1"},
      {"[{\"age\": 1, \"fare\": true, \"town\": \"\", \"class\": \"\"}]", "fare is to be a number"},
      {"[{\"age\": 1, \"fare\": 1, \"town\": 3, \"class\": \"\"}]", "town is to be a text"},
      {"[{\"age\": 1, \"fare\": 1, \"town\": \"\\u0000\", \"class\": \"\"}]", "not JSON"},
  };
  safeserial_error error = {"", "", ""};
  safeserial_key *key = key_of("keys/p256.pem");
  const safeserial_key *keys[] = {key};
  safeserial_model *model =
      safeserial_open(place("mixed/model.onnx"), place("signed/mixed.p256.sig"), keys, 1, &error);
  safeserial_key_free(key);
  if (!check(model != NULL, "mixed", error.message)) exit(1);
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at += 1) {
    char *told = safeserial_predict_json(model, rows[at][0], strlen(rows[at][0]), &error);
    check(!told && strcmp(error.code, "rows") == 0 && strstr(error.message, rows[at][1]),
          rows[at][0], told ? told : error.message);
    free(told);
  }
  safeserial_close(model);
}

static void refuse_keys(void) {
  static const char *const keys[] = {
      "",
      "-----BEGIN PUBLIC KEY-----",
      "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
      /* Ed25519: y is 1, y is a point of order 8, y is above the prime */
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
      "-----END PUBLIC KEY-----",
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAxxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=\n"
      "-----END PUBLIC KEY-----",
      "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA/////////////////////////////////////////38=\n"
      "-----END PUBLIC KEY-----",
      "safeserial-hmac-sha256-v1:AAAA",
      "safeserial-hmac-sha256-v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
      "safeserial-hmac-sha256-v1:AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISJ=",
  };
  for (size_t at = 0; at < sizeof keys / sizeof *keys; at += 1) {
    safeserial_error error = {"", "", ""};
    safeserial_key *key = safeserial_key_read(keys[at], strlen(keys[at]), &error);
    check(!key && strcmp(error.code, "key") == 0 && *error.hint, keys[at], "a key of another form");
    safeserial_key_free(key);
  }
}

static void refuse_files(void) {
  safeserial_error error = {"", "", ""};
  safeserial_key *key = key_of("keys/p256.pem");
  const safeserial_key *keys[] = {key};
  check(!safeserial_verify_file(place("nothing"), NULL, keys, 1, &error), "nothing", "found");
  check(!safeserial_verify_file(place("mixed"), NULL, keys, 1, &error), "a folder", "read");
  check(!safeserial_verify_file(place("mixed/model.onnx"), NULL, keys, 1, &error) &&
            strcmp(error.code, "unsigned") == 0,
        "no signature", error.message);
  check(!safeserial_verify_file(place("signed/text.p256.safeserial"), NULL, NULL, 0, &error) &&
            strcmp(error.code, "key") == 0,
        "no key", error.message);
  safeserial_verified *found =
      safeserial_verify_file(place("signed/text.p256.safeserial"), NULL, keys, 1, NULL);
  check(found && !safeserial_load(found, "/nothing/libonnxruntime.so", &error) &&
            strcmp(error.code, "runtime") == 0,
        "no engine", error.message);
  safeserial_key_free(key);
}

/* Models of a few bytes: 0x3a is the graph of a model, 0x2a a tensor of a graph, 0x6a and 0x70 say
 * that the tensor's data are elsewhere. */
static void look_into_models(void) {
  static const struct {
    const char *name, *code;
    size_t size;
    const char *data;
  } models[] = {
      {"an initializer", "unsupported", 16, "\x3a\x0e\x2a\x0c\x6a\x0a\x0a\x08location"},
      {"only said so", "unsupported", 6, "\x3a\x04\x2a\x02\x70\x01"},
      {"a longer tag", "unsupported", 10, "\x3a\x08\x2a\x06\xea\x80\x00\x02\x0a\x00"},
      {"in a graph in a node", "unsupported", 12,
       "\x3a\x0a\x0a\x08\x2a\x06\x32\x04\x2a\x02\x70\x01"},
      {"a sparse one", "unsupported", 8, "\x3a\x06\x7a\x04\x0a\x02\x6a\x00"},
      {"no model", "format", 5, "hello"},
      {"two graphs", "format", 4, "\x3a\x00\x3a\x00"},
      {"no graph", "format", 4, "\x12\x02me"},
      {"cut", "format", 3, "\x3a\x0e\x2a"},
      {"the engine's own", "unsupported", 8, "\0\0\0\0ORTM"},
      {"nothing", "format", 0, ""},
      {"a column called location", "", 14, "\x3a\x0c\x0a\x0a\x0a\x08location"},
  };
  for (size_t at = 0; at < sizeof models / sizeof *models; at += 1) {
    safeserial_error error = {"", "", ""};
    json_t *classes;
    const unsigned char *data = (const unsigned char *)models[at].data;
    bool right = ss_check_onnx(data, models[at].size, &classes, &error);
    check(right == !*models[at].code && strcmp(error.code, models[at].code) == 0, models[at].name,
          error.message);
  }
  /* A graph in an attribute of a node of a graph, and so on: written from the inside. */
  static unsigned char deep[1024];
  size_t from = sizeof deep;
  for (int turn = 80; turn >= 0; turn -= 1) {
    static const unsigned char tags[] = {0x32, 0x0a, 0x2a};
    size_t size = sizeof deep - from;
    if (size > 127) deep[--from] = (unsigned char)(size >> 7);
    deep[--from] = (unsigned char)(size > 127 ? (size & 127) | 128 : size);
    deep[--from] = turn ? tags[turn % 3] : 0x3a;
  }
  json_t *classes;
  safeserial_error error = {"", "", ""};
  check(!ss_check_onnx(deep + from, sizeof deep - from, &classes, &error) &&
            strstr(error.message, "too deep"),
        "graphs in graphs", error.message);
}

int main(void) {
  json_t *cases = json_of("cases.json"), *one;
  size_t at, accepted = 0;
  json_array_foreach(cases, at, one) {
    accepted += json_is_true(json_object_get(one, "accept"));
    run_case(one);
  }
  check(accepted >= 12 && at - accepted >= 70, "cases.json", "there are not cases of both kinds");
  printf("# %zu cases, %zu of them to accept\n", at, accepted);
  json_decref(cases);
  run_model("mixed");
  run_model("forest");
  run_model("text");
  refuse_rows();
  refuse_keys();
  refuse_files();
  look_into_models();
  printf("%d passed, %d failed\n", ss_passed, ss_failures);
  return ss_failures ? 1 : 0;
}
