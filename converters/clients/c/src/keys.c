/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, and whether a signature fits one.  The cryptography is that of OpenSSL's libcrypto. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

enum { MOST_TEXT = 16384, LEAST_SECRET = 32, MOST_SECRET = 1024, MAC = 32 };

typedef struct {
  const char *label;
  const char *der;  /* how the public half in DER begins */
  size_t bytes;     /* and how many follow */
  const char *hash; /* NULL: Ed25519 */
} ss_pair;

static const ss_pair PAIRS[] = {
    {"ed25519", "302a300506032b6570032100", 32, NULL},
    {"p256", "3059301306072a8648ce3d020106082a8648ce3d030107034200", 65, "SHA256"},
    {"p384", "3076301006072a8648ce3d020106052b81040022036200", 97, "SHA384"},
    {"p521", "30819b301006072a8648ce3d020106052b8104002303818600", 133, "SHA512"},
};

/* 2^255 - 19, and the y of every point whose order divides 8: under such a key anybody can sign. */
static const char PRIME[] = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char *const WEAK[] = {
    "0",
    "1",
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
};

static const char SECRET_LINE[] = "safeserial-hmac-sha256-v1:";
static const char BEGIN[] = "-----BEGIN PUBLIC KEY-----";
static const char END[] = "-----END PUBLIC KEY-----";
static const char NOT_A_KEY[] = "give the PEM of a public key, or the one line of a shared secret";

struct safeserial_key {
  char id[64];
  char hint[SS_DIGEST]; /* how a sigstore bundle calls a key on a curve */
  const ss_pair *pair;  /* NULL: a shared secret */
  EVP_PKEY *handle;
  unsigned char secret[MOST_SECRET];
  size_t size;
};

static void *refuse(safeserial_error *error, const char *why, const char *hint) {
  ss_fail(error, "key", hint, "%s", why);
  return NULL;
}

bool ss_sha256(const void *data, size_t size, char out[SS_DIGEST]) {
  unsigned char found[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(data, size, found, &length, EVP_sha256(), NULL) != 1 || length != 32) return false;
  ss_hex(found, length, out);
  return true;
}

bool ss_same_digest(const char *algorithm, const char *wanted, const void *data, size_t size,
                    safeserial_error *error) {
  char found[SS_DIGEST];
  if (strcmp(algorithm, "sha256") != 0) {
    return ss_fail(error, "unsupported", "ask the sender to sign with SHA-256, or with a P-256 key",
                   "the model is hashed with BLAKE3, which OpenSSL does not have");
  }
  if (!ss_sha256(data, size, found))
    return ss_fail(error, "runtime", "look at OpenSSL's settings",
                   "OpenSSL cannot compute SHA-256");
  if (strcmp(found, wanted) == 0) return true;
  return ss_fail(error, "digest", "do not use this model",
                 "the model was changed after it was signed");
}

/* DSSE's pre-authentication encoding: what a signature is over. */
bool ss_message(const char *type, const void *body, size_t size, ss_bytes *out) {
  char front[128];
  int length = snprintf(front, sizeof front, "DSSEv1 %zu %s %zu ", strlen(type), type, size);
  if (length < 0 || (size_t)length >= sizeof front) return false;
  out->data = malloc((size_t)length + size + 1);
  if (!out->data) return false;
  memcpy(out->data, front, (size_t)length);
  if (size) memcpy(out->data + length, body, size);
  out->size = (size_t)length + size;
  return true;
}

/* RFC 5869 with SHA-256 and no salt. */
static bool derive(const safeserial_key *key, const char *purpose, unsigned char out[MAC]) {
  char info[64];
  (void)snprintf(info, sizeof info, "safeserial/v1/%s", purpose);
  char hash[] = "SHA256";
  OSSL_PARAM how[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key->secret, key->size),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)),
      OSSL_PARAM_construct_end(),
  };
  EVP_KDF *method = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = method ? EVP_KDF_CTX_new(method) : NULL;
  bool done = context && EVP_KDF_derive(context, out, MAC, how) == 1;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(method);
  return done;
}

