/** Bytes, words and numbers as contracts lay them out. */
import { bytesToHex, hexToBytes, type Hex, isHex } from "viem";

/** Return bytes as an unsigned big-endian integer. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(bytesToHex(bytes));
}

/** Return an unsigned integer as a word of 32 bytes. */
export function word(value: bigint): Uint8Array {
  if (value < 0n || value >= 2n ** 256n) throw new RangeError(`${String(value)} fits no word`);
  return hexToBytes(`0x${value.toString(16).padStart(64, "0")}`);
}

/** Return a signed integer as a word of 32 bytes, in two's complement. */
export function signedWord(value: bigint): Uint8Array {
  return word(BigInt.asUintN(256, value));
}

/** Return some bytes one after the other. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, each) => length + each.length, 0));
  let at = 0;
  for (const each of parts) {
    whole.set(each, at);
    at += each.length;
  }
  return whole;
}

/** Return the big-endian signed 128-bit integers that some bytes pack. The length is a multiple of 16. */
export function int128s(packed: Uint8Array): readonly bigint[] {
  const found: bigint[] = [];
  for (let at = 0; at + 16 <= packed.length; at += 16) {
    found.push(BigInt.asIntN(128, toBigInt(packed.subarray(at, at + 16))));
  }
  return found;
}

/** True if two runs of bytes are the same. */
export function equal(first: Uint8Array, second: Uint8Array): boolean {
  return first.length === second.length && first.every((each, at) => each === second[at]);
}

/** Return hexadecimal text that somebody else gave as lower-case hexadecimal of whole bytes; null if it is none. */
export function asBytes(value: unknown, length?: number): Hex | null {
  if (typeof value !== "string" || !isHex(value) || value.length % 2 !== 0) return null;
  if (length !== undefined && value.length !== 2 + 2 * length) return null;
  return value.toLowerCase() as Hex;
}

/** Return a quantity of JSON-RPC as a number; null if it is none, or not exact. */
export function asNumber(value: unknown): number | null {
  const found = asQuantity(value);
  return found !== null && found <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(found) : null;
}

/** Return a quantity of JSON-RPC; null if it is none. */
export function asQuantity(value: unknown): bigint | null {
  return typeof value === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(value) ? BigInt(value) : null;
}

/** Return a value as an object with unknown fields; null if it is none. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
}

/** Return an integer of JSON that was parsed with bigints; null if it is none: 1e3 is a number, and no integer. */
export function exactInteger(value: unknown): bigint | null {
  return typeof value === "bigint" ? value : null;
}
