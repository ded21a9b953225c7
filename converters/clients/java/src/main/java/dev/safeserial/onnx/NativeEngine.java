// SPDX-License-Identifier: BSD-3-Clause
// ONNX Runtime through its C API, by the small library in native/.
package dev.safeserial.onnx;

import static dev.safeserial.onnx.SafeSerialException.need;

import dev.safeserial.onnx.SafeSerialException.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * ONNX Runtime.  Two libraries are needed: {@code libsafeserial_onnx} (native/Makefile builds it), which
 * is looked for on {@code java.library.path}; and ONNX Runtime itself, which the system property
 * {@code safeserial.onnxruntime} names, else the operating system finds it.
 */
public final class NativeEngine implements Engine {
    // ONNXTensorElementDataType, which never changes: the names of the types by their numbers.
    private static final List<String> TYPES = List.of("undefined", "float32", "uint8", "int8", "uint16", "int16",
            "int32", "int64", "string", "bool", "float16", "float64");
    private static final int STRING = TYPES.indexOf("string");

    /** Load ONNX Runtime once a process, when it is needed first. */
    private static final class Library {
        static final String VERSION;

        static {
            System.loadLibrary("safeserial_onnx");
            String bare = System.mapLibraryName("onnxruntime");
            String usual = bare.endsWith(".so") ? bare + ".1" : bare;
            VERSION = start(Texts.utf8(System.getProperty("safeserial.onnxruntime", usual) + "\0"));
        }
    }

    /** Make sure that the libraries are there. */
    public NativeEngine() {
        try {
            version();
        } catch (LinkageError | IllegalStateException error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            throw new SafeSerialException(Kind.RUNTIME, "ONNX Runtime cannot be loaded: " + cause.getMessage(),
                    "give -Djava.library.path=FOLDER of libsafeserial_onnx and -Dsafeserial.onnxruntime=FILE");
        }
    }

    /** ONNX Runtime's own version. */
    public static String version() {
        return Library.VERSION;
    }

    @Override
    public Engine.Session load(byte[] onnx) {
        try {
            return new Loaded(open(onnx));
        } catch (IllegalStateException error) {
            throw new SafeSerialException(Kind.RUNTIME, "the engine cannot load the model: " + error.getMessage(),
                    "convert the model again, with this version of the engine in mind");
        }
    }

    private static final class Loaded implements Engine.Session {
        private final ReadWriteLock lock = new ReentrantReadWriteLock(); // nobody closes what another runs
        private final List<Input> inputs = new ArrayList<>();
        private final List<String> outputs = new ArrayList<>();
        private long handle;

        Loaded(long handle) {
            this.handle = handle;
            try {
                Object[] told = describe(handle);
                byte[][] names = (byte[][]) told[0];
                for (int at = 0; at < names.length; at += 1) {
                    int type = ((int[]) told[1])[at];
                    List<Long> shape = Arrays.stream(((long[][]) told[2])[at]).boxed().toList();
                    String called = type < TYPES.size() ? TYPES.get(type) : "type " + type;
                    inputs.add(new Input(text(names[at]), called, shape));
                }
                for (byte[] name : (byte[][]) told[3]) {
                    outputs.add(text(name));
                }
            } catch (RuntimeException error) {
                close();
                throw error;
            }
        }

        @Override
        public List<Input> inputs() {
            return List.copyOf(inputs);
        }

        @Override
        public List<String> outputs() {
            return List.copyOf(outputs);
        }

        @Override
        public Map<String, Tensor> run(Map<String, Tensor> feed) {
            byte[][] names = feed.keySet().stream().map(one -> Texts.utf8(one + "\0")).toArray(byte[][]::new);
            long[][] shapes = feed.values().stream().map(Tensor::shape).toArray(long[][]::new);
            int[] types = feed.values().stream().mapToInt(NativeEngine::typeOf).toArray();
            byte[][] data = feed.values().stream().map(NativeEngine::packed).toArray(byte[][]::new);
            byte[][] wanted = outputs.stream().map(one -> Texts.utf8(one + "\0")).toArray(byte[][]::new);
            Object[] found;
            lock.readLock().lock();
            try {
                need(handle != 0, "the model is closed", Kind.RUNTIME, "open it again");
                found = NativeEngine.run(handle, names, types, shapes, data, wanted);
            } catch (IllegalStateException error) {
                String message = "the model failed: " + error.getMessage();
                throw new SafeSerialException(Kind.RUNTIME, message, "look at the rows");
            } finally {
                lock.readLock().unlock();
            }
            Map<String, Tensor> answers = new LinkedHashMap<>();
            for (int at = 0; at < outputs.size(); at += 1) {
                answers.put(outputs.get(at), unpacked((Object[]) found[at]));
            }
            return answers;
        }

