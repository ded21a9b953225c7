/* SPDX-License-Identifier: BSD-3-Clause */
/* A model with its signature in a file beside it (docs/spec/detached-v1.md): bundles, keys. */
#include <stdlib.h>
#include <string.h>
#include "statement.h"

enum { MOST_FILE = 64 << 20, MOST_LINES = 4096, MOST_BUNDLES = 32, MOST_VALUE = 8192, LEVELS = 16 };
static const char SIGSTORE[] = "application/vnd.dev.sigstore.bundle.v0.3+json";
static const char OURS[] = "application/vnd.safeserial.bundle.v1+json";
static const char STATEMENT_TYPE[] = "application/vnd.in-toto+json";
static const char PURPOSE[] = "detached-signature";

typedef struct {
  json_t *top; /* the texts below are in it */
  bool ours;   /* by its media type; else of sigstore's kind */
  bool by_key; /* else by certificates, which are not read here */
  const char *keyid, *hint;
  ss_bytes payload, value;
} ss_bundle;

static bool unsupported(safeserial_error *error, const char *why) {
  return ss_fail(error, "unsupported", "sign the .onnx file with: safeserial sign", "%s", why);
}

/* Take the name of a key: nothing, or up to 256 printable ASCII characters. */
static bool name_of(const json_t *value, const char **out, safeserial_error *error) {
  *out = "";
  if (!value || json_is_null(value)) return true;
  const char *text = json_string_value(value);
  if (!text || strlen(text) > 256) return ss_bad(error, "the name of a key has another form");
  for (const char *at = text; *at; at += 1) {
    if (*at < 0x21 || *at > 0x7e) return ss_bad(error, "the name of a key has another form");
  }
  *out = text;
  return true;
}

static bool bytes_of(const json_t *value, const char *what, ss_bytes *out,
                     safeserial_error *error) {
  if (json_is_string(value) &&
      ss_base64(json_string_value(value), json_string_length(value), out)) {
    return true;
  }
  return ss_bad(error, "%s is not base64 as it should be", what);
}

static bool signature_of(ss_bundle *bundle, const json_t *envelope, safeserial_error *error) {
  if (!ss_fields(envelope, "the envelope", SS_LIST("payload", "payloadType", "signatures"), SS_NONE,
                 error)) {
    return false;
  }
  const char *type = json_string_value(json_object_get(envelope, "payloadType"));
  const json_t *signatures = json_object_get(envelope, "signatures");
  if (!type || strcmp(type, STATEMENT_TYPE) != 0) {
    return unsupported(error, "unknown type of signed content");
  }
  if (!json_is_array(signatures)) return ss_bad(error, "the signatures are no list");
  if (json_array_size(signatures) == 0) {
    return ss_fail(error, "unsigned", "ask the sender to sign the model",
                   "the bundle carries no signature");
  }
  if (json_array_size(signatures) > 1) {
    return ss_bad(error, "the bundle carries more than one signature");
  }
  const json_t *one = json_array_get(signatures, 0);
  if (!ss_fields(one, "the signature", SS_LIST("sig"), SS_LIST("keyid"), error)) return false;
  if (!bytes_of(json_object_get(one, "sig"), "the signature", &bundle->value, error)) return false;
  if (bundle->value.size > MOST_VALUE) return ss_bad(error, "the signature is too long");
  return bytes_of(json_object_get(envelope, "payload"), "the statement", &bundle->payload, error) &&
         name_of(json_object_get(one, "keyid"), &bundle->keyid, error);
}

static bool bundle_of(const char *text, size_t size, ss_bundle *bundle, safeserial_error *error) {
  bundle->top = ss_json(text, size, LEVELS, "the signature file", error);
  bundle->hint = "";
  if (!bundle->top) return false;
  if (!ss_fields(bundle->top, "the bundle",
                 SS_LIST("mediaType", "verificationMaterial", "dsseEnvelope"), SS_NONE, error)) {
    return false;
  }
  const char *type = json_string_value(json_object_get(bundle->top, "mediaType"));
  bundle->ours = type && strcmp(type, OURS) == 0;
  if (!bundle->ours && !(type && strcmp(type, SIGSTORE) == 0)) {
    return unsupported(error, "unknown kind of signature");
  }
  if (!signature_of(bundle, json_object_get(bundle->top, "dsseEnvelope"), error)) return false;
  const json_t *material = json_object_get(bundle->top, "verificationMaterial");
  if (!ss_fields(material, "verificationMaterial", SS_NONE,
                 SS_LIST("publicKey", "tlogEntries", "x509CertificateChain"), error)) {
    return false;
  }
  const json_t *entries = json_object_get(material, "tlogEntries");
  if (entries && (!json_is_array(entries) || json_array_size(entries) > 0)) {
    return unsupported(error, "keyless signatures are not read here");
  }
  const json_t *key = json_object_get(material, "publicKey");
  bundle->by_key = key != NULL;
  if (bundle->by_key == (json_object_get(material, "x509CertificateChain") != NULL)) {
    return ss_bad(error, "the bundle names no key");
  }
  if (!key) return true;
  return ss_fields(key, "publicKey", SS_NONE, SS_LIST("hint", "rawBytes", "keyDetails", "validFor"),
                   error) &&
         name_of(json_object_get(key, "hint"), &bundle->hint, error);
}

