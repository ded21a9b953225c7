// SPDX-License-Identifier: BSD-3-Clause
// The test vectors: the folder that SAFESERIAL_VECTORS names, else ../vectors.
package dev.safeserial.onnx;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Vectors {
    private static final Path FOLDER =
            Path.of(System.getenv().getOrDefault("SAFESERIAL_VECTORS", "../vectors")).toAbsolutePath();

    /** One case of cases.json. */
    record Case(String name, String model, String signature, String key, boolean accept, String needs) {
        Verified verify() {
            byte[] signed = signature == null ? null : bytes(signature);
            return Verifier.verify(bytes(model), signed, List.of(Key.read(path(key))));
        }
    }

    private Vectors() {}

    static Path path(String name) {
        return FOLDER.resolve(name);
    }

    static byte[] bytes(String name) {
        try {
            return Files.readAllBytes(path(name));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static Object json(String name) {
        return Json.parse(bytes(name), name);
    }

    static List<Case> cases() {
        List<Case> found = new ArrayList<>();
        for (Object one : Texts.list(json("cases.json"), "cases")) {
            Map<String, Object> fields = Texts.object(one, "case");
            found.add(new Case((String) fields.get("name"), (String) fields.get("model"),
                    (String) fields.get("signature"), (String) fields.get("key"),
                    (Boolean) fields.get("accept"), (String) fields.get("needs")));
        }
        return found;
    }

    /** Return the rows of a model: a map a row. */
    static List<Map<String, Object>> rows(String model) {
        Map<String, Object> columns = Texts.object(json(model + "/rows.json"), "rows");
        List<Map<String, Object>> found = new ArrayList<>();
        columns.forEach((name, values) -> {
            List<?> column = Texts.list(values, name);
            for (int row = 0; row < column.size(); row += 1) {
                if (found.size() == row) {
                    found.add(new LinkedHashMap<>());
                }
                found.get(row).put(name, column.get(row));
            }
        });
        return found;
    }

    static Model open(String model) {
        byte[] signed = bytes("signed/" + model + ".p256.sig");
        List<Key> keys = List.of(Key.read(path("keys/p256.pem")));
        return Model.open(Verifier.verify(bytes(model + "/model.onnx"), signed, keys));
    }
}
