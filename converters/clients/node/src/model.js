// SPDX-License-Identifier: BSD-3-Clause
// A verified model in an engine.  The engine gets the very bytes that were verified.
import { SafeSerialError } from './errors.js';
import { answersOf, feedOf } from './rows.js';
import { verify } from './verify.js';

/** A model that was verified before the engine saw it. */
export class Model {
  #ort;
  #session;

  /** Use `Model.open`. */
  constructor(ort, session, said) {
    this.#ort = ort;
    this.#session = session;
    Object.assign(this, said); // signers, name, version, created, metadata, classes
    this.inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, type, shape }));
    this.outputs = [...session.outputNames];
    Object.freeze(this);
  }

  /** Verify bytes, then load them. */
  static async open(ort, options, data, signature, keys, blake3) {
    const found = await verify(data, signature, keys, blake3);
    let session;
    try {
      session = await ort.InferenceSession.create(found.data, options);
    } catch (error) {
      throw new SafeSerialError('runtime', `the engine cannot load the model: ${error.message}`,
        'convert the model again, with this version of the engine in mind');
    }
    return new Model(ort, session, found.said);
  }

  /**
   * Answer some records.
   * @param {object[]} records one object a row: column name to number, text or null
   */
  async predict(records) {
    const feed = feedOf(this.#ort, this.inputs, records);
    let outputs;
    try {
      outputs = await this.#session.run(feed);
    } catch (error) {
      throw new SafeSerialError('runtime', `the model failed: ${error.message}`, 'look at the rows');
    }
    return answersOf(outputs, records.length);
  }

  /** Give back the engine's memory. */
  async close() {
    await this.#session.release();
  }
}

