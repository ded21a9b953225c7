// SPDX-License-Identifier: BSD-3-Clause
// CSV as RFC 4180 has it.
package model;

import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.SafeSerialException.Kind;
import java.util.ArrayList;
import java.util.List;

final class Csv {
    private final String text;
    private final List<List<String>> lines = new ArrayList<>();
    private final StringBuilder cell = new StringBuilder();
    private List<String> cells = new ArrayList<>();
    private boolean begun;

    private Csv(String text) {
        this.text = text;
    }

    /** Return the lines of a text, each a list of cells; lines without a character are none. */
    static List<List<String>> lines(String text) {
        Csv reader = new Csv(text);
        reader.read();
        return reader.lines;
    }

    private void read() {
        boolean quoted = false;
        for (int at = 0; at < text.length(); at += 1) {
            char one = text.charAt(at);
            if (!quoted && (one == '\n' || one == '\r')) {
                endLine(); // of \r\n the second ends a line without a character
                continue;
            }
            begun = true;
            if (quoted && one == '"' && at + 1 < text.length() && text.charAt(at + 1) == '"') {
                cell.append(one);
                at += 1;
            } else if (one == '"' && (quoted || cell.isEmpty())) {
                quoted = !quoted;
            } else if (one == ',' && !quoted) {
                endCell();
            } else {
                cell.append(one);
            }
        }
        if (quoted) {
            throw new SafeSerialException(Kind.ROWS, "the CSV ends within quotes", "close the quotes");
        }
        endLine();
    }

    private void endCell() {
        cells.add(cell.toString());
        cell.setLength(0);
    }

    private void endLine() {
        if (begun) {
            endCell();
            lines.add(cells);
        }
        cells = new ArrayList<>();
        begun = false;
    }
}