        @Override
        public void close() {
            lock.writeLock().lock();
            try {
                if (handle != 0) {
                    NativeEngine.close(handle);
                    handle = 0;
                }
            } finally {
                lock.writeLock().unlock();
            }
        }
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static int typeOf(Tensor tensor) {
        Object data = tensor.data();
        return TYPES.indexOf(data instanceof float[] ? "float32" : data instanceof double[] ? "float64"
                : data instanceof long[] ? "int64" : data instanceof int[] ? "int32"
                : data instanceof boolean[] ? "bool" : "string");
    }

    /** Return the bytes of a tensor; texts are each ended by a zero byte. */
    private static byte[] packed(Tensor tensor) {
        Object data = tensor.data();
        long count = Arrays.stream(tensor.shape()).reduce(1, Math::multiplyExact);
        need(count == java.lang.reflect.Array.getLength(data) && count <= Content.MOST / 8,
                "the data of a tensor does not have its shape, or is too long", Kind.ROWS, "give fewer rows at once");
        if (data instanceof String[] texts) {
            byte[][] parts = new byte[texts.length][];
            for (int at = 0; at < texts.length; at += 1) {
                parts[at] = terminated(texts[at]);
            }
            return Texts.joined(parts);
        }
        ByteBuffer out = ByteBuffer.allocate((int) count * 8).order(ByteOrder.nativeOrder());
        int size = 8;
        if (data instanceof double[] values) {
            out.asDoubleBuffer().put(values);
        } else if (data instanceof long[] values) {
            out.asLongBuffer().put(values);
        } else if (data instanceof float[] values) {
            out.asFloatBuffer().put(values);
            size = 4;
        } else if (data instanceof int[] values) {
            out.asIntBuffer().put(values);
            size = 4;
        } else {
            for (boolean one : (boolean[]) data) {
                out.put((byte) (one ? 1 : 0));
            }
            size = 1;
        }
        return Arrays.copyOf(out.array(), (int) count * size);
    }

    private static byte[] terminated(String text) {
        need(text.indexOf('\0') < 0, "a text has the character U+0000", Kind.ROWS, "the engine would read half of it");
        try {
            ByteBuffer found = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text + "\0"));
            return Arrays.copyOf(found.array(), found.limit());
        } catch (CharacterCodingException error) {
            throw new SafeSerialException(Kind.ROWS, "a text has half a character", "look at the rows");
        }
    }

    /** Return the tensor of what the library gives: type, shape, bytes, and where each text begins. */
    private static Tensor unpacked(Object[] given) {
        int type = ((int[]) given[0])[0];
        byte[] bytes = (byte[]) given[2];
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
        Object data;
        if (type == STRING) {
            long[] begins = (long[]) given[3];
            String[] texts = new String[begins.length - 1];
            for (int at = 0; at < texts.length; at += 1) {
                int from = (int) begins[at];
                texts[at] = new String(bytes, from, (int) begins[at + 1] - from, StandardCharsets.UTF_8);
            }
            data = texts;
        } else {
            switch (TYPES.get(type)) {
                case "float32" -> in.asFloatBuffer().get((float[]) (data = new float[bytes.length / 4]));
                case "float64" -> in.asDoubleBuffer().get((double[]) (data = new double[bytes.length / 8]));
                case "int64" -> in.asLongBuffer().get((long[]) (data = new long[bytes.length / 8]));
                case "int32" -> in.asIntBuffer().get((int[]) (data = new int[bytes.length / 4]));
                default -> {
                    boolean[] values = new boolean[bytes.length];
                    for (int at = 0; at < values.length; at += 1) {
                        values[at] = bytes[at] != 0;
                    }
                    data = values;
                }
            }
        }
        return new Tensor((long[]) given[1], data);
    }

    private static native String start(byte[] library);

    private static native long open(byte[] onnx);

    private static native Object[] describe(long handle);

    private static native Object[] run(
            long handle, byte[][] names, int[] types, long[][] shapes, byte[][] data, byte[][] wanted);

    private static native void close(long handle);
}
