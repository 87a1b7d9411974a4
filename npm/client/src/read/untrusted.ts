/** Parts of what an endpoint told. Nothing is known of them before they are looked at. */
import type { Address, Hex } from "viem";

/** Return the fields of an object; none if it is something else. */
export function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

/** True for whole bytes in hexadecimal. */
export function isBytes(value: unknown): value is Hex {
  return typeof value === "string" && /^0x(?:[0-9a-f]{2})*$/i.test(value);
}

/** True for 32 bytes in hexadecimal. */
export function isWord(value: unknown): value is Hex {
  return typeof value === "string" && /^0x[0-9a-f]{64}$/i.test(value);
}

/** True for 20 bytes in hexadecimal. */
export function isAddressText(value: unknown): value is Address {
  return typeof value === "string" && /^0x[0-9a-f]{40}$/i.test(value);
}
