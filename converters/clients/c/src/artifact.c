/* SPDX-License-Identifier: BSD-3-Clause */
/* A signed artifact, `model.safeserial` (docs/spec/format-v1.md).  No ZIP structure is interpreted:
 * what the manifest says the file must be is built and compared with what it is. */
#include <stdlib.h>
#include <string.h>
#include "internal.h"

enum { FIRST = 64, ROOM = 16320, MOST_SIGNATURES = 32, MOST_MANIFEST = 16 << 20 };
static const char TYPE[] = "application/vnd.safeserial.manifest.v1+json";
static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz0123456789";

bool ss_is_artifact(const unsigned char *data, size_t size) {
  return size >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* Say whether the file has a header at a place, and give where the member's data begin. */
static bool header_fits(const unsigned char *data, size_t size, ss_member member, size_t *after) {
  unsigned char wanted[512];
  size_t length = ss_local_header(member, wanted);
  *after = member.at + length;
  return size - member.at >= length && memcmp(data + member.at, wanted, length) == 0;
}

static bool is_key_name(const char *name) {
  size_t size = strlen(name);
  return size >= 1 && size <= 128 && strchr(LETTERS, *name) &&
         strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._:-") == size;
}

/* Read signatures.json as section 5 says. */
static json_t *front_of(const unsigned char *data, safeserial_error *error) {
  size_t end = ROOM;
  while (end > 0 && data[end - 1] == ' ') end -= 1;
  json_t *front = ss_canonical(data, end, "signatures.json", error);
  if (!front) return NULL;
  bool right = ss_fields(front, "signatures.json",
                         SS_LIST("payloadSize", "payloadType", "signatures"), SS_NONE, error);
  if (!right) goto refused;
  const char *type = json_string_value(json_object_get(front, "payloadType"));
  const json_t *size = json_object_get(front, "payloadSize");
  const json_t *signatures = json_object_get(front, "signatures");
  if (!type || strcmp(type, TYPE) != 0) {
    right = ss_fail(error, "unsupported", "use a later version of this program",
                    "the artifact is of another version");
  } else if (!json_is_integer(size) || json_integer_value(size) < 1 ||
             json_integer_value(size) > MOST_MANIFEST) {
    right = ss_bad(error, "the manifest has another size");
  } else if (!json_is_array(signatures)) {
    right = ss_bad(error, "the signatures are no list");
  } else if (json_array_size(signatures) == 0) {
    right = ss_fail(error, "unsigned", "ask the sender to sign it", "the artifact is not signed");
  } else if (json_array_size(signatures) > MOST_SIGNATURES) {
    right = ss_bad(error, "there are too many signatures");
  }
  size_t at;
  json_t *one;
  json_array_foreach(signatures, at, one) {
    if (!right ||
        !(right = ss_fields(one, "a signature", SS_LIST("keyid", "sig"), SS_NONE, error))) {
      break;
    }
    const char *name = json_string_value(json_object_get(one, "keyid"));
    const json_t *value = json_object_get(one, "sig");
    if (!name || !is_key_name(name)) {
      right = ss_bad(error, "the name of a key has another form");
      break;
    }
    ss_bytes bytes = {NULL, 0};
    right = json_is_string(value) &&
            ss_base64(json_string_value(value), json_string_length(value), &bytes);
    free(bytes.data);
    if (!right) ss_bad(error, "a signature is not base64 as it should be");
    for (size_t before = 0; right && before < at; before += 1) {
      const json_t *other = json_object_get(json_array_get(signatures, before), "keyid");
      if (strcmp(name, json_string_value(other)) == 0) right = ss_bad(error, "a key signed twice");
    }
  }
refused:
  if (right) return front;
  json_decref(front);
  return NULL;
}

/* Verify the signatures of known keys; one that is wrong spoils the file. */
static size_t signers_of(const json_t *signatures, const safeserial_key *const *keys, size_t count,
                         ss_bytes message, const char **signers, safeserial_error *error) {
  size_t at, found = 0;
  json_t *one;
  ss_buffer named = {0};
  json_array_foreach(signatures, at, one) {
    const char *name = json_string_value(json_object_get(one, "keyid"));
    if (at) ss_puts(&named, ", ");
    ss_puts(&named, name);
    const safeserial_key *key = NULL;
    for (size_t which = 0; which < count && !key; which += 1) {
      if (strcmp(safeserial_key_id(keys[which]), name) == 0) key = keys[which];
    }
    if (!key) continue;
    const json_t *text = json_object_get(one, "sig");
    ss_bytes value;
    bool fits = ss_base64(json_string_value(text), json_string_length(text), &value) &&
                ss_key_fits(key, message, value, "artifact-signature");
    free(value.data);
    if (!fits) {
      ss_fail(error, "bad-signature", "do not use this model", "the signature of %s is wrong",
              name);
      free(named.data);
      return 0;
    }
    signers[found++] = safeserial_key_id(key);
  }
  ss_put(&named, "", 1);
  if (!found) {
    ss_fail(error, "unknown-key", "get the sender's public key from the sender",
            "signed by %s, and none of your keys is that", named.failed ? "others" : named.data);
  }
  free(named.data);
  return found;
}

/* Compare the whole file with what the manifest says it must be; give where the model lies. */
static bool file_fits(const unsigned char *data, size_t size, const json_t *manifest,
                      ss_member listed[3], size_t *at, size_t *length, safeserial_error *error) {
  const json_t *member = json_array_get(json_object_get(manifest, "members"), 0);
  json_int_t claimed = json_integer_value(json_object_get(member, "size"));
  if (claimed > (json_int_t)size) return ss_bad(error, "the file is too short");
  const char *path = json_string_value(json_object_get(member, "path"));
  const char *digest = json_string_value(json_object_get(member, "digest"));
  const char *crc = json_string_value(json_object_get(member, "crc32"));
  listed[2].path = path;
  listed[2].size = (uint32_t)claimed;
  listed[2].crc = (uint32_t)strtoul(crc, NULL, 16);
  if (!header_fits(data, size, listed[2], at)) return ss_bad(error, "a member's header is wrong");
  *length = (size_t)claimed;
  if (size - *at < *length) return ss_bad(error, "the file is too short");
  unsigned char end[2048];
  size_t tail = ss_tail(listed, 3, (uint32_t)(*at + *length), end);
  if (size - *at - *length != tail || memcmp(data + *at + *length, end, tail) != 0) {
    return ss_bad(error, "the end of the file is not as it should be");
  }
  char algorithm[8] = {0};
  memcpy(algorithm, digest, 6);
  return ss_same_digest(algorithm, digest + 7, data + *at, *length, error);
}

/* Verify an artifact with an ONNX payload; the file is smaller than 2 GiB. */
json_t *ss_verify_artifact(const unsigned char *data, size_t size,
                           const safeserial_key *const *keys, size_t count, size_t *at,
                           size_t *length, safeserial_error *error) {
  json_t *front = NULL, *manifest = NULL, *said = NULL;
  ss_bytes message = {NULL, 0};
  const char *signers[MOST_SIGNATURES];
  size_t begin = FIRST + ROOM, body = 0, found = 0, unused = 0;
  if (size < begin) {
    ss_bad(error, "the file is too short");
    return NULL;
  }
  ss_member listed[3] = {{"signatures.json", ROOM, ss_crc32(data + FIRST, ROOM), 0}};
  if (!header_fits(data, size, listed[0], &unused)) {
    ss_bad(error, "the file does not begin as an artifact");
    return NULL;
  }
  front = front_of(data + FIRST, error);
  if (!front) return NULL;
  size_t claimed = (size_t)json_integer_value(json_object_get(front, "payloadSize"));
  unsigned char header[512];
  listed[1] = (ss_member){"manifest.json", (uint32_t)claimed, 0, (uint32_t)begin};
  body = begin + ss_local_header(listed[1], header);
  if (size < body || size - body < claimed) {
    ss_bad(error, "the file is too short");
    goto done;
  }
  listed[1].crc = ss_crc32(data + body, claimed);
  if (!header_fits(data, size, listed[1], &body)) {
    ss_bad(error, "the manifest's header is wrong");
    goto done;
  }
  if (!ss_message(TYPE, data + body, claimed, &message)) {
    ss_memory(error);
    goto done;
  }
  found = signers_of(json_object_get(front, "signatures"), keys, count, message, signers, error);
  if (!found) goto done;
  manifest = ss_canonical(data + body, claimed, "the manifest", error);
  if (!manifest || !ss_manifest(manifest, error)) goto done;
  listed[2].at = (uint32_t)(body + claimed);
  if (!file_fits(data, size, manifest, listed, at, length, error)) goto done;
  said = ss_said(signers, found, manifest);
  if (said) {
    json_t *classes = json_object_get(json_object_get(manifest, "model"), "classes");
    if (json_is_array(classes)) (void)json_object_set(said, "classes", classes);
  } else {
    ss_memory(error);
  }
done:
  free(message.data);
  json_decref(manifest);
  json_decref(front);
  return said;
}
