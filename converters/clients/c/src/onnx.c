/* SPDX-License-Identifier: BSD-3-Clause */
/* A look into an ONNX model: nothing of it may lie in another file, which no signature covers; and
 * what it says of its classes.  Reads protocol
 * buffers: https://protobuf.dev/programming-guides/encoding */
#include <string.h>
#include "internal.h"

enum { DEEPEST = 64, VARINT = 0, EIGHT = 1, COUNTED = 2, FOUR = 5 };
static const char CLASSES[] = "safeserial.classes";

/* Messages of onnx.proto that have tensors in them, at whatever depth. */
typedef enum { MODEL, TRAINING, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE, TENSOR, OTHER } ss_part;

typedef struct {
  uint64_t number, value; /* of the field; value of a VARINT */
  int wire;
  const unsigned char *body; /* of a COUNTED field */
  size_t size;
} ss_field;

typedef struct {
  const unsigned char *at, *end;
} ss_reader;

static bool varint(ss_reader *from, uint64_t *out) {
  *out = 0;
  for (unsigned place = 0; place < 10 && from->at < from->end; place += 1) {
    unsigned char one = *from->at++;
    if (place == 9 && one > 1) return false;
    *out |= (uint64_t)(one & 0x7f) << (7 * place);
    if (one < 0x80) return true;
  }
  return false;
}

static bool next_field(ss_reader *from, ss_field *out) {
  uint64_t key, size = 0;
  *out = (ss_field){0};
  if (!varint(from, &key) || key > UINT32_MAX) return false;
  out->number = key >> 3;
  out->wire = (int)(key & 7);
  switch (out->wire) {
    case VARINT: return varint(from, &out->value);
    case EIGHT: size = 8; break;
    case FOUR: size = 4; break;
    case COUNTED:
      if (!varint(from, &size)) return false;
      break;
    default: return false; /* groups, which ONNX has none of */
  }
  if (size > (uint64_t)(from->end - from->at)) return false;
  out->body = from->at;
  out->size = (size_t)size;
  from->at += size;
  return true;
}

/* Say which message a field has, by the numbers of onnx.proto. */
static ss_part part_of(ss_part within, uint64_t number) {
  switch (within) {
    case MODEL:
      return number == 7 ? GRAPH : number == 20 ? TRAINING : number == 25 ? FUNCTION : OTHER;
    case TRAINING: return number == 1 || number == 2 ? GRAPH : OTHER;
    case FUNCTION: return number == 7 ? NODE : number == 11 ? ATTRIBUTE : OTHER;
    case GRAPH: return number == 1 ? NODE : number == 5 ? TENSOR : number == 15 ? SPARSE : OTHER;
    case NODE: return number == 5 ? ATTRIBUTE : OTHER;
    case ATTRIBUTE:
      if (number == 5 || number == 10) return TENSOR;
      if (number == 6 || number == 11) return GRAPH;
      return number == 22 || number == 23 ? SPARSE : OTHER;
    case SPARSE: return number == 1 || number == 2 ? TENSOR : OTHER;
    case TENSOR:
    case OTHER: break;
  }
  return OTHER;
}

static bool is(const ss_field *field, const char *text) {
  return field->size == strlen(text) && memcmp(field->body, text, field->size) == 0;
}

/* Take the classes out of an entry of the model's metadata; what is no list of values has none. */
static void read_classes(const ss_field *entry, json_t **classes) {
  ss_reader from = {entry->body, entry->body + entry->size};
  ss_field one, value = {0};
  bool named = false;
  while (from.at < from.end && next_field(&from, &one)) {
    if (one.number == 1 && one.wire == COUNTED) named = is(&one, CLASSES);
    if (one.number == 2 && one.wire == COUNTED) value = one;
  }
  if (!named || !value.size || *classes) return;
  json_t *list = ss_json(value.body, value.size, 1, "the classes", NULL);
  size_t at;
  json_t *each;
  bool plain = json_is_array(list);
  json_array_foreach(list, at, each) plain =
      plain && !json_is_null(each) && !json_is_object(each) && !json_is_array(each);
  if (plain) *classes = json_incref(list);
  json_decref(list);
}

static bool walk(ss_reader from, ss_part within, int depth, size_t *graphs, json_t **classes,
                 safeserial_error *error) {
  enum { EXTERNAL_DATA = 13, DATA_LOCATION = 14, METADATA = 14 };
  ss_field field;
  if (depth > DEEPEST) {
    return ss_fail(error, "unsupported", "convert the model again",
                   "the graphs of the model are nested too deep");
  }
  while (from.at < from.end) {
    if (!next_field(&from, &field)) return ss_bad(error, "that is no ONNX model");
    bool elsewhere = field.number == DATA_LOCATION && (field.wire != VARINT || field.value != 0);
    if (within == TENSOR && (field.number == EXTERNAL_DATA || elsewhere)) {
      return ss_fail(error, "unsupported", "save it as one file",
                     "the model has weights in another, unsigned file");
    }
    if (field.wire != COUNTED) continue;
    ss_part part = part_of(within, field.number);
    if (within == MODEL && part == GRAPH) *graphs += 1;
    if (within == MODEL && field.number == METADATA) read_classes(&field, classes);
    ss_reader inside = {field.body, field.body + field.size};
    if (part != OTHER && !walk(inside, part, depth + 1, graphs, classes, error)) return false;
  }
  return true;
}

bool ss_check_onnx(const unsigned char *data, size_t size, json_t **classes,
                   safeserial_error *error) {
  size_t graphs = 0;
  *classes = NULL;
  if (size >= 8 && memcmp(data + 4, "ORTM", 4) == 0) {
    return ss_fail(error, "unsupported", "ask for it as ONNX",
                   "the model is in ONNX Runtime's own format");
  }
  bool right = walk((ss_reader){data, data + size}, MODEL, 0, &graphs, classes, error);
  if (right && graphs != 1) right = ss_bad(error, "that is no ONNX model");
  if (right) return true;
  json_decref(*classes);
  *classes = NULL;
  return false;
}
