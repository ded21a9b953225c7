// SPDX-License-Identifier: BSD-3-Clause
// A model with its signature in a file beside it (docs/spec/detached-v1.md).
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;
import static dev.safeserial.onnx.Texts.digest;
import static dev.safeserial.onnx.Texts.fields;
import static dev.safeserial.onnx.Texts.fromBase64;
import static dev.safeserial.onnx.Texts.list;
import static dev.safeserial.onnx.Texts.needMoment;
import static dev.safeserial.onnx.Texts.needTexts;
import static dev.safeserial.onnx.Texts.object;
import static dev.safeserial.onnx.Texts.optionalText;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

final class Bundle {
    static final int LONGEST = 64 << 20;
    private static final int LEVELS = 16;
    private static final int LONGEST_FACT = 256;
    private static final int LONGEST_STATEMENT = 16 << 20;
    private static final String SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json";
    private static final String OURS = "application/vnd.safeserial.bundle.v1+json";
    private static final String STATEMENT_TYPE = "application/vnd.in-toto+json";
    private static final String PURPOSE = "detached-signature";
    private static final String DROP = "do not use this model";
    private static final Pattern KEY_NAME = Pattern.compile("[\\x21-\\x7e]{1,256}");
    private static final Pattern CURVE_ID = Pattern.compile("p[0-9]+-.*");
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

    private final boolean ours;
    private final boolean byKey;
    private final byte[] payload;
    private final byte[] value;
    private final String keyid;
    private final String hint;

    /** What one signer's statement says. */
    private record Statement(String algorithm, String digest, Object size, Said said) {}

    /** Read one bundle; nothing in it is believed yet. */
    private Bundle(String line) {
        Map<String, Object> top = fields(Json.read(Texts.utf8(line), "the signature file", LEVELS), "the bundle",
                List.of("mediaType", "verificationMaterial", "dsseEnvelope"), List.of());
        ours = OURS.equals(top.get("mediaType"));
        need(ours || SIGSTORE.equals(top.get("mediaType")), "unknown kind of signature", Kind.UNSUPPORTED);
        Map<String, Object> envelope = fields(top.get("dsseEnvelope"), "the envelope",
                List.of("payload", "payloadType", "signatures"), List.of());
        need(STATEMENT_TYPE.equals(envelope.get("payloadType")), "unknown type of signed content", Kind.UNSUPPORTED);
        List<?> signatures = list(envelope.get("signatures"), "what should be signatures");
        need(!signatures.isEmpty(), "the bundle carries no signature", Kind.UNSIGNED,
                "ask the sender to sign the model");
        need(signatures.size() == 1, "the bundle carries more than one signature");
        Map<String, Object> one = fields(signatures.get(0), "the signature", List.of("sig"), List.of("keyid"));
        value = fromBase64(one.get("sig"), "the signature");
        need(value.length <= 8192, "the signature is too long");
        Map<String, Object> material = fields(top.get("verificationMaterial"), "verificationMaterial", List.of(),
                List.of("publicKey", "tlogEntries", "x509CertificateChain"));
        Object entries = material.get("tlogEntries");
        need(entries == null || list(entries, "tlogEntries").isEmpty(), "keyless signatures are not read here",
                Kind.UNSUPPORTED);
        byKey = material.containsKey("publicKey");
        need(byKey != material.containsKey("x509CertificateChain"), "the bundle names no key");
        Map<String, Object> key = byKey
                ? fields(material.get("publicKey"), "publicKey", List.of(),
                        List.of("hint", "rawBytes", "keyDetails", "validFor"))
                : Map.of();
        payload = fromBase64(envelope.get("payload"), "the statement");
        need(payload.length <= LONGEST_STATEMENT, "the statement is too long");
        keyid = nameOf(one.get("keyid"));
        hint = nameOf(key.get("hint"));
    }

