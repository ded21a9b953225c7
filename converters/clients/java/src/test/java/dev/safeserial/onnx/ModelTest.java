// SPDX-License-Identifier: BSD-3-Clause
// Rows that fit, rows that do not, the engine, and the command.
package dev.safeserial.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.safeserial.onnx.Engine.Input;
import dev.safeserial.onnx.Engine.Tensor;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelTest {
    private static Map<String, Object> row(Object age, Object fare, Object town, Object kind) {
        Map<String, Object> found = new HashMap<>();
        found.put("age", age);
        found.put("fare", fare);
        found.put("town", town);
        found.put("class", kind);
        return found;
    }

    private static Kind refusal(Model model, Object... rows) {
        return assertThrows(SafeSerialException.class, () -> model.predict(Arrays.asList(rows))).kind();
    }

    @Test
    void numbersOfAnyKindAndMissingValues() {
        try (Model model = Vectors.open("mixed")) {
            Answer whole = model.predict(List.of(row(31, 8L, "Köln", "first"))).get(0);
            Answer real = model.predict(List.of(row(31.0, 8.0f, "Köln", "first"))).get(0);
            assertEquals(whole.values(), real.values());
            assertTrue(List.of("low", "middle", "high").contains(whole.label()));
            Answer missing = model.predict(List.of(row(null, Double.NaN, null, ""))).get(0);
            assertEquals(1.0, Arrays.stream(missing.probabilities()).sum(), 1e-9);
            assertEquals(List.of("high", "low", "middle"), model.said().classes());
            assertEquals(List.of("age", "fare", "town", "class"), model.inputs().stream().map(Input::name).toList());
        }
    }

    @Test
    void rowsThatDoNotFit() {
        try (Model model = Vectors.open("mixed"); Model forest = Vectors.open("forest")) {
            assertEquals(Kind.ROWS, refusal(model));
            assertEquals(Kind.ROWS, refusal(model, Map.of("age", 1)));
            assertEquals(Kind.ROWS, refusal(model, 1));
            assertEquals(Kind.ROWS, refusal(model, (Object) null));
            assertEquals(Kind.ROWS, refusal(model, row("31", 8, "Köln", "first")));
            assertEquals(Kind.ROWS, refusal(model, row(true, 8, "Köln", "first")));
            assertEquals(Kind.ROWS, refusal(model, row(31, 8, 4, "first")));
            assertEquals(Kind.ROWS, refusal(model, row(31, 8, "a\0b", "first")));
            assertEquals(Kind.ROWS, refusal(model, row(31, 8, "\ud800", "first")));
            assertEquals(Kind.ROWS, refusal(model, row(List.of(1, 2), 8, "Köln", "first")));
            assertEquals(Kind.ROWS, refusal(forest, Map.of("X", List.of(1, 2))));
            assertEquals(Kind.ROWS, refusal(forest, List.of(1, 2, 3, 4, 5, 6), List.of(1, 2, 3, 4, 5)));
        }
    }

    @Test
    void oneInputTakesBareValues() {
        try (Model forest = Vectors.open("forest"); Model text = Vectors.open("text")) {
            double[] values = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
            Answer bare = forest.predict(List.of(values)).get(0);
            Answer named = forest.predict(List.of(Map.of("X", List.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)))).get(0);
            assertEquals(named.values(), bare.values());
            assertTrue(bare.label() instanceof Long);
            assertEquals(2, text.predict(List.of("GOOD film 😀", "bad")).size());
        }
    }

    @Test
    void integersAndFlagsCannotBeMissing() {
        List<Input> inputs = List.of(new Input("n", "int64", List.of(-1L)), new Input("i", "int32", List.of(-1L, 1L)),
                new Input("b", "bool", List.of(-1L)), new Input("f", "float32", List.of(-1L, -1L)));
        Map<String, Object> row = new HashMap<>(Map.of("n", 4.0, "i", -7L, "b", true, "f", new float[] {1, 2}));
        Map<String, Tensor> feed = Rows.feed(inputs, List.of(row, row));
        assertArrayEquals(new long[] {4, 4}, (long[]) feed.get("n").data());
        assertArrayEquals(new int[] {-7, -7}, (int[]) feed.get("i").data());
        assertArrayEquals(new boolean[] {true, true}, (boolean[]) feed.get("b").data());
        assertArrayEquals(new float[] {1, 2, 1, 2}, (float[]) feed.get("f").data());
        assertArrayEquals(new long[] {2, 2}, feed.get("f").shape());
        Map<String, Object> wrong = new HashMap<>();
        wrong.put("n", 4.5);
        wrong.put("i", 1L << 31);
        wrong.put("b", 1);
        wrong.put("f", List.of());
        wrong.forEach((name, value) -> {
            for (Object bad : Arrays.asList(value, null)) {
                Map<String, Object> changed = new HashMap<>(row);
                changed.put(name, bad);
                boolean fits = name.equals("f") && bad == null; // one missing number: another width
                List<Map<String, Object>> rows = fits ? List.of(row, changed) : List.of(changed);
                assertThrows(SafeSerialException.class, () -> Rows.feed(inputs, rows), name + " " + bad);
            }
        });
    }

    @Test
    void threadsShareAModelAndNobodyUsesAClosedOne() {
        Model model = Vectors.open("forest");
        List<Map<String, Object>> rows = Vectors.rows("forest").subList(0, 50);
        List<Object> labels = model.predict(rows).stream().map(Answer::label).toList();
        IntStream.range(0, 40).parallel().forEach(turn ->
                assertEquals(labels, model.predict(rows).stream().map(Answer::label).toList()));
        model.close();
        model.close();
        assertEquals(Kind.RUNTIME, refusal(model, rows.get(0)));
    }

    @Test
    void theEngineRefusesWhatIsNoModel() {
        Engine engine = new NativeEngine();
        for (byte[] data : List.of(new byte[0], Texts.utf8("no model"), new byte[100_000])) {
            assertEquals(Kind.RUNTIME, assertThrows(SafeSerialException.class, () -> engine.load(data)).kind());
        }
        try (Engine.Session session = engine.load(Vectors.bytes("forest/model.onnx"))) {
            for (Tensor wrong : List.of(new Tensor(new long[] {1, 6}, new float[6]),
                    new Tensor(new long[] {2, 6}, new double[6]), new Tensor(new long[] {6}, new double[6]),
                    new Tensor(new long[] {1, 6}, new String[] {"a", "b", "c", "d", "e", "f"}))) {
                assertThrows(SafeSerialException.class, () -> session.run(Map.of("X", wrong)));
            }
            Map<String, Tensor> unknown = Map.of("Y", new Tensor(new long[] {1}, new long[1]));
            assertThrows(SafeSerialException.class, () -> session.run(unknown));
        }
    }

    private record Ended(int code, String out, String err) {}

    private static Ended command(String in, String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = Main.run(arguments, new ByteArrayInputStream(Texts.utf8(in)),
                new PrintStream(out, true, StandardCharsets.UTF_8), new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Ended(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void theCommand(@TempDir Path folder) throws IOException {
        String model = Vectors.path("signed/text.p256.safeserial").toString();
        String key = Vectors.path("keys/p256.pem").toString();
        assertTrue(command("[\"good\"]", model, "--key", key).out.contains("\"label\":"));
        assertTrue(command("", model, "--key=" + key, "--show").out.contains("\"team\":\"vectors\""));
        Ended other = command("[\"good\"]", model, "--key", Vectors.path("keys/other-p256.pem").toString());
        assertEquals(1, other.code);
        assertTrue(other.err.startsWith("error: signed by ") && other.err.contains("\nhint: ") && other.out.isEmpty());
        for (String in : List.of("", "{}", "[", "[{}]", "nonsense")) {
            assertEquals(1, command(in, model, "--key", key).code, in);
        }
        assertEquals(1, command("", model).code);
        assertEquals(1, command("", folder.toString(), "--key", key).code);
        assertEquals(2, command("").code);
        assertEquals(2, command("", model, model, "--key", key).code);
        assertEquals(2, command("", model, "--key").code);
        assertEquals(2, command("", model, "--keys", key).code);

        String hostile = new SafeSerialException(Kind.ROWS, "a\nb\u001b[2J\u202e", "c\r").lines();
        assertEquals("error: a?b?[2J?\nhint: c?", hostile);

        Path copy = folder.resolve("model.onnx"); // the signature beside it is found by its name
        Files.copy(Vectors.path("text/model.onnx"), copy);
        assertTrue(command("", copy.toString(), "--key", key).err.contains("without a signature"));
        Files.copy(Vectors.path("signed/text.p256.sig"), folder.resolve("model.onnx.sig"));
        assertEquals(0, command("[null]", copy.toString(), "--key", key).code);
    }
}
