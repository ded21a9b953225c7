// SPDX-License-Identifier: BSD-3-Clause
// Every vector: what must be refused is, the rest answers as scikit-learn does.
package dev.safeserial.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VectorsTest {
    @Test
    void thereAreCasesOfBothKinds() {
        long good = Vectors.cases().stream().filter(Vectors.Case::accept).count();
        assertTrue(good >= 12);
        assertTrue(Vectors.cases().size() - good >= 70);
    }

    @TestFactory
    Stream<DynamicTest> cases() {
        return Vectors.cases().stream().map(one -> DynamicTest.dynamicTest(one.name(), () -> check(one)));
    }

    private static void check(Vectors.Case one) {
        boolean lacking = "blake3".equals(one.needs()) && !hasBlake3();
        if (one.accept() && !lacking) {
            Said said = one.verify().said();
            assertEquals(List.of(Key.read(Vectors.path(one.key())).id()), said.signers());
            assertEquals("1.0", said.version());
            assertEquals(Map.of("team", "vectors"), said.metadata());
            return;
        }
        SafeSerialException error = assertThrows(SafeSerialException.class, one::verify);
        assertFalse(error.getMessage().isEmpty() || error.hint().isEmpty());
        if (lacking) {
            assertEquals(Kind.UNSUPPORTED, error.kind());
            assertTrue(error.getMessage().contains("BLAKE3"), error.getMessage());
        }
    }

    private static boolean hasBlake3() {
        try {
            return MessageDigest.getInstance("BLAKE3-256") != null;
        } catch (NoSuchAlgorithmException error) {
            return false;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mixed", "forest", "text"})
    void rowsOf(String name) {
        Map<String, Object> expected = Texts.object(Vectors.json(name + "/expected.json"), name);
        List<?> labels = Texts.list(expected.get("labels"), "labels");
        List<?> probabilities = Texts.list(expected.get("probabilities"), "probabilities");
        int wrong = 0;
        double off = 0;
        try (Model model = Vectors.open(name)) {
            List<Answer> answers = model.predict(Vectors.rows(name));
            assertEquals(500, answers.size());
            for (int row = 0; row < 500; row += 1) {
                wrong += labels.get(row).equals(answers.get(row).label()) ? 0 : 1;
                List<?> wanted = Texts.list(probabilities.get(row), "probabilities");
                double[] found = answers.get(row).probabilities();
                assertEquals(wanted.size(), found.length);
                for (int at = 0; at < found.length; at += 1) {
                    assertTrue(Double.isFinite(found[at]));
                    off = Math.max(off, Math.abs(found[at] - ((Number) wanted.get(at)).doubleValue()));
                }
            }
        }
        System.out.println(name + ": " + wrong + " labels differ, probabilities by " + off);
        assertEquals(0, wrong);
        assertTrue(off <= 1e-6, "probabilities differ by " + off);
    }
}
