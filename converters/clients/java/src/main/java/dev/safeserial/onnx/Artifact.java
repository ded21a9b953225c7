// SPDX-License-Identifier: BSD-3-Clause
// A signed artifact, model.safeserial (docs/spec/format-v1.md).  No ZIP structure is interpreted:
// what the manifest says the file must be is built and compared with what it is.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;
import static dev.safeserial.onnx.Texts.fields;
import static dev.safeserial.onnx.Texts.fromBase64;
import static dev.safeserial.onnx.Texts.list;
import static dev.safeserial.onnx.Texts.needMoment;
import static dev.safeserial.onnx.Texts.needTexts;
import static dev.safeserial.onnx.Texts.object;
import static dev.safeserial.onnx.Texts.optionalText;
import static dev.safeserial.onnx.Texts.utf8;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.CRC32;

final class Artifact {
    private static final String TYPE = "application/vnd.safeserial.manifest.v1+json";
    private static final int FIRST = 64;
    private static final int ROOM = 16320;
    private static final int ALIGN = 64;
    private static final Pattern KEY_ID = Pattern.compile("[a-z0-9][a-z0-9._:-]{0,127}");
    private static final Pattern PATH =
            Pattern.compile("payload(/[A-Za-z0-9_]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?){1,4}");
    private static final Pattern DIGEST = Pattern.compile("(blake3|sha256):[0-9a-f]{64}");
    private static final Pattern CRC = Pattern.compile("[0-9a-f]{8}");
    private static final List<String> NEEDED = List.of(
            "created", "environment", "format", "globals", "members", "model", "options", "schema");
    private static final String SHORT = "the file is too short";

    /** A member of the file: where it begins, how long its data is, and what they add up to. */
    private record Member(String path, int size, int crc, int at) {
        byte[] header() {
            byte[] name = utf8(path);
            int gap = Math.floorMod(-(at + 30L + name.length + 6), ALIGN);
            ByteBuffer out = room(30 + name.length + 6 + gap);
            out.putInt(0x04034b50).putShort((short) 20).putShort((short) 0).putShort((short) 0);
            out.putShort((short) 0).putShort((short) 33).putInt(crc).putInt(size).putInt(size);
            out.putShort((short) name.length).putShort((short) (6 + gap)).put(name);
            return out.putShort((short) 0xd935).putShort((short) (2 + gap)).putShort((short) ALIGN).array();
        }

        byte[] record() {
            byte[] name = utf8(path);
            ByteBuffer out = room(46 + name.length);
            out.putInt(0x02014b50).putShort((short) 20).putShort((short) 20).putShort((short) 0).putShort((short) 0);
            out.putShort((short) 0).putShort((short) 33).putInt(crc).putInt(size).putInt(size);
            out.putShort((short) name.length).putLong(0).putInt(0).putInt(at);
            return out.put(name).array();
        }
    }

    private Artifact() {}

    /** Say whether bytes begin as an artifact does. */
    static boolean looksLikeOne(byte[] data) {
        return data.length >= 4 && data[0] == 'P' && data[1] == 'K' && data[2] == 3 && data[3] == 4;
    }

