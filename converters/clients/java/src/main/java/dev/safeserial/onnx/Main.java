// SPDX-License-Identifier: BSD-3-Clause
// The command: verify a model, answer the rows on standard input (a JSON list of records).
package dev.safeserial.onnx;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The command {@code safeserial-onnx}. */
public final class Main {
    private static final String USAGE = "safeserial-onnx MODEL --key KEYFILE [--signature FILE] [--show] < rows.json";

    private Main() {}

    /** Run the command and end the process: 0 done, 1 refused, 2 the command is wrong. */
    public static void main(String[] arguments) {
        System.exit(run(arguments, System.in, new PrintStream(System.out, true, StandardCharsets.UTF_8),
                new PrintStream(System.err, true, StandardCharsets.UTF_8)));
    }

    static int run(String[] arguments, InputStream in, PrintStream out, PrintStream err) {
        try {
            out.println(Json.write(answer(arguments, in)));
            return 0;
        } catch (SafeSerialException error) {
            err.println(error.lines());
            return error.kind() == Kind.USAGE ? 2 : 1;
        }
    }

    private static Object answer(String[] arguments, InputStream in) {
        List<String> models = new ArrayList<>();
        List<Key> keys = new ArrayList<>();
        Path signature = null;
        boolean show = false;
        List<Path> keyFiles = new ArrayList<>();
        Iterator<String> words = List.of(arguments).iterator();
        while (words.hasNext()) {
            String one = words.next();
            String[] parts = one.split("=", 2); // --key FILE or --key=FILE
            if (one.equals("--show")) {
                show = true;
            } else if (parts[0].equals("--key") || parts[0].equals("--signature")) {
                usage(parts.length == 2 || words.hasNext(), one + " wants a file");
                Path file = Path.of(parts.length == 2 ? parts[1] : words.next());
                if (parts[0].equals("--key")) {
                    keyFiles.add(file);
                } else {
                    signature = file;
                }
            } else {
                usage(!one.startsWith("-"), "there is no option " + one);
                models.add(one);
            }
        }
        usage(models.size() == 1, "name one model");
        keyFiles.forEach(file -> keys.add(Key.read(file)));
        Verified verified = Verifier.verify(Path.of(models.get(0)), signature, keys);
        try (Model model = Model.open(verified)) {
            return show ? shown(model) : model.predict(rows(in)).stream().map(Answer::values).toList();
        }
    }

    private static void usage(boolean right, String message) {
        SafeSerialException.need(right, message, Kind.USAGE, USAGE);
    }

    private static List<?> rows(InputStream in) {
        String hint = "give a list of records";
        try {
            Object found = Json.parse(in.readAllBytes(), "standard input");
            SafeSerialException.need(found instanceof List, "there are no rows", Kind.ROWS, hint);
            return (List<?>) found;
        } catch (SafeSerialException error) {
            throw new SafeSerialException(Kind.ROWS, error.getMessage(), hint);
        } catch (IOException error) {
            throw new SafeSerialException(Kind.ROWS, "standard input cannot be read", hint);
        }
    }

    private static Map<String, Object> shown(Model model) {
        Said said = model.said();
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("signers", said.signers());
        out.put("name", said.name());
        out.put("version", said.version());
        out.put("created", said.created());
        out.put("metadata", said.metadata());
        if (!said.classes().isEmpty()) {
            out.put("classes", said.classes());
        }
        List<Object> inputs = new ArrayList<>();
        for (Engine.Input one : model.inputs()) {
            Map<String, Object> input = new LinkedHashMap<>();
            input.put("name", one.name());
            input.put("type", one.type());
            input.put("shape", one.shape());
            inputs.add(input);
        }
        out.put("inputs", inputs);
        out.put("outputs", model.outputs());
        return out;
    }
}
