// SPDX-License-Identifier: BSD-3-Clause
// Hostile bytes raise SafeSerialException and nothing else, and changed ones are never accepted.
package dev.safeserial.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HostileTest {
    private static final String[] WORDS = {
        "{", "[", "\"", ",", "null", "-1", "1e999", "\\u0000", "\\ud800", "\0", "\r\n", "\ufeff", "true", "{}", "[[[["};

    /** Return a changed copy: bytes flipped, cut, put in, doubled, or words of JSON put in. */
    private static byte[] mutated(byte[] data, Random random) {
        int at = random.nextInt(data.length);
        int length = Math.min(data.length - at, 1 + random.nextInt(40));
        byte[] before = Arrays.copyOf(data, at);
        byte[] piece = Arrays.copyOfRange(data, at, at + length);
        byte[] after = Arrays.copyOfRange(data, at + length, data.length);
        switch (random.nextInt(5)) {
            case 0 -> piece[random.nextInt(length)] ^= (byte) (1 << random.nextInt(8));
            case 1 -> piece = new byte[0];
            case 2 -> piece = Texts.joined(piece, piece);
            case 3 -> piece = Texts.joined(Texts.utf8(WORDS[random.nextInt(WORDS.length)]), piece);
            default -> after = new byte[0];
        }
        return Texts.joined(before, piece, after);
    }

    @ParameterizedTest
    @CsvSource({"ed25519,1", "p256,2", "hmac,3"})
    void signaturesChangedAtRandom(String kind, long seed) {
        Random random = new Random(seed);
        byte[] model = Vectors.bytes("mixed/model.onnx");
        byte[] signed = Vectors.bytes("signed/mixed." + kind + ".sig");
        List<Key> keys = List.of(Key.read(Vectors.path("keys/" + (kind.equals("hmac") ? "hmac.txt" : kind + ".pem"))));
        Said right = Verifier.verify(model, signed, keys).said();
        int refused = 0;
        for (int turn = 0; turn < 1000; turn += 1) {
            byte[] changed = mutated(signed, random);
            try {
                // White space between the parts, or the name of a log, may change: the statement may not.
                assertEquals(right, Verifier.verify(model, changed, keys).said());
            } catch (SafeSerialException error) {
                refused += 1;
            }
        }
        assertTrue(refused > 900, refused + " refused");
    }

    @ParameterizedTest
    @CsvSource({"ed25519,4", "p256,5", "hmac,6"})
    void artifactsChangedAtRandom(String kind, long seed) {
        Random random = new Random(seed);
        byte[] data = Vectors.bytes("signed/text." + kind + ".safeserial");
        List<Key> keys = List.of(Key.read(Vectors.path("keys/" + (kind.equals("hmac") ? "hmac.txt" : kind + ".pem"))));
        Verifier.verify(data, null, keys);
        byte[] front = Arrays.copyOf(data, 17500); // headers, signatures, manifest: where there is something to parse
        byte[] rest = Arrays.copyOfRange(data, front.length, data.length);
        for (int turn = 0; turn < 300; turn += 1) {
            boolean early = turn % 2 == 0;
            byte[] changed = early ? Texts.joined(mutated(front, random), rest) : mutated(data, random);
            if (!Arrays.equals(changed, data)) {
                assertThrows(SafeSerialException.class, () -> Verifier.verify(changed, null, keys));
            }
        }
    }

    @Test
    void statementsThatAreSignedAndWrong() throws Exception {
        // Whoever has the secret can sign anything: no statement may do more than be refused.
        Random random = new Random(7);
        byte[] model = Vectors.bytes("mixed/model.onnx");
        String bundle = new String(Vectors.bytes("signed/mixed.hmac.sig"), "UTF-8");
        String payload = bundle.replaceAll("(?s).*\"payload\":\"([^\"]+)\".*", "$1");
        String tag = bundle.replaceAll("(?s).*\"sig\":\"([^\"]+)\".*", "$1");
        byte[] statement = Base64.getDecoder().decode(payload);
        Key key = Key.read(Vectors.path("keys/hmac.txt"));
        for (int turn = 0; turn < 1000; turn += 1) {
            byte[] changed = mutated(statement, random);
            if (changed.length == 0) {
                continue;
            }
            byte[] message = Texts.signedBytes("application/vnd.in-toto+json", changed);
            String forged = bundle.replace(payload, Base64.getEncoder().encodeToString(changed))
                    .replace(tag, Base64.getEncoder().encodeToString(signed(message)));
            try {
                Said said = Verifier.verify(model, Texts.utf8(forged), List.of(key)).said();
                assertEquals(List.of(key.id()), said.signers());
            } catch (SafeSerialException error) {
                assertTrue(error.kind() != Kind.BAD_SIGNATURE, error.getMessage());
            }
        }
    }

    private static byte[] signed(byte[] message) throws Exception {
        String line = new String(Vectors.bytes("keys/hmac.txt"), "UTF-8").strip();
        byte[] secret = Base64.getUrlDecoder().decode(line.substring(line.indexOf(':') + 1));
        byte[] extracted = hmac(new byte[32], secret);
        byte[] info = Texts.utf8("safeserial/v1/detached-signature\u0001");
        return hmac(hmac(extracted, info), message);
    }

    private static byte[] hmac(byte[] key, byte[] message) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(message);
    }

    @Test
    void classesAreReadOrNot() {
        Random random = new Random(8);
        byte[] model = Vectors.bytes("mixed/model.onnx");
        assertEquals(List.of("high", "low", "middle"), Onnx.classes(model));
        assertEquals(List.of(0L, 1L, 2L), Onnx.classes(Vectors.bytes("forest/model.onnx")));
        for (int turn = 0; turn < 2000; turn += 1) {
            assertTrue(Onnx.classes(mutated(model, random)).size() < 100);
        }
        assertEquals(List.of(), Onnx.classes(new byte[0]));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "\"\\ud800\"", "\"\t\"", "01",
        "1.", ".5", "+1", "NaN", "tru", "nullx", "1 2", "\"\\x\"", "\"\\u12\"",
        "\"\\u00\uff11\uff12\"", "\"abc", "'a'", "\ufeff1", "{a:1}"})
    void thatIsNotJson(String text) {
        assertThrows(SafeSerialException.class, () -> Json.read(Texts.utf8(text), "this"));
    }

    @Test
    void jsonIsBounded() {
        String deep = "[".repeat(32) + "1" + "]".repeat(32);
        Json.read(Texts.utf8(deep), "this");
        assertThrows(SafeSerialException.class, () -> Json.read(Texts.utf8("[" + deep + "]"), "this"));
        assertThrows(SafeSerialException.class, () -> Json.read(Texts.utf8("[".repeat(400_000)), "this"));
        assertThrows(SafeSerialException.class, () -> Json.read(Texts.utf8(",".repeat(1 << 20)), "this"));
        assertThrows(SafeSerialException.class, () -> Json.read(Texts.utf8("9".repeat(2000)), "this"));
        byte[] overlong = {'"', (byte) 0xc0, (byte) 0x80, '"'};
        assertThrows(SafeSerialException.class, () -> Json.read(overlong, "this"));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{\"b\":1,\"a\":2}", "[1, 2]", "1.0", "-0", "9007199254740992", "\"\\u00E9\"",
        "\"é\"", "\"\\/\"", "{\"a\":1}\n", "1e3"})
    void thatIsNotCanonical(String text) {
        assertThrows(SafeSerialException.class, () -> Json.readCanonical(Texts.utf8(text), "this"));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "nothing", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", "safeserial-hmac-sha256-v1:",
        "safeserial-hmac-sha256-v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "safeserial-hmac-sha256-v1:AwQF"})
    void thatIsNoKey(String text) {
        SafeSerialException error = assertThrows(SafeSerialException.class, () -> Key.read(text));
        assertTrue(error.kind() == Kind.KEY || error.kind() == Kind.FORMAT);
    }

    @ParameterizedTest
    @ValueSource(strings = {
        // Ed25519: the neutral point, y that is not below the prime, no point at all.
        "302a300506032b65700321000100000000000000000000000000000000000000000000000000000000000000",
        "302a300506032b6570032100ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "302a300506032b65700321000200000000000000000000000000000000000000000000000000000000000000",
        // P-256: a point that is not on the curve, the compressed form.
        "3059301306072a8648ce3d020106082a8648ce3d030107034200"
            + "040000000000000000000000000000000000000000000000000000000000000001"
            + "0000000000000000000000000000000000000000000000000000000000000001",
        "3039301306072a8648ce3d020106082a8648ce3d030107032200"
            + "029d8da3570c175f6cf27e78558463cfb5c6712021fdf67c1520b5923acf35d08d"})
    void pointsThatAreNoKey(String der) {
        String body = Base64.getEncoder().encodeToString(HexFormat.of().parseHex(der));
        String pem = "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----\n";
        assertEquals(Kind.KEY, assertThrows(SafeSerialException.class, () -> Key.read(pem)).kind());
    }
}