    /** Verify an artifact with an ONNX payload; return the model's bytes and what its signers say. */
    static Verified verify(byte[] data, List<Key> keys) {
        need(data.length >= FIRST + ROOM, SHORT);
        byte[] front = Arrays.copyOfRange(data, FIRST, FIRST + ROOM);
        Member signatures = new Member("signatures.json", ROOM, crc32(front), 0);
        need(stands(data, 0, signatures.header()), "the file does not begin as an artifact");
        Map<String, Object> envelope = envelopeOf(front);
        int size = (int) (long) (Long) envelope.get("payloadSize");
        int begin = FIRST + ROOM;
        int from = begin + new Member("manifest.json", size, 0, begin).header().length;
        need(size <= data.length - from, SHORT);
        byte[] body = Arrays.copyOfRange(data, from, from + size);
        Member manifest = new Member("manifest.json", size, crc32(body), begin);
        need(stands(data, begin, manifest.header()), "the manifest's header is wrong");
        byte[] message = Texts.signedBytes(TYPE, body);
        List<String> signers = signersOf(list(envelope.get("signatures"), "the signatures"), keys, message);
        Map<String, Object> said = manifestOf(body);

        Map<String, Object> described = object(list(said.get("members"), "the members").get(0), "the member");
        long length = (Long) described.get("size");
        int at = from + size;
        need(length <= data.length - at, SHORT);
        Member model = new Member((String) described.get("path"), (int) length,
                Integer.parseUnsignedInt((String) described.get("crc32"), 16), at);
        byte[] header = model.header();
        need(stands(data, at, header), "a member's header is wrong");
        int start = at + header.length;
        need(length <= data.length - start, SHORT);
        byte[] tail = tail(List.of(signatures, manifest, model), start + (int) length);
        boolean ends = data.length - start - length == tail.length && stands(data, data.length - tail.length, tail);
        need(ends, "the end of the file is not as it should be");
        byte[] onnx = Arrays.copyOfRange(data, start, start + (int) length);
        String[] digest = ((String) described.get("digest")).split(":");
        need(Texts.digest(digest[0], onnx).equals(digest[1]), "the model was changed after it was signed",
                Kind.DIGEST, "do not use this model");
        return new Verified(onnx, saidBy(signers, said));
    }

    private static Said saidBy(List<String> signers, Map<String, Object> manifest) {
        Object metadata = manifest.get("metadata");
        Object classes = object(manifest.get("model"), "the model").get("classes");
        return new Said(signers, optionalText(manifest.get("name"), "the name"),
                optionalText(manifest.get("version"), "the version"), (String) manifest.get("created"),
                metadata == null ? Map.of() : object(metadata, "the metadata"),
                new ArrayList<>(optionalList(classes, "what should be classes")));
    }

    private static Map<String, Object> envelopeOf(byte[] front) {
        int end = front.length;
        while (end > 0 && front[end - 1] == ' ') {
            end -= 1;
        }
        Map<String, Object> found = fields(Json.readCanonical(Arrays.copyOf(front, end), "signatures.json"),
                "signatures.json", List.of("payloadSize", "payloadType", "signatures"), List.of());
        need(TYPE.equals(found.get("payloadType")), "the artifact is of another version", Kind.UNSUPPORTED);
        boolean sized = found.get("payloadSize") instanceof Long size && size > 0 && size <= 16 << 20;
        need(sized, "the manifest has another size");
        List<?> signatures = list(found.get("signatures"), "what should be signatures");
        need(!signatures.isEmpty(), "the artifact is not signed", Kind.UNSIGNED, "ask the sender to sign it");
        need(signatures.size() <= 32, "there are too many signatures");
        List<String> ids = new ArrayList<>();
        for (Object one : signatures) {
            Map<String, Object> signature = fields(one, "a signature", List.of("keyid", "sig"), List.of());
            boolean named = signature.get("keyid") instanceof String id && KEY_ID.matcher(id).matches();
            need(named, "the name of a key has another form");
            need(!ids.contains(signature.get("keyid")), "a key signed twice");
            ids.add((String) signature.get("keyid"));
            fromBase64(signature.get("sig"), "a signature");
        }
        return found;
    }

    private static List<String> signersOf(List<?> signatures, List<Key> keys, byte[] message) {
        Map<String, Key> known = new HashMap<>();
        keys.forEach(key -> known.putIfAbsent(key.id(), key));
        List<String> found = new ArrayList<>();
        List<String> named = new ArrayList<>();
        for (Object one : signatures) {
            Map<String, Object> signature = object(one, "a signature");
            String id = (String) signature.get("keyid");
            Key key = known.get(id);
            named.add(id);
            if (key != null) {
                byte[] value = fromBase64(signature.get("sig"), "a signature");
                need(key.fits(message, value, "artifact-signature"), "the signature of " + id + " is wrong",
                        Kind.BAD_SIGNATURE, "do not use this model");
                found.add(id);
            }
        }
        need(!found.isEmpty(), "signed by " + named.stream().collect(Collectors.joining(", "))
                + ", and none of your keys is that", Kind.UNKNOWN_KEY, "get the sender's public key from the sender");
        return found;
    }

