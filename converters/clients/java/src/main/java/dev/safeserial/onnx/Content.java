// SPDX-License-Identifier: BSD-3-Clause
// What a caller names, as bytes: files are read once, and not without bound.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

final class Content {
    static final int MOST = Integer.MAX_VALUE - 16;

    private Content() {}

    /** Return the content of a file. */
    static byte[] read(Path place, int most) {
        byte[] found = readOrNull(place, most);
        need(found != null, "there is no file " + place, Kind.FORMAT, "look at the path");
        return found;
    }

    /** Return the content of a file, or null if there is none. */
    static byte[] readOrNull(Path place, int most) {
        try (InputStream stream = Files.newInputStream(place)) {
            byte[] found = stream.readNBytes(most);
            need(stream.read() < 0, place + " is too large");
            return found;
        } catch (NoSuchFileException error) {
            return null;
        } catch (IOException | SecurityException error) {
            throw new SafeSerialException(Kind.FORMAT, "cannot read " + place, "look at the path");
        }
    }
}
