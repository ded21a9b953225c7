// SPDX-License-Identifier: BSD-3-Clause
// Keys, and whether a signature fits one.  The cryptography is the JDK's own (java.security, javax.crypto).
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;
import static dev.safeserial.onnx.Texts.fromBase64;
import static dev.safeserial.onnx.Texts.hex;
import static dev.safeserial.onnx.Texts.joined;
import static dev.safeserial.onnx.Texts.utf8;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.math.BigInteger;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECFieldFp;
import java.security.spec.EllipticCurve;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A key that you trust: a public key, or a shared secret. */
public final class Key {
    private static final BigInteger TWO = BigInteger.TWO;
    private static final BigInteger ORDER =
            TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493"));
    private static final BigInteger PRIME = TWO.pow(255).subtract(BigInteger.valueOf(19));
    // The y of every point whose order divides 8: under such a key anybody can sign.
    private static final List<BigInteger> WEAK = List.of(
            BigInteger.ZERO, BigInteger.ONE, PRIME.subtract(BigInteger.ONE),
            new BigInteger("2707385501144840649318225287225658788936804267575313519463743609750303402022"),
            new BigInteger("55188659117513257062467267217118295137698188065244968500265048394206261417927"));
    private static final String BEGIN = "-----BEGIN PUBLIC KEY-----";
    private static final String END = "-----END PUBLIC KEY-----";
    private static final String HMAC_LINE = "safeserial-hmac-sha256-v1:";
    private static final String NOT_A_KEY = "give the PEM of a public key, or the one line of a shared secret";
    private static final int LONGEST = 16384;

    /** A kind of public key: how its DER begins, how many bytes follow, what the JDK calls it. */
    private record Sort(String label, String der, int bytes, String factory, String signature) {}

    private static final List<Sort> SORTS = List.of(
            new Sort("ed25519", "302a300506032b6570032100", 32, "Ed25519", "Ed25519"),
            new Sort("p256", "3059301306072a8648ce3d020106082a8648ce3d030107034200", 65, "EC", "SHA256withECDSA"),
            new Sort("p384", "3076301006072a8648ce3d020106052b81040022036200", 97, "EC", "SHA384withECDSA"),
            new Sort("p521", "30819b301006072a8648ce3d020106052b8104002303818600", 133, "EC", "SHA512withECDSA"));

    private interface Check {
        boolean fits(byte[] message, byte[] value, String purpose) throws GeneralSecurityException;
    }

    private final String id;
    private final String hint;
    private final boolean curve;
    private final Check check;

    private Key(String id, String hint, boolean curve, Check check) {
        this.id = id;
        this.hint = hint;
        this.curve = curve;
        this.check = check;
    }

    /** The key's id, by which signatures name it. */
    public String id() {
        return id;
    }

    @Override
    public String toString() {
        return id;
    }

    /** By which name an OpenSSF Model Signing bundle calls it. */
    String hint() {
        return hint;
    }

    /** Whether it signs with ECDSA. */
    boolean isCurve() {
        return curve;
    }

    /** Say whether a signature of a message is right. */
    boolean fits(byte[] message, byte[] value, String purpose) {
        try {
            return check.fits(message, value, purpose);
        } catch (SignatureException error) {
            return false;
        } catch (GeneralSecurityException error) {
            throw unusable();
        }
    }

    /** Read a file with a public key or a shared secret. */
    public static Key read(Path file) {
        return read(Json.decoded(Content.read(file, LONGEST), "the key"));
    }

    /** Read a public key (PEM: Ed25519, P-256, P-384, P-521) or a shared secret (one line). */
    public static Key read(String text) {
        need(text.length() <= LONGEST, "that is no key", Kind.KEY, NOT_A_KEY);
        String line = text.strip();
        try {
            if (line.startsWith(HMAC_LINE)) {
                return secretKey(line.substring(HMAC_LINE.length()));
            }
            boolean pem = line.startsWith(BEGIN) && line.endsWith(END) && line.indexOf(END) == line.lastIndexOf(END);
            need(pem, "that is no public key in PEM", Kind.KEY, NOT_A_KEY);
            String body = line.substring(BEGIN.length(), line.length() - END.length());
            return publicKey(fromBase64(body.replaceAll("\\s+", ""), "the public key"));
        } catch (GeneralSecurityException error) {
            throw unusable();
        }
    }

    private static SafeSerialException unusable() {
        return new SafeSerialException(Kind.KEY, "the public key cannot be used", NOT_A_KEY);
    }

