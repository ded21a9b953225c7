/* SPDX-License-Identifier: BSD-3-Clause */
/* Thousands of broken files: nothing may crash, and nothing changed may be taken.  What only a
 * signer can write, statements and manifests, is broken too and signed again with the published
 * secret. Built with SANITIZE=address,undefined this finds reads and writes out of bounds. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include "testing.h"

enum { TURNS = 600, FRONT = 16384, ROOM = 16320 };
static uint64_t state = 0x9e3779b97f4a7c15u;

static size_t chance(size_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return below ? (size_t)(state % below) : 0;
}

/* Return a copy with one to four places changed: a bit, a byte, a piece cut out or doubled. */
static ss_bytes mutated(ss_bytes given) {
  static const char tokens[] = "{}[],:\"\\u0019eE+-.=/ \n\r\0tnf";
  ss_bytes out = {malloc(given.size + 256), given.size};
  memcpy(out.data, given.data, given.size);
  for (size_t turn = chance(4) + 1; turn > 0 && out.size > 64; turn -= 1) {
    /* The beginning of an artifact is dense, and long files are mostly payload. */
    size_t at = chance(chance(2) && out.size > 20000 ? 20000 : out.size - 32);
    size_t length = chance(31) + 1;
    switch (chance(5)) {
      case 0: out.data[at] ^= (unsigned char)(1u << chance(8)); break;
      case 1: out.data[at] = (unsigned char)tokens[chance(sizeof tokens)]; break;
      case 2: out.data[at] = (unsigned char)chance(256); break;
      case 3:
        memmove(out.data + at, out.data + at + length, out.size - at - length);
        out.size -= length;
        break;
      default: memmove(out.data + at + length, out.data + at, out.size - at); out.size += length;
    }
  }
  return out;
}

/* Sign with the vectors' secret: the bytes 3 to 34. */
static void sign(const char *type, ss_bytes body, const char *purpose, char out[64]) {
  unsigned char secret[32], subkey[32], tag[32];
  size_t size = 0;
  ss_bytes message;
  char hash[] = "SHA256", info[64];
  for (unsigned at = 0; at < 32; at += 1) secret[at] = (unsigned char)(3 + at);
  (void)snprintf(info, sizeof info, "safeserial/v1/%s", purpose);
  OSSL_PARAM how[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, sizeof secret),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
      OSSL_PARAM_construct_end(),
  };
  EVP_KDF *method = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = EVP_KDF_CTX_new(method);
  EVP_KDF_derive(context, subkey, sizeof subkey, how);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(method);
  ss_message(type, body.data, body.size, &message);
  EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, subkey, sizeof subkey, message.data, message.size,
            tag, sizeof tag, &size);
  EVP_EncodeBlock((unsigned char *)out, tag, sizeof tag);
  free(message.data);
}

/* Write a bundle around a statement and sign it. */
static ss_bytes signed_statement(ss_bytes payload, const char *keyid) {
  char tag[64];
  ss_buffer out = {0};
  char *text = malloc(payload.size * 2 + 8);
  EVP_EncodeBlock((unsigned char *)text, payload.data, (int)payload.size);
  sign("application/vnd.in-toto+json", payload, "detached-signature", tag);
  ss_puts(&out,
          "{\"mediaType\":\"application/vnd.safeserial.bundle.v1+json\","
          "\"verificationMaterial\":{\"publicKey\":{\"hint\":\"");
  ss_puts(&out, keyid);
  ss_puts(&out,
          "\"}},\"dsseEnvelope\":{\"payloadType\":\"application/vnd.in-toto+json\","
          "\"payload\":\"");
  ss_puts(&out, text);
  ss_puts(&out, "\",\"signatures\":[{\"sig\":\"");
  ss_puts(&out, tag);
  ss_puts(&out, "\"}]}}");
  free(text);
  return (ss_bytes){(unsigned char *)out.data, out.size};
}