static void bundle_free(ss_bundle *bundle) {
  json_decref(bundle->top);
  free(bundle->payload.data);
  free(bundle->value.data);
}

static bool is_blank(char one) { return one == ' ' || one == '\t' || one == '\n' || one == '\r'; }

/* Give where each line begins and ends; a text that is not a bundle a line counts as one. */
static size_t lines_of(const char *text, size_t size, ss_bytes lines[MOST_BUNDLES],
                       safeserial_error *error) {
  size_t count = 0, from = 0;
  bool whole = false;
  for (size_t at = 0; at <= size; at += 1) {
    if (at < size && text[at] != '\n' && text[at] != '\r') continue;
    size_t end = at;
    while (end > from && is_blank(text[end - 1])) end -= 1;
    whole = whole || end == from || text[from] != '{' || text[end - 1] != '}';
    if (count < MOST_BUNDLES) lines[count] = (ss_bytes){(unsigned char *)text + from, end - from};
    if (++count > MOST_LINES) {
      ss_bad(error, "the signature file has too many lines");
      return 0;
    }
    if (at + 1 < size && text[at] == '\r' && text[at + 1] == '\n') at += 1;
    from = at + 1;
  }
  if (whole) {
    lines[0] = (ss_bytes){(unsigned char *)text, size};
    return 1;
  }
  if (count <= MOST_BUNDLES) return count;
  ss_bad(error, "there are too many signatures");
  return 0;
}

