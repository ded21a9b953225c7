// SPDX-License-Identifier: BSD-3-Clause
// The program: [--key FILE] [ROWS] answers the rows of a file or of standard input.
package model;

import dev.safeserial.onnx.Answer;
import dev.safeserial.onnx.Json;
import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;

/** The program of this project; the system property {@code model.folder} says where the model lies. */
public final class Main {
    private static final String USAGE = "predict.sh [--key FILE] [ROWS]";
    private static final int MOST = 1 << 29;

    private Main() {}

    /** Run and end the process: 0 done, 1 refused, 2 the command is wrong. */
    public static void main(String[] arguments) {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try {
            out.println(answer(arguments));
        } catch (SafeSerialException error) {
            PrintStream err = new PrintStream(System.err, true, StandardCharsets.UTF_8);
            err.println(error.lines());
            System.exit(error.kind() == Kind.USAGE ? 2 : 1);
        }
    }

    private static String answer(String[] arguments) {
        Path key = null;
        Path place = null;
        Iterator<String> words = List.of(arguments).iterator();
        while (words.hasNext()) {
            String one = words.next();
            if (one.equals("--key")) {
                usage(words.hasNext(), "--key wants a file");
                key = Path.of(words.next());
            } else if (one.startsWith("--key=")) {
                key = Path.of(one.substring("--key=".length()));
            } else {
                usage(!one.startsWith("-"), "there is no option " + one);
                usage(place == null, "name one file of rows");
                place = Path.of(one);
            }
        }
        try (SignedModel model = SignedModel.open(Path.of(System.getProperty("model.folder", ".")), key)) {
            List<Answer> answers = model.predictRows(SignedModel.readRows(text(place)));
            return Json.write(answers.stream().map(Answer::values).toList());
        }
    }

    private static byte[] text(Path place) {
        byte[] found = {};
        try (InputStream stream = place == null ? System.in : Files.newInputStream(place)) {
            found = stream.readNBytes(MOST + 1);
        } catch (IOException error) {
            usage(false, "cannot read " + (place == null ? "standard input" : place));
        }
        if (found.length > MOST) {
            throw new SafeSerialException(Kind.ROWS, "there are too many rows", "give them in parts");
        }
        return found;
    }

    private static void usage(boolean right, String message) {
        if (!right) {
            throw new SafeSerialException(Kind.USAGE, message, USAGE);
        }
    }
}
