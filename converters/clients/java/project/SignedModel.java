// SPDX-License-Identifier: BSD-3-Clause
// The model of this project: verified when it is opened, then asked.
package model;

import dev.safeserial.onnx.Answer;
import dev.safeserial.onnx.Key;
import dev.safeserial.onnx.Model;
import dev.safeserial.onnx.Said;
import dev.safeserial.onnx.SafeSerialException;
import dev.safeserial.onnx.SafeSerialException.Kind;
import dev.safeserial.onnx.Verifier;
import java.nio.file.Path;
import java.util.List;

/** The model of this project; safe for use by several threads. */
public final class SignedModel implements AutoCloseable {
    private final Model model;

    private SignedModel(Model model) {
        this.model = model;
    }

    /**
     * Verify the model and load it.
     *
     * @param folder where the model, its signature and the signer's public key lie
     * @throws SafeSerialException if the model is not to be used
     */
    public static SignedModel open(Path folder) {
        return open(folder, null);
    }

    /**
     * Verify the model by a key of your own and load it.
     *
     * @param folder where the model and its signature lie
     * @param keyFile the signer's key; null is the one in the folder
     * @throws SafeSerialException if the model is not to be used
     */
    public static SignedModel open(Path folder, Path keyFile) {
        Path place = keyFile != null || Facts.KEY == null ? keyFile : folder.resolve(Facts.KEY);
        if (place == null) {
            throw new SafeSerialException(Kind.KEY, "no key was given",
                    "name the file that holds the shared secret: --key FILE");
        }
        Path signature = Facts.SIGNATURE == null ? null : folder.resolve(Facts.SIGNATURE);
        List<Key> keys = List.of(Key.read(place));
        return new SignedModel(Model.open(Verifier.verify(folder.resolve(Facts.MODEL), signature, keys)));
    }

    /** What the signers say. */
    public Said said() {
        return model.said();
    }

    /** Answer typed rows. */
    public List<Prediction> predict(List<Row> rows) {
        return predictRows(rows.stream().map(Row::toMap).toList()).stream().map(Prediction::of).toList();
    }

    /** Answer rows as JSON and CSV have them: column name to value. */
    public List<Answer> predictRows(List<?> rows) {
        return model.predict(rows);
    }

    /** Read rows: a JSON list of records, or CSV whose first line names the columns. */
    public static List<?> readRows(byte[] text) {
        return RowReader.rows(text, Facts.columns());
    }

    @Override
    public void close() {
        model.close();
    }
}