    /** Verify a model against the content of its signature file; return what its signers say. */
    static Said verify(byte[] data, byte[] signature, List<Key> keys) {
        List<Bundle> bundles = split(signature);
        Set<String> seen = new HashSet<>();
        for (Bundle one : bundles) {
            boolean added = seen.add(Texts.hex(one.payload) + " " + Texts.hex(one.value));
            need(added, "the same signature stands there twice");
        }
        Map<String, Statement> found = new LinkedHashMap<>();
        for (Bundle one : bundles) {
            byte[] message = Texts.signedBytes(STATEMENT_TYPE, one.payload);
            Key key = one.keyOf(keys, message);
            if (key != null) {
                need(!found.containsKey(key.id()), "two signatures are of one key");
                need(key.fits(message, one.value, PURPOSE), "the signature of " + key.id() + " is wrong",
                        Kind.BAD_SIGNATURE, DROP);
                found.put(key.id(), one.statement());
            }
        }
        String named = bundles.stream().map(Bundle::named).collect(Collectors.joining(", "));
        need(!found.isEmpty(), "signed by " + named + ", and none of your keys is that", Kind.UNKNOWN_KEY,
                "get the sender's public key from the sender");
        Said first = found.values().iterator().next().said;
        for (Statement one : found.values()) {
            need(digest(one.algorithm, data).equals(one.digest), "the model was changed after it was signed",
                    Kind.DIGEST, DROP);
            need(one.size == null || one.size.equals((long) data.length), "the model has another size", Kind.DIGEST);
            boolean same = one.said.name().equals(first.name()) && one.said.version().equals(first.version());
            need(same, "the signers call the model by different names", Kind.BAD_SIGNATURE);
        }
        return new Said(new ArrayList<>(found.keySet()), first.name(), first.version(), first.created(),
                first.metadata(), List.of());
    }

    private static List<Bundle> split(byte[] signature) {
        need(signature.length <= LONGEST, "the signature file is too long");
        String text = Json.decoded(signature, "the signature file").strip();
        need(!text.isEmpty(), "the signature file is empty", Kind.UNSIGNED, "ask the sender to sign the model");
        String[] lines = text.split("\r\n|\n|\r", 4097);
        need(lines.length <= 4096, "the signature file has too many lines");
        for (String line : lines) {
            if (!line.startsWith("{") || !line.stripTrailing().endsWith("}")) {
                return List.of(new Bundle(text)); // one bundle laid out over several lines
            }
        }
        need(lines.length <= 32, "there are too many signatures");
        List<Bundle> found = new ArrayList<>();
        for (String line : lines) {
            found.add(new Bundle(line));
        }
        return found;
    }

    private static String nameOf(Object value) {
        String name = optionalText(value, "the name of a key");
        need(name.isEmpty() || KEY_NAME.matcher(name).matches(), "the name of a key has another form");
        return name;
    }

    private String named() {
        String name = keyid.isEmpty() ? hint : keyid;
        return name.isEmpty() ? "a key without a name" : name;
    }

    /** Find the key, or null: what a bundle says only tells where to look. */
    private Key keyOf(List<Key> keys, byte[] message) {
        if (!byKey) {
            return null; // certificates: verified where roots can be given
        }
        String mixed = "the bundle is labelled as of another algorithm than its key";
        String two = "the bundle names two keys";
        if (ours) {
            need(hint.isEmpty() || keyid.isEmpty() || hint.equals(keyid), two);
            Key key = first(keys, one -> one.id().equals(hint.isEmpty() ? keyid : hint));
            need(key == null || !key.isCurve(), mixed, Kind.BAD_SIGNATURE, DROP);
            return key;
        }
        Key byId = first(keys, one -> one.id().equals(keyid));
        Key named = byId != null ? byId : first(keys, one -> one.id().equals(hint));
        need(named == null || named.isCurve(), mixed, Kind.BAD_SIGNATURE, DROP);
        if (!hint.isEmpty()) {
            Key hinted = first(keys, one -> one.isCurve() && one.hint().equals(hint));
            need(named == null || named == hinted, two);
            // Other tools name keys in their own way.
            boolean free = keyid.isEmpty() || !CURVE_ID.matcher(keyid).matches();
            need(hinted == null || free || keyid.equals(hinted.id()), two);
            return hinted;
        }
        if (named != null || !keyid.isEmpty()) {
            return named;
        }
        return first(keys, one -> one.isCurve() && one.fits(message, value, PURPOSE));
    }

