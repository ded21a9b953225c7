// SPDX-License-Identifier: BSD-3-Clause
// What the signers say of a model; read only after their signatures were found right.
package dev.safeserial.onnx;

import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * What the signers say of a model.
 *
 * @param signers the ids of the keys whose signatures were checked
 * @param name the model's name, or ""
 * @param version its version, or ""
 * @param created when it was signed (UTC), or ""
 * @param metadata the publisher's own
 * @param classes what it can predict, where the file says so, or nothing
 */
public record Said(
        List<String> signers, String name, String version, String created,
        Map<String, Object> metadata, List<Object> classes) {

    public Said {
        signers = List.copyOf(signers);
        metadata = Collections.unmodifiableMap(metadata);
        classes = Collections.unmodifiableList(classes);
    }
}
