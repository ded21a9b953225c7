// SPDX-License-Identifier: BSD-3-Clause
// A look into an ONNX file: none of its weights may lie in another file, which no signature covers;
// and what it says of itself beside its graph: the labels, in the order of probabilities.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** A reader of protocol buffers (https://protobuf.dev/programming-guides/encoding). */
final class Onnx {
    private static final String NO_MODEL = "that is no ONNX model";
    private static final int EXTERNAL_DATA = 13;
    private static final int DATA_LOCATION = 14;
    private static final int DEEPEST = 64;
    private static final int METADATA = 14; // metadata_props of ModelProto: pairs of texts, key 1 and value 2
    private static final int ENTRY_MOST = 1 << 24;

    private final byte[] data;
    private final int end;
    private int at;
    private int number;
    private long value;
    private int from = -1;

    /** Messages of onnx.proto that have tensors in them, at whatever depth. */
    private enum Part {
        MODEL, TRAINING, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE, TENSOR, OTHER;

        /** Say which message a field has, by the numbers of onnx.proto. */
        Part field(int number) {
            return switch (this) {
                case MODEL -> number == 7 ? GRAPH : number == 20 ? TRAINING : number == 25 ? FUNCTION : OTHER;
                case TRAINING -> number == 1 || number == 2 ? GRAPH : OTHER;
                case FUNCTION -> number == 7 ? NODE : number == 11 ? ATTRIBUTE : OTHER;
                case GRAPH -> number == 1 ? NODE : number == 5 ? TENSOR : number == 15 ? SPARSE : OTHER;
                case NODE -> number == 5 ? ATTRIBUTE : OTHER;
                case ATTRIBUTE -> switch (number) {
                    case 5, 10 -> TENSOR;
                    case 6, 11 -> GRAPH;
                    case 22, 23 -> SPARSE;
                    default -> OTHER;
                };
                case SPARSE -> number == 1 || number == 2 ? TENSOR : OTHER;
                case TENSOR, OTHER -> OTHER;
            };
        }
    }

    private Onnx(byte[] data, int at, int end) {
        this.data = data;
        this.at = at;
        this.end = end;
    }

    /** Refuse what is no ONNX model, or has weights in another file. */
    static void check(byte[] onnx) {
        need(new Onnx(onnx, 0, onnx.length).walk(Part.MODEL, 0) == 1, NO_MODEL);
    }

    /** Read all fields; return how many graphs are among them. */
    private int walk(Part within, int depth) {
        need(depth <= DEEPEST, "the graphs of the model are nested too deep", Kind.UNSUPPORTED, "convert the model again");
        int graphs = 0;
        while (at < end) {
            need(next(), NO_MODEL);
            boolean elsewhere = number == EXTERNAL_DATA || number == DATA_LOCATION && (from >= 0 || value != 0);
            need(within != Part.TENSOR || !elsewhere, "the model has weights in another, unsigned file",
                    Kind.UNSUPPORTED, "save it as one file");
            Part part = from >= 0 ? within.field(number) : Part.OTHER;
            if (part != Part.OTHER) {
                new Onnx(data, from, at).walk(part, depth + 1);
            }
            graphs += within == Part.MODEL && part == Part.GRAPH ? 1 : 0;
        }
        return graphs;
    }

    /** Return the labels that safeserial wrote into a model; nothing where there are none. */
    static List<Object> classes(byte[] onnx) {
        Onnx model = new Onnx(onnx, 0, onnx.length);
        byte[] found = null;
        while (model.next()) {
            if (model.number == METADATA && model.from >= 0) {
                Onnx entry = new Onnx(onnx, model.from, model.at);
                byte[] key = {};
                byte[] value = null;
                while (entry.next()) {
                    key = entry.number == 1 ? entry.bytes() : key;
                    value = entry.number == 2 ? entry.bytes() : value;
                }
                found = "safeserial.classes".equals(new String(key, StandardCharsets.UTF_8)) ? value : found;
            }
        }
        try {
            Object read = found == null ? null : Json.read(found, "the classes");
            boolean listed = read instanceof List<?> list && list.stream().allMatch(
                    one -> one instanceof String || one instanceof Number || one instanceof Boolean);
            return listed ? List.copyOf((List<?>) read) : List.of();
        } catch (SafeSerialException error) {
            return List.of(); // a help for people; nothing is decided by it
        }
    }

    private byte[] bytes() {
        return from < 0 || at - from > ENTRY_MOST ? new byte[0] : Arrays.copyOfRange(data, from, at);
    }

    /** Go to the next field; its bytes, if it has any, are those between `from` and `at`. */
    private boolean next() {
        long tag = at < end ? varint() : -1;
        number = (int) (tag >>> 3);
        from = -1;
        value = 0;
        long size = switch ((int) (tag & 7)) {
            case 0 -> (value = varint()) < 0 ? -1 : 0;
            case 1 -> 8;
            case 2 -> varint();
            case 5 -> 4;
            default -> -1;
        };
        boolean fits = tag >= 0 && tag <= 0xffffffffL && size >= 0 && size <= end - at;
        from = fits && (tag & 7) == 2 ? at : -1;
        at = fits ? at + (int) size : end;
        return fits;
    }

    /** Read a number of at most 63 bits, or −1; the sign of a longer one is left out. */
    private long varint() {
        long value = 0;
        for (int place = 0; place < 70 && at < end; place += 7) {
            byte one = data[at];
            at += 1;
            value |= place < 63 ? (long) (one & 127) << place : 0;
            if (one >= 0) {
                return value;
            }
        }
        return -1;
    }
}
