// SPDX-License-Identifier: BSD-3-Clause
// Verify a model, whichever way it is signed.  Loads no engine.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.file.Path;
import java.util.List;

/** Verifies models. */
public final class Verifier {
    private Verifier() {}

    /**
     * Verify a model's file, which is read once.
     *
     * @param model a {@code .onnx} or {@code .safeserial} file
     * @param signature the signature of an {@code .onnx} file; null is the model's name with {@code .sig} added
     * @param keys whom you trust
     * @throws SafeSerialException if the model is not to be used
     */
    public static Verified verify(Path model, Path signature, List<Key> keys) {
        byte[] data = Content.read(model, Content.MOST);
        byte[] signed = signature != null
                ? Content.read(signature, Bundle.LONGEST)
                : Content.readOrNull(model.resolveSibling(model.getFileName() + ".sig"), Bundle.LONGEST);
        return checked(data, signed, keys);
    }

    /**
     * Verify a model's bytes.
     *
     * @param model what a {@code .onnx} or {@code .safeserial} file holds
     * @param signature what the {@code .sig} file of an {@code .onnx} file holds, else null
     * @param keys whom you trust
     * @throws SafeSerialException if the model is not to be used
     */
    public static Verified verify(byte[] model, byte[] signature, List<Key> keys) {
        // Copies: nobody can change them between the check and the use.
        return checked(model.clone(), signature == null ? null : signature.clone(), keys);
    }

    private static Verified checked(byte[] data, byte[] signature, List<Key> keys) {
        need(!keys.isEmpty(), "no key was given", Kind.KEY, "give the sender's public key");
        Verified found;
        if (Artifact.looksLikeOne(data)) {
            found = Artifact.verify(data, keys);
        } else {
            need(signature != null, "the model comes without a signature", Kind.UNSIGNED,
                    "the sender signs it with: safeserial sign model.onnx");
            found = new Verified(data, Bundle.verify(data, signature, keys));
        }
        Onnx.check(found.data());
        Said said = found.said();
        return !said.classes().isEmpty() ? found : new Verified(found.data(), new Said(said.signers(), said.name(),
                said.version(), said.created(), said.metadata(), Onnx.classes(found.data())));
    }
}
