// SPDX-License-Identifier: BSD-3-Clause
// The model answers as it did when this project was made, from JSON, CSV and typed rows; a changed one is refused.
// A plain class: `mvn test` runs its methods, and so does `make test`.  A model signed with a shared secret is
// tested with SAFESERIAL_KEY_FILE=secret.key make test
package model;

import dev.safeserial.onnx.Answer;
import dev.safeserial.onnx.Json;
import dev.safeserial.onnx.Key;
import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.Verifier;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public class ProjectTest {
    private static final Path FOLDER = Path.of(System.getProperty("model.folder", "."));
    private static final String KEY_FILE = System.getenv("SAFESERIAL_KEY_FILE");

    /** Run the tests, as `make test` does. */
    public static void main(String[] arguments) throws IOException {
        ProjectTest tests = new ProjectTest();
        tests.testRowsAreAnsweredAsWhenTheProjectWasMade();
        tests.testAChangedModelIsRefused();
        System.out.println("2 passed, 0 failed");
    }

    private static Path key() {
        if (KEY_FILE == null && Facts.KEY == null) {
            throw new AssertionError("SAFESERIAL_KEY_FILE names no key");
        }
        return KEY_FILE == null ? FOLDER.resolve(Facts.KEY) : Path.of(KEY_FILE);
    }

    private static byte[] bytes(String name) throws IOException {
        return Files.readAllBytes(FOLDER.resolve(name));
    }

    private static void check(boolean right, String message) {
        if (!right) {
            throw new AssertionError(message);
        }
    }

    public void testRowsAreAnsweredAsWhenTheProjectWasMade() throws IOException {
        List<?> answers = (List<?>) Json.parse(bytes("answers.json"), "answers.json");
        try (SignedModel model = SignedModel.open(FOLDER, key())) {
            if (answers.isEmpty()) {
                return; // the model has no answer to made-up rows
            }
            for (String name : List.of("rows.json", "rows.csv")) {
                List<?> rows = SignedModel.readRows(bytes(name));
                List<Answer> found = model.predictRows(rows);
                boolean right = same(found.stream().map(Answer::values).toList(), answers);
                check(right, name + ": " + found + ", not " + answers);
                List<Row> typed = new ArrayList<>();
                for (Object one : rows) {
                    typed.add(Row.of((Map<?, ?>) one));
                }
                List<Prediction> wanted = found.stream().map(Prediction::of).toList();
                check(model.predict(typed).equals(wanted), name + ": typed rows differ");
            }
        }
    }

    private static boolean same(Object found, Object wanted) {
        if (wanted instanceof List<?> list && found instanceof List<?> other && other.size() == list.size()) {
            boolean all = true;
            for (int at = 0; at < list.size(); at += 1) {
                all &= same(other.get(at), list.get(at));
            }
            return all;
        }
        if (wanted instanceof Map<?, ?> map && found instanceof Map<?, ?> other) {
            return map.keySet().equals(other.keySet())
                    && map.entrySet().stream().allMatch(one -> same(other.get(one.getKey()), one.getValue()));
        }
        if (wanted instanceof Number number && found instanceof Number other) {
            double off = Math.abs(other.doubleValue() - number.doubleValue());
            return off <= 1e-6 * Math.max(1, Math.abs(number.doubleValue()));
        }
        return wanted.equals(found);
    }

    public void testAChangedModelIsRefused() throws IOException {
        byte[] data = bytes(Facts.MODEL);
        byte[] signature = Facts.SIGNATURE == null ? null : bytes(Facts.SIGNATURE);
        List<Key> keys = List.of(Key.read(key()));
        Verifier.verify(data, signature, keys);
        for (int part = 1; part < 8; part += 1) {
            byte[] changed = data.clone();
            changed[data.length / 8 * part] ^= 1;
            try {
                Verifier.verify(changed, signature, keys);
            } catch (SafeSerialException refused) {
                continue;
            }
            throw new AssertionError("a changed model is accepted");
        }
    }
}