/* Write an artifact of a model with any manifest, and sign it. */
static ss_bytes signed_manifest(ss_bytes manifest, ss_bytes model, const char *keyid) {
  static const char type[] = "application/vnd.safeserial.manifest.v1+json";
  char tag[64], front[ROOM + 1];
  unsigned char part[2048];
  ss_buffer out = {0};
  sign(type, manifest, "artifact-signature", tag);
  memset(front, ' ', ROOM);
  int used = snprintf(front, ROOM,
                      "{\"payloadSize\":%zu,\"payloadType\":\"%s\",\"signatures\":"
                      "[{\"keyid\":\"%s\",\"sig\":\"%s\"}]}",
                      manifest.size, type, keyid, tag);
  front[used] = ' ';
  const ss_bytes data[] = {{(unsigned char *)front, ROOM}, manifest, model};
  ss_member members[] = {
      {"signatures.json", 0, 0, 0}, {"manifest.json", 0, 0, 0}, {"payload/model.onnx", 0, 0, 0}};
  for (size_t at = 0; at < 3; at += 1) {
    members[at].size = (uint32_t)data[at].size;
    members[at].crc = ss_crc32(data[at].data, data[at].size);
    members[at].at = (uint32_t)out.size;
    ss_put(&out, part, ss_local_header(members[at], part));
    ss_put(&out, data[at].data, data[at].size);
  }
  ss_put(&out, part, ss_tail(members, 3, (uint32_t)out.size, part));
  return (ss_bytes){(unsigned char *)out.data, out.size};
}

static size_t taken, tried;

/* Verify; what is taken must be the model that was signed. */
static void attempt(ss_bytes file, ss_bytes beside, ss_bytes model,
                    const safeserial_key *const *keys, const char *what) {
  safeserial_error error = {"", "", ""};
  safeserial_verified *found =
      safeserial_verify(file.data, file.size, beside.data, beside.size, keys, 3, &error);
  bool same =
      found && found->size == model.size && memcmp(found->data, model.data, model.size) == 0;
  tried += 1;
  taken += found != NULL;
  check(found ? same : *error.code && *error.message && *error.hint, what, "it was taken");
  safeserial_verified_free(found);
}

static void with_artifacts(ss_bytes model, const safeserial_key *const *keys) {
  static const char *const files[] = {"signed/text.ed25519.safeserial",
                                      "signed/text.p256.safeserial", "signed/text.hmac.safeserial"};
  const ss_bytes none = {NULL, 0};
  for (size_t which = 0; which < 3; which += 1) {
    ss_bytes artifact = content(files[which]);
    for (int turn = 0; turn < TURNS; turn += 1) {
      ss_bytes broken = mutated(artifact);
      attempt(broken, none, model, keys, files[which]);
      free(broken.data);
    }
    free(artifact.data);
  }
}

static void with_manifests(ss_bytes model, const safeserial_key *const *keys) {
  const ss_bytes none = {NULL, 0};
  ss_bytes artifact = content("signed/text.hmac.safeserial");
  json_t *front = json_loadb((char *)artifact.data + 64, ROOM, 0, NULL);
  size_t size = (size_t)json_integer_value(json_object_get(front, "payloadSize"));
  json_decref(front);
  for (int turn = 0; turn < 2 * TURNS; turn += 1) {
    ss_bytes manifest = {artifact.data + FRONT + 64, size};
    ss_bytes broken = turn ? mutated(manifest) : manifest;
    ss_bytes file = signed_manifest(broken, model, safeserial_key_id(keys[2]));
    size_t before = taken;
    attempt(file, none, model, keys, "a manifest");
    if (turn) free(broken.data);
    else check(taken == before + 1, "the manifest itself", "it was refused");
    free(file.data);
  }
  free(artifact.data);
}