    private static Map<String, Object> manifestOf(byte[] body) {
        Object read = Json.readCanonical(body, "the manifest");
        boolean known = "safeserial/manifest/v1".equals(object(read, "the manifest").get("schema"));
        need(known, "the manifest is of another version", Kind.UNSUPPORTED);
        Map<String, Object> found = fields(read, "the manifest", NEEDED, List.of("metadata", "name", "version"));
        need("onnx".equals(found.get("format")), "the artifact holds " + found.get("format") + ", not ONNX",
                Kind.UNSUPPORTED, "ask for it as ONNX: safeserial convert --to onnx");
        List<?> members = list(found.get("members"), "what should be members");
        need(members.size() == 1, "an ONNX artifact has one member");
        Map<String, Object> member = fields(members.get(0), "the member",
                List.of("path", "size", "digest", "crc32"), List.of());
        need(matches(PATH, member.get("path")) && !((String) member.get("path")).contains(".."),
                "the member has a wrong path");
        need(member.get("size") instanceof Long size && size >= 0, "the member has a wrong size");
        need((Long) member.get("size") < Content.MOST, "models of 2 GiB are not read here", Kind.UNSUPPORTED);
        need(matches(DIGEST, member.get("digest")), "the member has a wrong digest");
        need(matches(CRC, member.get("crc32")), "the member has a wrong CRC-32");
        needDescription(found);
        needMoment(found.get("created"), "the date of the manifest");
        return found;
    }

    private static boolean matches(Pattern pattern, Object value) {
        return value instanceof String text && pattern.matcher(text).matches();
    }

    /** Require what a manifest says of the model, and of where it was made, to have the right form. */
    private static void needDescription(Map<String, Object> manifest) {
        object(manifest.get("options"), "options");
        object(manifest.getOrDefault("metadata", Map.of()), "the metadata");
        needTexts(list(manifest.get("globals"), "what should be globals"), "the globals");
        optionalText(manifest.get("name"), "the name");
        optionalText(manifest.get("version"), "the version");
        List<String> where = List.of("python", "implementation", "platform");
        Map<String, Object> environment = fields(manifest.get("environment"), "the environment",
                List.of("python", "implementation", "platform", "packages"), List.of());
        needTexts(where.stream().map(environment::get).toList(), "the values of the environment");
        needTexts(object(environment.get("packages"), "packages").values(), "the versions of packages");
        Map<String, Object> model = fields(manifest.get("model"), "the model", List.of("class_name"),
                List.of("n_features", "feature_names", "classes"));
        need(model.get("class_name") instanceof String, "the name of the class is no text");
        Object count = model.get("n_features");
        need(count == null || count instanceof Long, "the model has another number of features");
        needTexts(optionalList(model.get("feature_names"), "what should be features"), "the features");
        boolean plain = optionalList(model.get("classes"), "what should be classes").stream()
                .allMatch(one -> one instanceof String || one instanceof Long || one instanceof Boolean);
        need(plain, "the model has other classes");
    }

    private static List<?> optionalList(Object value, String what) {
        return value == null ? List.of() : list(value, what);
    }

    private static ByteBuffer room(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static boolean stands(byte[] data, int at, byte[] wanted) {
        return wanted.length <= data.length - at
                && Arrays.equals(data, at, at + wanted.length, wanted, 0, wanted.length);
    }

    private static byte[] tail(List<Member> members, int at) {
        byte[] directory = Texts.joined(members.stream().map(Member::record).toArray(byte[][]::new));
        ByteBuffer end = room(22).putInt(0x06054b50).putInt(0).putShort((short) members.size());
        end.putShort((short) members.size()).putInt(directory.length).putInt(at).putShort((short) 0);
        return Texts.joined(directory, end.array());
    }

    /** The check sum of ZIP, which protects nothing; it stands in headers that are compared. */
    private static int crc32(byte[] bytes) {
        CRC32 sum = new CRC32();
        sum.update(bytes);
        return (int) sum.getValue();
    }
}
