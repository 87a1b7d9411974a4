/** Answers of endpoints, checked for form. */
import { type Hex, numberToHex } from "viem";

import type { Endpoint } from "../read/endpoint.js";
import { asBytes, asNumber, asQuantity, asRecord } from "./bytes.js";
import { Unproven } from "./errors.js";
import { headerHash } from "./trie.js";

/** A block, as far as it is looked at. */
export interface BlockHead {
  readonly number: bigint;
  readonly hash: Hex;
  readonly time: number;
  /** Root of the state, if the hash is shown to be that of this header; else null. */
  readonly stateRoot: Hex | null;
}

/** A log, checked for form. */
export interface RawLog {
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly block: bigint;
  readonly blockHash: Hex;
  readonly transaction: Hex;
  readonly index: number;
}

/** Ask an endpoint for a block, by its number or a name. */
export async function headOf(endpoint: Endpoint, block: bigint | string): Promise<BlockHead> {
  const tag = typeof block === "string" ? block : numberToHex(block);
  const found = blockHead(await endpoint.request("eth_getBlockByNumber", [tag, false]));
  if (found === null) throw nonsense(endpoint, `it has no block ${tag}`);
  if (typeof block === "bigint" && found.number !== block) throw nonsense(endpoint, "it gives another block than it was asked for");
  return found;
}

/** Return the head of a block; null if an answer is none. */
export function blockHead(answer: unknown): BlockHead | null {
  const header = asRecord(answer);
  if (header === null) return null;
  const [number, hash, time] = [asQuantity(header.number), asBytes(header.hash, 32), asNumber(header.timestamp)];
  if (number === null || hash === null || time === null) return null;
  const stateRoot = asBytes(header.stateRoot, 32);
  return { number, hash, time, stateRoot: headerHash(header) === hash ? stateRoot : null };
}

/** Return a log; null if an answer is none. */
export function rawLog(answer: unknown): RawLog | null {
  const log = asRecord(answer);
  if (log === null || log.removed === true || !Array.isArray(log.topics)) return null;
  const topics = log.topics.map((topic: unknown) => asBytes(topic, 32)).filter((topic) => topic !== null);
  const [address, data, block, index] = [asBytes(log.address, 20), asBytes(log.data), asQuantity(log.blockNumber), asNumber(log.logIndex)];
  const [blockHash, transaction] = [asBytes(log.blockHash, 32), asBytes(log.transactionHash, 32)];
  if (address === null || data === null || block === null || index === null || topics.length !== log.topics.length) return null;
  if (blockHash === null || transaction === null) return null;
  return { address, topics, data, block, blockHash, transaction, index };
}

/** Return what a log says, to compare it. */
export function content(log: RawLog): readonly unknown[] {
  return [log.topics, log.data, log.blockHash, String(log.block)];
}

/** Compare two logs by their places in the chain. */
export function compare(one: RawLog, other: RawLog): number {
  return one.block === other.block ? one.index - other.index : one.block < other.block ? -1 : 1;
}

/** Return an answer as text in which the order of keys and the case of hexadecimal digits do not matter. */
export function canonical(answer: unknown): string {
  return JSON.stringify(answer, (_, value: unknown) => {
    if (typeof value === "string") return value.toLowerCase();
    const record = asRecord(value);
    return record === null ? value : Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Return the error of an answer that can't be. */
export function nonsense(endpoint: Endpoint, what: string): Unproven {
  return new Unproven(`${endpoint.name} answers nonsense: ${what}. Take another endpoint`, [endpoint.name]);
}
