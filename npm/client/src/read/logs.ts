import { numberToHex, type Address, type Hex } from "viem";

import type { Endpoint } from "./endpoint.js";
import { EndpointError } from "./errors.js";
import { failure } from "./http.js";
import { quantity } from "./hub.js";
import { readRefusal } from "./refusals.js";
import type { Place } from "./types.js";
import { fieldsOf, isBytes, isWord } from "./untrusted.js";

/** An event as an endpoint tells it: of the address, topics and blocks that were asked for. */
export interface Log {
  readonly topics: readonly [Hex, ...Hex[]];
  readonly data: Hex;
  readonly place: Place;
}

/** What events are asked for. A topic of null stands for any. */
export interface LogFilter {
  readonly address: Address;
  readonly topics: readonly (Hex | readonly Hex[] | null)[];
}

/** Events of some blocks, and how far a reading has come. */
export interface LogPart {
  readonly first: bigint;
  readonly last: bigint;
  readonly logs: readonly Log[];
}

/** Options of `readLogs`. */
export interface LogOptions {
  /** Called when the reader wants no more. */
  readonly signal?: AbortSignal;
  /** The order of the parts. Within a part, events are in the chain's order. */
  readonly newestFirst?: boolean;
}

/** The most blocks that each endpoint has given in one answer since a refusal; others are asked for all at once. */
const sizes = new WeakMap<Endpoint, bigint>();

/**
 * Give the events of blocks, part by part. An endpoint that limits the range is asked for less: for as many blocks as it
 * says, or half as many, down to one.
 *
 * @throws EndpointError if the endpoint refuses the events of even one block, or contradicts itself.
 */
export async function* readLogs(
  endpoint: Endpoint,
  filter: LogFilter,
  first: bigint,
  last: bigint,
  options: LogOptions = {},
): AsyncGenerator<LogPart, void, undefined> {
  let [low, high] = [first, last];
  while (low <= high) {
    if (options.signal?.aborted === true) return;
    const size = min(sizes.get(endpoint) ?? high - low + 1n, high - low + 1n);
    const [from, to] = options.newestFirst === true ? [high - size + 1n, high] : [low, low + size - 1n];
    try {
      const logs = await readRange(endpoint, filter, from, to);
      yield { first: from, last: to, logs };
    } catch (error) {
      const smaller = smallerSize(error, size);
      if (smaller === null) throw error;
      sizes.set(endpoint, smaller);
      continue;
    }
    if (options.newestFirst === true) high = from - 1n;
    else low = to + 1n;
    // An endpoint that refused for a while is asked for more again, slowly.
    const known = sizes.get(endpoint);
    if (known !== undefined) sizes.set(endpoint, known + known / 8n);
  }
}

/** Return all events of blocks, in the chain's order. */
export async function readAllLogs(
  endpoint: Endpoint,
  filter: LogFilter,
  first: bigint,
  last: bigint,
  options: LogOptions = {},
): Promise<Log[]> {
  const parts: Log[][] = [];
  for await (const part of readLogs(endpoint, filter, first, last, options)) parts.push([...part.logs]);
  if (options.newestFirst === true) parts.reverse();
  return parts.flat();
}

/** Return the size to ask for after a failure; null if a smaller one does not help. */
function smallerSize(error: unknown, size: bigint): bigint | null {
  if (!(error instanceof EndpointError) || size <= 1n) return null;
  const { meaning } = error;
  if (meaning === "too much") {
    const { blocks } = readRefusal("eth_getLogs", error.said);
    const named = blocks === null ? null : BigInt(blocks);
    return named !== null && named < size ? named : size / 2n;
  }
  // A heavy query can end in a time-out while the endpoint is well.
  return meaning === "slow" || meaning === "passing" ? size / 2n : null;
}

async function readRange(endpoint: Endpoint, filter: LogFilter, first: bigint, last: bigint): Promise<Log[]> {
  const method = "eth_getLogs";
  const found = await endpoint.request(method, [
    {
      address: filter.address,
      topics: filter.topics,
      fromBlock: numberToHex(first),
      toBlock: numberToHex(last),
    },
  ]);
  if (!Array.isArray(found)) throw failure(endpoint.name, method, "nonsense", "the events are no list");
  const logs = new Map<string, Log>();
  for (const each of found as readonly unknown[]) {
    const log = logOf(endpoint, each);
    // Some endpoints give events of others, and some give one twice.
    if (log === null || !isWanted(log, each, filter, first, last)) continue;
    const key = `${log.place.blockHash}:${String(log.place.logIndex)}:${log.place.transaction}`;
    const other = logs.get(key);
    if (other !== undefined && (other.data !== log.data || other.topics.join() !== log.topics.join())) {
      throw failure(endpoint.name, method, "nonsense", `two different events at one place of block ${String(log.place.block)}`);
    }
    logs.set(key, log);
  }
  return [...logs.values()].sort(
    (a, b) => Number(a.place.block - b.place.block) || a.place.logIndex - b.place.logIndex,
  );
}

function isWanted(log: Log, raw: unknown, filter: LogFilter, first: bigint, last: bigint): boolean {
  const fields = fieldsOf(raw);
  const address = fields.get("address");
  if (typeof address !== "string" || address.toLowerCase() !== filter.address.toLowerCase()) return false;
  if (log.place.block < first || log.place.block > last) return false;
  return filter.topics.every((wanted, i) => {
    if (wanted === null) return true;
    const topic = log.topics[i];
    const allowed: readonly string[] = typeof wanted === "string" ? [wanted] : wanted;
    return topic !== undefined && allowed.some((each) => each.toLowerCase() === topic.toLowerCase());
  });
}

/** Return an event; null if a reorganisation has removed it. */
function logOf(endpoint: Endpoint, raw: unknown): Log | null {
  const method = "eth_getLogs";
  const fields = fieldsOf(raw);
  if (fields.get("removed") === true) return null;
  const topics: unknown = fields.get("topics");
  const data = fields.get("data");
  const [blockHash, transaction] = [fields.get("blockHash"), fields.get("transactionHash")];
  if (
    !Array.isArray(topics) ||
    !topics.every(isWord) ||
    topics.length === 0 ||
    !isBytes(data) ||
    !isWord(blockHash) ||
    !isWord(transaction)
  ) {
    throw failure(endpoint.name, method, "nonsense", "an event lacks what makes one");
  }
  return {
    topics: topics as unknown as readonly [Hex, ...Hex[]],
    data,
    place: {
      block: quantity(endpoint, method, fields.get("blockNumber")),
      blockHash,
      transaction,
      logIndex: Number(quantity(endpoint, method, fields.get("logIndex"))),
    },
  };
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