    private static Key publicKey(byte[] der) throws GeneralSecurityException {
        String digits = hex(der);
        Sort sort = SORTS.stream()
                .filter(one -> der.length == one.der.length() / 2 + one.bytes && digits.startsWith(one.der))
                .findFirst().orElse(null);
        need(sort != null, "this kind of public key is not read here", Kind.KEY,
                "Ed25519, P-256, P-384 or P-521");
        boolean curve = sort.factory.equals("EC");
        if (!curve) {
            BigInteger y = littleEndian(der, der.length - 32).clearBit(255);
            need(y.compareTo(PRIME) < 0 && !WEAK.contains(y), "under this key anybody can sign", Kind.KEY, NOT_A_KEY);
        }
        PublicKey key = KeyFactory.getInstance(sort.factory).generatePublic(new X509EncodedKeySpec(der));
        if (key instanceof ECPublicKey point) {
            need(isOnCurve(point), "the public key is no point of its curve", Kind.KEY, NOT_A_KEY);
        }
        Signature.getInstance(sort.signature).initVerify(key); // the JDK refuses here what it cannot use
        String id = sort.label + "-" + hex(Arrays.copyOf(sha256(der), 16));
        return new Key(id, curve ? hex(sha256(utf8(pem(der)))) : id, curve, (message, value, purpose) -> {
            boolean formed = key instanceof ECPublicKey point
                    ? isStrictDer(value, point.getParams().getOrder())
                    : value.length == 64 && littleEndian(value, 32).compareTo(ORDER) < 0;
            if (!formed) {
                return false;
            }
            Signature verifier = Signature.getInstance(sort.signature);
            verifier.initVerify(key);
            verifier.update(message);
            return verifier.verify(value);
        });
    }

    private static boolean isOnCurve(ECPublicKey key) {
        EllipticCurve curve = key.getParams().getCurve();
        BigInteger prime = ((ECFieldFp) curve.getField()).getP();
        BigInteger x = key.getW().getAffineX();
        BigInteger y = key.getW().getAffineY();
        boolean reduced = x.compareTo(prime) < 0 && y.compareTo(prime) < 0;
        BigInteger right = x.pow(3).add(curve.getA().multiply(x)).add(curve.getB()).mod(prime);
        return reduced && y.multiply(y).mod(prime).equals(right);
    }

    /** Say whether this is the DER of a sequence of two integers from 1 to below the order, and nothing more. */
    private static boolean isStrictDer(byte[] value, BigInteger order) {
        boolean extended = value.length > 2 && value[1] == (byte) 0x81;
        int start = extended ? 3 : 2;
        int length = value.length < start ? -1 : value[start - 1] & 0xff;
        boolean shortest = extended == length > 127;
        if (!shortest || value.length != start + length || value[0] != 0x30) {
            return false;
        }
        int at = start;
        for (int turn = 0; turn < 2; turn += 1) {
            int size = at + 2 <= value.length ? value[at + 1] & 0xff : 0;
            if (size == 0 || value[at] != 2 || at + 2 + size > value.length) {
                return false;
            }
            BigInteger number = new BigInteger(value, at + 2, size);
            boolean minimal = number.toByteArray().length == size;
            if (!minimal || number.signum() <= 0 || number.compareTo(order) >= 0) {
                return false;
            }
            at += 2 + size;
        }
        return at == value.length;
    }

    private static BigInteger littleEndian(byte[] bytes, int from) {
        byte[] turned = new byte[32];
        for (int at = 0; at < 32; at += 1) {
            turned[31 - at] = bytes[from + at];
        }
        return new BigInteger(1, turned);
    }

    private static String pem(byte[] der) {
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        return BEGIN + "\n" + body + "\n" + END + "\n";
    }

    private static Key secretKey(String text) throws GeneralSecurityException {
        byte[] secret = fromBase64(text.replace('-', '+').replace('_', '/'), "the shared secret");
        int different = distinct(secret);
        boolean strong = secret.length >= 32 && secret.length <= 1024 && different >= 8;
        need(strong, "the shared secret is too weak", Kind.KEY, "make one with: safeserial keys new");
        String id = "hmac-" + hex(Arrays.copyOf(derived(secret, "key-id"), 16));
        return new Key(id, id, false, (message, value, purpose) ->
                MessageDigest.isEqual(hmac(derived(secret, purpose), message), value)); // constant time
    }

    private static int distinct(byte[] bytes) {
        boolean[] seen = new boolean[256];
        int found = 0;
        for (byte one : bytes) {
            found += seen[one & 0xff] ? 0 : 1;
            seen[one & 0xff] = true;
        }
        return found;
    }

    /** HKDF-SHA256 (RFC 5869) without salt, one block: two calls of HMAC, since Java 17 has no HKDF. */
    private static byte[] derived(byte[] secret, String purpose) throws GeneralSecurityException {
        byte[] extracted = hmac(new byte[32], secret);
        return hmac(extracted, joined(utf8("safeserial/v1/" + purpose), new byte[] {1}));
    }

    private static byte[] hmac(byte[] key, byte[] message) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(message);
    }

    private static byte[] sha256(byte[] bytes) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(bytes);
    }
}