    private static Key first(List<Key> keys, Predicate<Key> wanted) {
        return keys.stream().filter(wanted).findFirst().orElse(null);
    }

    /** Read the statement; its signature is right. */
    private Statement statement() {
        Map<String, Object> said = fields(Json.read(payload, "the statement", LEVELS), "the statement",
                List.of("_type", "subject", "predicateType", "predicate"), List.of());
        boolean known = "https://in-toto.io/Statement/v1".equals(said.get("_type"))
                && "https://model_signing/signature/v1.0".equals(said.get("predicateType"));
        need(known, "the statement is of another type", Kind.UNSUPPORTED);
        List<?> subjects = list(said.get("subject"), "the subject");
        need(subjects.size() == 1, "there is not one subject");
        Map<String, Object> subject = object(subjects.get(0), "the subject");
        Map<String, Object> predicate = fields(said.get("predicate"), "the predicate",
                List.of("resources", "serialization"), List.of());
        Map<String, Object> how = fields(predicate.get("serialization"), "serialization",
                List.of("method", "hash_type", "allow_symlinks"), List.of("ignore_paths"));
        Object algorithm = how.get("hash_type");
        boolean usual = "files".equals(how.get("method")) && Boolean.FALSE.equals(how.get("allow_symlinks"))
                && ("sha256".equals(algorithm) || ours && "blake3".equals(algorithm));
        need(usual, "the model is hashed in a way that is not read here", Kind.UNSUPPORTED);
        needTexts(list(how.getOrDefault("ignore_paths", List.of()), "ignore_paths"), "the ignored paths");
        List<?> resources = list(predicate.get("resources"), "the files");
        need(resources.size() == 1, "the signature is one of a folder", Kind.UNSUPPORTED, "sign the .onnx file itself");
        Map<String, Object> file = object(resources.get(0), "the file");
        boolean right = Objects.equals(file.get("algorithm"), algorithm)
                && file.get("digest") instanceof String text && DIGEST.matcher(text).matches();
        need(right, "the digest of the model has another form");
        String wanted = (String) file.get("digest");
        String root = digest("sha256", HexFormat.of().parseHex(wanted));
        need(root.equals(object(subject.get("digest"), "the digest").get("sha256")), "the digest of the whole is wrong",
                Kind.DIGEST);
        Object place = file.get("name");
        boolean single = ".".equals(place) || place instanceof String && place.equals(subject.get("name"));
        need(single, "the signature is one of a folder", Kind.UNSUPPORTED);
        Object size = optionalObject(file.get("annotations"), "the annotations").get("safeserial/size");
        Object facts = optionalObject(subject.get("annotations"), "the annotations").get("safeserial/v1");
        return new Statement((String) algorithm, wanted, size, said(facts));
    }

    private static Said said(Object facts) {
        Map<String, Object> found = fields(facts == null ? Map.of() : facts, "what the signer says", List.of(),
                List.of("created", "name", "version", "metadata"));
        Map<String, Object> metadata = object(found.getOrDefault("metadata", Map.of()), "the metadata");
        needTexts(metadata.values(), "the values of the metadata");
        Object created = found.getOrDefault("created", "");
        if (found.containsKey("created")) {
            needMoment(created, "the date of the statement");
        }
        for (String key : List.of("name", "version")) {
            boolean fits = found.getOrDefault(key, "") instanceof String text && text.length() <= LONGEST_FACT;
            need(fits, "the " + key + " of the model is no short text");
        }
        return new Said(List.of(), (String) found.getOrDefault("name", ""), (String) found.getOrDefault("version", ""),
                (String) created, metadata, List.of());
    }

    private static Map<String, Object> optionalObject(Object value, String what) {
        return value == null ? Map.of() : object(value, what);
    }
}