static bool tag_fits(const safeserial_key *key, ss_bytes message, ss_bytes value,
                     const char *purpose) {
  unsigned char subkey[MAC], tag[MAC];
  size_t size = 0;
  bool fits = value.size == MAC && derive(key, purpose, subkey) &&
              EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, subkey, MAC, message.data, message.size,
                        tag, sizeof tag, &size) &&
              size == MAC && CRYPTO_memcmp(tag, value.data, MAC) == 0;
  OPENSSL_cleanse(subkey, sizeof subkey);
  OPENSSL_cleanse(tag, sizeof tag);
  return fits;
}

/* OpenSSL takes ECDSA in DER only, r and s from 1 to n - 1, and for Ed25519 s below the order. */
static bool pair_fits(const safeserial_key *key, ss_bytes message, ss_bytes value) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool fits =
      context &&
      EVP_DigestVerifyInit_ex(context, NULL, key->pair->hash, NULL, NULL, key->handle, NULL) == 1 &&
      EVP_DigestVerify(context, value.data, value.size, message.data, message.size) == 1;
  EVP_MD_CTX_free(context);
  return fits;
}

/* Say whether a signature is right.  What OpenSSL notes of one that is not is nobody's business. */
bool ss_key_fits(const safeserial_key *key, ss_bytes message, ss_bytes value, const char *purpose) {
  ERR_set_mark();
  bool fits = key->pair ? pair_fits(key, message, value) : tag_fits(key, message, value, purpose);
  ERR_pop_to_mark();
  return fits;
}

/* A y of RFC 8032 that is below the prime, and of no point of small order. */
static bool is_strong_point(const unsigned char *point) {
  unsigned char little[32];
  memcpy(little, point, sizeof little);
  little[31] &= 0x7f;
  BIGNUM *y = BN_lebin2bn(little, sizeof little, NULL), *other = NULL;
  bool strong = y && BN_hex2bn(&other, PRIME) && BN_cmp(y, other) < 0;
  for (size_t at = 0; strong && at < sizeof WEAK / sizeof *WEAK; at += 1) {
    strong = BN_hex2bn(&other, WEAK[at]) && BN_cmp(y, other) != 0;
  }
  BN_free(other);
  BN_free(y);
  return strong;
}

/* The SHA-256 of the key's PEM is what a sigstore bundle calls it. */
static bool hint_of(const ss_bytes der, char out[SS_DIGEST]) {
  unsigned char text[512];
  char pem[1024];
  if (der.size > 300) return false;
  size_t size = (size_t)EVP_EncodeBlock(text, der.data, (int)der.size);
  size_t at = (size_t)snprintf(pem, sizeof pem, "%s\n", BEGIN);
  for (size_t from = 0; from < size; from += 64) {
    int length = (int)(size - from < 64 ? size - from : 64);
    at += (size_t)snprintf(pem + at, sizeof pem - at, "%.*s\n", length, (char *)text + from);
  }
  at += (size_t)snprintf(pem + at, sizeof pem - at, "%s\n", END);
  return ss_sha256(pem, at, out);
}

static bool fill_pair(safeserial_key *key, const ss_bytes der, safeserial_error *error) {
  for (const ss_pair *one = PAIRS; one < PAIRS + sizeof PAIRS / sizeof *PAIRS; one += 1) {
    char begin[64];
    size_t front = strlen(one->der) / 2;
    if (der.size != front + one->bytes) continue;
    ss_hex(der.data, front, begin);
    if (strcmp(begin, one->der) == 0) key->pair = one;
  }
  if (!key->pair) {
    return refuse(error, "this kind of public key is not read here",
                  "Ed25519, P-256, P-384 or P-521");
  }
  if (!key->pair->hash && !is_strong_point(der.data + der.size - 32)) {
    return refuse(error, "under this key anybody can sign", NOT_A_KEY);
  }
  const unsigned char *at = der.data;
  /* Refuses points that are not on the curve. */
  key->handle = d2i_PUBKEY(NULL, &at, (long)der.size);
  char digest[SS_DIGEST];
  if (!key->handle || at != der.data + der.size || !ss_sha256(der.data, der.size, digest) ||
      !hint_of(der, key->hint)) {
    return refuse(error, "the public key cannot be used", NOT_A_KEY);
  }
  (void)snprintf(key->id, sizeof key->id, "%s-%.32s", key->pair->label, digest);
  return true;
}

