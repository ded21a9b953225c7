// SPDX-License-Identifier: BSD-3-Clause
// A verified model in an engine.  The engine gets the very bytes that were verified.
package dev.safeserial.onnx;

import dev.safeserial.onnx.Engine.Input;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A model that was verified before the engine saw it; safe for use by several threads. */
public final class Model implements AutoCloseable {
    private final Engine.Session session;
    private final Said said;

    private Model(Engine.Session session, Said said) {
        this.session = session;
        this.said = said;
    }

    /**
     * Verify a model, then load it.
     *
     * @param model a {@code .safeserial} file, or a {@code .onnx} file with its signature beside it
     * @param keyFiles whom you trust: public keys in PEM, or shared secrets
     * @throws SafeSerialException if the model is not to be used
     */
    public static Model open(Path model, Path... keyFiles) {
        return open(Verifier.verify(model, null, Arrays.stream(keyFiles).map(Key::read).toList()));
    }

    /** Load a verified model. */
    public static Model open(Verified verified) {
        return open(verified, new NativeEngine());
    }

    /** Load a verified model into an engine of your own. */
    public static Model open(Verified verified, Engine engine) {
        return new Model(engine.load(verified.data()), verified.said());
    }

    /** What the signers say. */
    public Said said() {
        return said;
    }

    /** The columns that the model takes. */
    public List<Input> inputs() {
        return session.inputs();
    }

    /** The names of what the engine gives. */
    public List<String> outputs() {
        return session.outputs();
    }

    /**
     * Answer some records.
     *
     * @param records a {@code Map} a row: column name to a number, text, boolean or null, or to a
     *     list or array of numbers.  A model of one input also takes the bare value.
     * @throws SafeSerialException if a row does not fit the model
     */
    public List<Answer> predict(List<?> records) {
        return Rows.answers(session.run(Rows.feed(session.inputs(), records)), records.size());
    }

    /** Give back the engine's memory. */
    @Override
    public void close() {
        session.close();
    }
}
