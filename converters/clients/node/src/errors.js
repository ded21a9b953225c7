// SPDX-License-Identifier: BSD-3-Clause
// The one error of this package: what is wrong, what kind of wrong, and what to do about it.

/** A model, signature, key or row that is not to be used. */
export class SafeSerialError extends Error {
  /**
   * @param {string} code one of `format`, `unsigned`, `unknown-key`, `bad-signature`, `digest`,
   *   `unsupported`, `key`, `rows`, `runtime`
   * @param {string} message what is wrong
   * @param {string} hint what to do
   */
  constructor(code, message, hint) {
    super(message);
    this.name = 'SafeSerialError';
    this.code = code;
    this.hint = hint;
  }
}

const AGAIN = 'ask the sender for the file again';

/** Refuse unless a condition holds. */
export function need(condition, message, code = 'format', hint = AGAIN) {
  if (!condition) throw new SafeSerialError(code, message, hint);
}
