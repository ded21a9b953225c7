// SPDX-License-Identifier: BSD-3-Clause
// A model whose signature was found right.  Only Verifier makes one.
package dev.safeserial.onnx;

/** The ONNX bytes that were verified, and what the signers say. */
public final class Verified {
    private final byte[] data;
    private final Said said;

    Verified(byte[] data, Said said) {
        this.data = data;
        this.said = said;
    }

    /** What the signers say. */
    public Said said() {
        return said;
    }

    /** A copy of the ONNX model. */
    public byte[] onnx() {
        return data.clone();
    }

    byte[] data() {
        return data;
    }
}
