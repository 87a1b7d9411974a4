import { concat, numberToHex, type Address, type Hex } from "viem";

import type { Endpoint } from "./endpoint.js";
import { failure } from "./http.js";
import { hex32 } from "./slots.js";

/** A hub on a chain, and whom to ask about it. */
export interface Hub {
  readonly endpoint: Endpoint;
  readonly chainId: number;
  readonly address: Address;
}

/** The block that is read: a number, or the newest one. */
export type BlockTag = bigint | "latest";

/** The selector of `extsload(bytes32[])`. */
const EXTSLOAD = "0xdbd035ff";

/** The most words that one call reads: each costs the node 2,100 gas, and calls have 10 million at least. */
const WORDS_PER_CALL = 2_000;

/**
 * Return words of a hub's storage, in the order of their slots. The hub's own code reads them, so every endpoint that
 * has `eth_call` gives them. They are as true as the endpoint is.
 *
 * @throws EndpointError
 */
export async function readWords(hub: Hub, slots: readonly bigint[], block: BlockTag = "latest"): Promise<bigint[]> {
  const parts: (readonly bigint[])[] = [];
  for (let from = 0; from < slots.length; from += WORDS_PER_CALL) parts.push(slots.slice(from, from + WORDS_PER_CALL));
  const words = await Promise.all(parts.map((part) => readPart(hub, part, block)));
  return words.flat();
}

/** Return the result of a call of a contract. */
export async function callContract(hub: Hub, to: Address, data: Hex, block: BlockTag = "latest"): Promise<Hex> {
  const result = await hub.endpoint.request("eth_call", [{ to, data }, tagOf(block)]);
  if (typeof result !== "string" || !/^0x(?:[0-9a-fA-F]{2})*$/.test(result)) {
    throw failure(hub.endpoint.name, "eth_call", "nonsense", "the result is no bytes");
  }
  return result as Hex;
}

/** Return a block as requests name it. */
export function tagOf(block: BlockTag): string {
  return block === "latest" ? block : numberToHex(block);
}

async function readPart(hub: Hub, slots: readonly bigint[], block: BlockTag): Promise<bigint[]> {
  const data = concat([EXTSLOAD, hex32(32n), hex32(BigInt(slots.length)), ...slots.map(hex32)]);
  const result = await callContract(hub, hub.address, data, block);
  const words = (result.length - 2) / 64;
  if (words !== slots.length + 2 || BigInt(result.slice(0, 66)) !== 32n) {
    throw failure(
      hub.endpoint.name,
      "eth_call",
      "nonsense",
      `${String(slots.length)} words of ${hub.address} were asked for, and ${String((result.length - 2) / 2)} bytes came`,
    );
  }
  return slots.map((_, i) => BigInt(`0x${result.slice(130 + 64 * i, 194 + 64 * i)}`));
}