static bool same(ss_bytes a, ss_bytes b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* Read all bundles; the caller frees as many as `count` says, also after a failure. */
static bool split(ss_bytes file, ss_bundle bundles[MOST_BUNDLES], size_t *count,
                  safeserial_error *error) {
  const char *text = (const char *)file.data;
  size_t size = file.size;
  if (size > MOST_FILE) return ss_bad(error, "the signature file is too long");
  while (size && is_blank(*text)) text += 1, size -= 1;
  while (size && is_blank(text[size - 1])) size -= 1;
  if (!size) {
    return ss_fail(error, "unsigned", "ask the sender to sign the model",
                   "the signature file is empty");
  }
  ss_bytes lines[MOST_BUNDLES];
  size_t found = lines_of(text, size, lines, error);
  for (*count = 0; *count < found;) {
    ss_bundle *one = &bundles[*count];
    bool read = bundle_of((const char *)lines[*count].data, lines[*count].size, one, error);
    *count += 1;
    if (!read) return false;
    for (const ss_bundle *other = bundles; other < one; other += 1) {
      if (same(one->payload, other->payload) && same(one->value, other->value)) {
        return ss_bad(error, "the signature file has the same signature twice");
      }
    }
  }
  return found > 0;
}

static const safeserial_key *by_id(const safeserial_key *const *keys, size_t count,
                                   const char *id) {
  for (size_t at = 0; *id && at < count; at += 1) {
    if (strcmp(safeserial_key_id(keys[at]), id) == 0) return keys[at];
  }
  return NULL;
}

/* "p256-..." and the like: the id of a key on a curve, as safeserial writes it. */
static bool names_curve(const char *id) {
  size_t digits = strspn(id + (*id == 'p'), "0123456789");
  return *id == 'p' && digits > 0 && id[1 + digits] == '-';
}

/* Find the key: what a bundle says only tells where to look.  No key is no failure. */
static bool key_of(const ss_bundle *bundle, const safeserial_key *const *keys, size_t count,
                   ss_bytes message, const safeserial_key **out, safeserial_error *error) {
  static const char mixed[] = "the bundle is labelled as of another algorithm than its key";
  static const char never[] = "do not use this model";
  const char *keyid = bundle->keyid, *hint = bundle->hint;
  *out = NULL;
  if (!bundle->by_key) return true; /* certificates are verified where roots can be given */
  if (bundle->ours) {
    if (*hint && *keyid && strcmp(hint, keyid) != 0) {
      return ss_bad(error, "the bundle names two keys");
    }
    *out = by_id(keys, count, *hint ? hint : keyid);
    if (*out && ss_key_is_curve(*out)) return ss_fail(error, "bad-signature", never, "%s", mixed);
    return true;
  }
  const safeserial_key *named = by_id(keys, count, keyid), *hinted = NULL;
  if (!named) named = by_id(keys, count, hint);
  if (named && !ss_key_is_curve(named)) return ss_fail(error, "bad-signature", never, "%s", mixed);
  for (size_t at = 0; at < count && *hint && !hinted; at += 1) {
    bool curve = ss_key_is_curve(keys[at]);
    if (curve && strcmp(ss_key_hint(keys[at]), hint) == 0) hinted = keys[at];
  }
  if (*hint) {
    bool other = hinted && *keyid && strcmp(keyid, safeserial_key_id(hinted)) != 0;
    if ((named && named != hinted) || (other && names_curve(keyid))) {
      return ss_bad(error, "the bundle names two keys");
    }
    *out = hinted;
    return true;
  }
  *out = named;
  if (named || *keyid) return true;
  for (size_t at = 0; at < count && !*out; at += 1) {
    bool curve = ss_key_is_curve(keys[at]);
    if (curve && ss_key_fits(keys[at], message, bundle->value, PURPOSE)) *out = keys[at];
  }
  return true;
}

/* Verify one bundle and the model against it.  `said` gets the first statement. */
static bool check(const ss_bundle *bundle, const unsigned char *data, size_t size,
                  const safeserial_key *const *keys, size_t count, const char **signers,
                  size_t *found, json_t **said, safeserial_error *error) {
  ss_bytes message = {NULL, 0};
  const safeserial_key *key;
  json_t *facts = NULL;
  bool right = ss_message(STATEMENT_TYPE, bundle->payload.data, bundle->payload.size, &message) ||
               ss_memory(error);
  right = right && key_of(bundle, keys, count, message, &key, error);
  if (!right || !key) goto done;
  for (size_t at = 0; right && at < *found; at += 1) {
    if (strcmp(signers[at], safeserial_key_id(key)) == 0) {
      right = ss_bad(error, "two signatures are of one key");
    }
  }
  if (right && !ss_key_fits(key, message, bundle->value, PURPOSE)) {
    right = ss_fail(error, "bad-signature", "do not use this model", "the signature of %s is wrong",
                    safeserial_key_id(key));
  }
  right = right && ss_statement(bundle->payload, bundle->ours, data, size, &facts, error);
  if (!right) goto done;
  signers[(*found)++] = safeserial_key_id(key);
  if (!*said) {
    *said = json_incref(facts);
  } else if (!json_equal(json_object_get(*said, "name"), json_object_get(facts, "name")) ||
             !json_equal(json_object_get(*said, "version"), json_object_get(facts, "version"))) {
    right = ss_fail(error, "bad-signature", "do not use this model",
                    "the signers call the model by different names");
  }
done:
  json_decref(facts);
  free(message.data);
  return right;
}

json_t *ss_verify_beside(const unsigned char *data, size_t size, ss_bytes signature,
                         const safeserial_key *const *keys, size_t count, safeserial_error *error) {
  ss_bundle bundles[MOST_BUNDLES] = {{0}};
  const char *signers[MOST_BUNDLES];
  size_t read = 0, found = 0;
  json_t *facts = NULL, *said = NULL;
  bool right = split(signature, bundles, &read, error);
  for (size_t at = 0; right && at < read; at += 1) {
    right = check(&bundles[at], data, size, keys, count, signers, &found, &facts, error);
  }
  if (right && !found) {
    ss_buffer named = {0};
    for (const ss_bundle *one = bundles; one < bundles + read; one += 1) {
      if (one > bundles) ss_puts(&named, ", ");
      ss_puts(&named, *one->keyid ? one->keyid : *one->hint ? one->hint : "a key without a name");
    }
    ss_put(&named, "", 1);
    ss_fail(error, "unknown-key", "get the sender's public key from the sender",
            "signed by %s, and none of your keys is that", named.failed ? "others" : named.data);
    free(named.data);
  } else if (right) {
    said = ss_said(signers, found, facts);
    if (!said) ss_memory(error);
  }
  json_decref(facts);
  for (size_t at = 0; at < read; at += 1) bundle_free(&bundles[at]);
  return said;
}
