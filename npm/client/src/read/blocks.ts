import { numberToHex, type Hex } from "viem";

import type { Endpoint } from "./endpoint.js";
import { EndpointError } from "./errors.js";
import { failure } from "./http.js";
import { quantity } from "./hub.js";

/** A block, as far as it is needed here. */
export interface Head {
  readonly number: bigint;
  readonly hash: Hex;
  /** Unix seconds. */
  readonly time: number;
}

/** Return the newest block. */
export async function readHead(endpoint: Endpoint): Promise<Head> {
  return readBlock(endpoint, "latest");
}

/** Return a block by its number, or the newest one. */
export async function readBlock(endpoint: Endpoint, block: bigint | "latest"): Promise<Head> {
  const method = "eth_getBlockByNumber";
  const found = await endpoint.request(method, [block === "latest" ? block : numberToHex(block), false]);
  if (found === null || typeof found !== "object") {
    throw failure(endpoint.name, method, "block", `block ${String(block)} is not there`);
  }
  const fields = new Map<string, unknown>(Object.entries(found));
  const hash = fields.get("hash");
  const number = quantity(endpoint, method, fields.get("number"));
  if (typeof hash !== "string" || !/^0x[0-9a-f]{64}$/i.test(hash) || (block !== "latest" && number !== block)) {
    throw failure(endpoint.name, method, "nonsense", `that is not block ${String(block)}`);
  }
  return { number, hash: hash as Hex, time: Number(quantity(endpoint, method, fields.get("timestamp"))) };
}

/** The first and the last block that have a time. */
export interface BlockSpan {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Return the blocks whose time is exactly `time`: on most chains one, where blocks come faster than seconds several.
 * Takes some ten requests, as it guesses by the chain's pace. Null if no block has that time.
 *
 * @param lowest A block that is not after the wanted one; it saves a request or two.
 */
export async function blocksAt(endpoint: Endpoint, time: number, lowest = 0n): Promise<BlockSpan | null> {
  const first = await firstBlockFrom(endpoint, time, lowest);
  if (first?.time !== time) return null;
  const after = await firstBlockFrom(endpoint, time + 1, first.number);
  const last = after === null ? (await readHead(endpoint)).number : after.number - 1n;
  return { first: first.number, last: last < first.number ? first.number : last };
}

/** Return the first block whose time is `time` or later; null if the chain has none yet. */
export async function firstBlockFrom(endpoint: Endpoint, time: number, lowest = 0n): Promise<Head | null> {
  let high = await readHead(endpoint);
  if (high.time < time) return null;
  let low = await readLowest(endpoint, lowest, high.number);
  if (low.time >= time) return low;
  // low.time < time <= high.time. Guesses by the pace halve at least every other time.
  for (let halve = false; high.number - low.number > 1n; halve = !halve) {
    const span = high.number - low.number;
    let guess = low.number + span / 2n;
    if (!halve && high.time > low.time) {
      const share = (time - low.time) / (high.time - low.time);
      guess = low.number + BigInt(Math.round(Number(span) * share));
      if (guess <= low.number) guess = low.number + 1n;
      if (guess >= high.number) guess = high.number - 1n;
    }
    const middle = await readBlock(endpoint, guess);
    if (middle.time < time) low = middle;
    else high = middle;
  }
  return high;
}

/** Return the lowest block; where nobody made it, or the node no longer has it, the next one that is there. */
async function readLowest(endpoint: Endpoint, lowest: bigint, newest: bigint): Promise<Head> {
  for (let number = lowest; ; number = number + (newest - number) / 2n + 1n) {
    try {
      return await readBlock(endpoint, number > newest ? newest : number);
    } catch (error) {
      const isMissing = error instanceof EndpointError && (error.meaning === "block" || error.meaning === "history");
      if (!isMissing || number >= newest) throw error;
    }
  }
}