static void with_bundles(ss_bytes model, const safeserial_key *const *keys) {
  static const char *const files[] = {"signed/text.ed25519.sig", "signed/text.p256.sig",
                                      "signed/text.hmac.sig"};
  for (size_t which = 0; which < 3; which += 1) {
    ss_bytes bundle = content(files[which]), payload = {NULL, 0};
    for (int turn = 0; turn < 2 * TURNS; turn += 1) {
      ss_bytes broken = mutated(bundle);
      attempt(model, broken, model, keys, files[which]);
      free(broken.data);
    }
    json_t *top = json_loadb((char *)bundle.data, bundle.size, 0, NULL);
    const char *text =
        json_string_value(json_object_get(json_object_get(top, "dsseEnvelope"), "payload"));
    check(ss_base64(text, strlen(text), &payload), "the statement", "no base64");
    json_decref(top);
    for (int turn = 0; turn < 2 * TURNS; turn += 1) {
      ss_bytes broken = mutated(payload);
      ss_bytes file = signed_statement(broken, safeserial_key_id(keys[2]));
      attempt(model, file, model, keys, "a statement");
      free(file.data);
      free(broken.data);
    }
    free(payload.data);
    free(bundle.data);
  }
}

static void with_keys(void) {
  static const char *const files[] = {"keys/ed25519.pem", "keys/p256.pem", "keys/hmac.txt"};
  for (size_t which = 0; which < 3; which += 1) {
    ss_bytes given = content(files[which]);
    for (int turn = 0; turn < TURNS; turn += 1) {
      ss_bytes broken = mutated(given);
      safeserial_error error = {"", "", ""};
      safeserial_key *key = safeserial_key_read((char *)broken.data, broken.size, &error);
      check(key || strcmp(error.code, "key") == 0, files[which], error.code);
      safeserial_key_free(key);
      free(broken.data);
      tried += 1;
    }
    free(given.data);
  }
}

/* What is looked at in a model, whoever signed it. */
static void with_graphs(void) {
  ss_bytes given = content("mixed/model.onnx");
  for (int turn = 0; turn < 2 * TURNS; turn += 1) {
    ss_bytes broken = mutated(given);
    safeserial_error error = {"", "", ""};
    json_t *classes;
    bool right = ss_check_onnx(broken.data, broken.size, &classes, &error);
    check(right ? !classes || json_is_array(classes) : *error.code && !classes, "a graph", "odd");
    json_decref(classes);
    free(broken.data);
    tried += 1;
  }
  free(given.data);
}

/* Rows come from strangers too. */
static void with_rows(const safeserial_key *const *keys) {
  static const char rows[] =
      "[{\"age\": 31, \"fare\": null, \"town\": \"K\\u00f6ln\", \"class\": \"first\"},"
      " {\"age\": 1e3, \"fare\": 7.25, \"town\": \"\", \"class\": null, \"more\": [1, {}]}]";
  safeserial_error error = {"", "", ""};
  safeserial_model *model =
      safeserial_open(place("mixed/model.onnx"), place("signed/mixed.p256.sig"), keys, 3, &error);
  if (!check(model != NULL, "mixed", error.message)) return;
  ss_bytes given = {(unsigned char *)rows, sizeof rows - 1};
  for (int turn = 0; turn < TURNS; turn += 1) {
    ss_bytes broken = mutated(given);
    char *told = safeserial_predict_json(model, (char *)broken.data, broken.size, &error);
    check(told || strcmp(error.code, "rows") == 0, "rows", error.message);
    free(told);
    free(broken.data);
    tried += 1;
  }
  safeserial_close(model);
}

int main(void) {
  safeserial_key *owned[] = {key_of("keys/ed25519.pem"), key_of("keys/p256.pem"),
                             key_of("keys/hmac.txt")};
  const safeserial_key *const *keys = (const safeserial_key *const *)owned;
  ss_bytes model = content("text/model.onnx");
  with_artifacts(model, keys);
  with_manifests(model, keys);
  with_bundles(model, keys);
  with_keys();
  with_graphs();
  with_rows(keys);
  free(model.data);
  for (size_t at = 0; at < 3; at += 1) safeserial_key_free(owned[at]);
  printf("# %zu of %zu changed files were of the same model and were taken\n", taken, tried);
  printf("%d passed, %d failed\n", ss_passed, ss_failures);
  return ss_failures ? 1 : 0;
}