static bool fill_secret(safeserial_key *key, const ss_bytes secret, safeserial_error *error) {
  bool seen[256] = {false};
  size_t kinds = 0;
  for (size_t at = 0; at < secret.size; at += 1) {
    kinds += !seen[secret.data[at]];
    seen[secret.data[at]] = true;
  }
  if (secret.size < LEAST_SECRET || secret.size > MOST_SECRET || kinds < 8) {
    return refuse(error, "the shared secret is too weak", "make one with: safeserial keys new");
  }
  memcpy(key->secret, secret.data, secret.size);
  key->size = secret.size;
  unsigned char id[MAC];
  if (!derive(key, "key-id", id)) {
    return refuse(error, "OpenSSL cannot derive keys (HKDF)", "look at OpenSSL's settings");
  }
  (void)snprintf(key->id, sizeof key->id, "hmac-");
  ss_hex(id, 16, key->id + 5);
  return true;
}

static bool is_space(char one) { return one == ' ' || (one >= '\t' && one <= '\r'); }

/* Take base64 out of a key's text: `-_` of a secret's line become `+/`, line ends of a PEM go. */
static bool body_of(const char *text, size_t size, bool line, ss_bytes *out) {
  char *bare = malloc(size + 1);
  if (!bare) return false;
  size_t length = 0;
  for (size_t at = 0; at < size; at += 1) {
    char one = text[at];
    if (line && (one == '-' || one == '_')) one = one == '-' ? '+' : '/';
    if (line || !is_space(one)) bare[length++] = one;
  }
  bool right = ss_base64(bare, length, out);
  OPENSSL_cleanse(bare, length);
  free(bare);
  return right;
}

safeserial_key *safeserial_key_read(const char *text, size_t size, safeserial_error *error) {
  if (!text || size > MOST_TEXT) return refuse(error, "that is no key", NOT_A_KEY);
  while (size && is_space(*text)) text += 1, size -= 1;
  while (size && is_space(text[size - 1])) size -= 1;
  size_t head = strlen(SECRET_LINE), begin = strlen(BEGIN), end = strlen(END);
  bool line = size > head && memcmp(text, SECRET_LINE, head) == 0;
  bool pem = size > begin + end && memcmp(text, BEGIN, begin) == 0 &&
             (text[begin] == '\n' || text[begin] == '\r') &&
             memcmp(text + size - end, END, end) == 0;
  if (!line && !pem) return refuse(error, "that is no public key in PEM", NOT_A_KEY);
  size_t skip = line ? head : begin, less = line ? 0 : end;
  ss_bytes body;
  if (!body_of(text + skip, size - skip - less, line, &body)) {
    return refuse(error, "the key is not base64 as it should be", NOT_A_KEY);
  }
  safeserial_key *key = calloc(1, sizeof *key);
  ERR_set_mark();
  bool done = key && (line ? fill_secret(key, body, error) : fill_pair(key, body, error));
  ERR_pop_to_mark();
  if (!key) ss_memory(error);
  OPENSSL_cleanse(body.data, body.size);
  free(body.data);
  if (done) return key;
  safeserial_key_free(key);
  return NULL;
}

safeserial_key *safeserial_key_open(const char *path, safeserial_error *error) {
  ss_bytes text;
  if (!ss_read(path, MOST_TEXT, NULL, &text, error)) return NULL;
  safeserial_key *key = safeserial_key_read((const char *)text.data, text.size, error);
  OPENSSL_cleanse(text.data, text.size);
  free(text.data);
  return key;
}

const char *safeserial_key_id(const safeserial_key *key) { return key->id; }
const char *ss_key_hint(const safeserial_key *key) { return key->hint; }
bool ss_key_is_curve(const safeserial_key *key) { return key->pair && key->pair->hash; }

void safeserial_key_free(safeserial_key *key) {
  if (!key) return;
  EVP_PKEY_free(key->handle);
  OPENSSL_cleanse(key, sizeof *key);
  free(key);
}
