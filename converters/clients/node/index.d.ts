// SPDX-License-Identifier: BSD-3-Clause
export type Cell = number | bigint | string | boolean | null;
/** One row: column name to value; null where it is missing. A model of one input also takes the bare value. */
export type Row = Record<string, Cell | Cell[]> | Cell;
export interface Key {
  readonly id: string;
  readonly hint: string;
  readonly isCurve: boolean;
  verify(message: Uint8Array, signature: Uint8Array, purpose: string): Promise<boolean>;
}
export interface OpenOptions {
  /** Path or bytes of a `.onnx` or `.safeserial` file. */
  model: string | Uint8Array;
  /** Path or bytes of the signature; default: the model's path with `.sig` added, if there is one. */
  signature?: string | Uint8Array;
  /** Keys from `readKey`. */
  keys?: Key[];
  /** Files with a public key in PEM, or a shared secret. */
  keyFiles?: string | string[];
}
export interface Said {
  readonly signers: string[];
  readonly name: string;
  readonly version: string;
  readonly created: string;
  readonly metadata: Record<string, unknown>;
  readonly classes?: (string | number | boolean)[];
}
export interface Answer {
  label?: string | number | bigint | boolean;
  probabilities?: number[];
  [output: string]: unknown;
}
export class Model implements Said {
  readonly signers: string[];
  readonly name: string;
  readonly version: string;
  readonly created: string;
  readonly metadata: Record<string, unknown>;
  readonly classes?: (string | number | boolean)[];
  readonly inputs: { name: string; type: string; shape: (number | string)[] }[];
  readonly outputs: string[];
  predict(records: Row[]): Promise<Answer[]>;
  close(): Promise<void>;
}
export class SafeSerialError extends Error {
  readonly code: string;
  readonly hint: string;
}
/** Verify a model, then load it; the engine gets the very bytes that were verified. */
export function openModel(options: OpenOptions): Promise<Model>;
/** Read a public key in PEM, or the one line of a shared secret. */
export function readKey(text: string): Promise<Key>;
/** Verify only (`safeserial-onnx/verify`). */
export function verify(
  model: Uint8Array,
  signature: Uint8Array | undefined,
  keys: Key[],
  blake3?: (data: Uint8Array) => Uint8Array,
): Promise<{ data: Uint8Array; said: Said }>;
