// Where a hub keeps what it stores: the structs of contracts/src/libraries/Store.sol, at an ERC-7201 slot.

import { concat, keccak256, type Hex } from "viem";

import { hex32 } from "./slots.js";

/** The hub's store: keccak256(keccak256("verifiable-oracle.hub") − 1) & ~0xff. */
export const STORE = 0x0deade891f142b96440e45fd99081e4e6f8ab91bffd5401da7382970ac455500n;

/** The store's own members, counted from `STORE`. */
export const MEMBERS = {
  counts: 0n,
  feeds: 1n,
  feedIds: 2n,
  committees: 3n,
  models: 4n,
  circuits: 5n,
  shapes: 6n,
  codeHashes: 7n,
  features: 8n,
} as const;

/** The words of a feed, counted from `feedSlot`. */
export const FEED = {
  config: 0n,
  track: 1n,
  heldAnswers: 2n,
  heldRest: 3n,
  peers: 4n,
  peerRests: 6n,
  proposals: 7n,
  shadow: 8n,
  description: 10n,
  rounds: 11n,
} as const;

/** The number of words of a feed that are read together: all up to its description. */
export const FEED_WORDS = 11;

/** Return the slot of one of the store's members. */
export function memberSlot(member: bigint): bigint {
  return STORE + member;
}

/** Return the slot of a mapping's entry. */
export function entrySlot(mapping: bigint, key: bigint): bigint {
  return BigInt(keccak256(concat([hex32(key), hex32(mapping)])));
}

/** Return the slot of the first element of an array that is at `slot`. */
export function arraySlot(slot: bigint): bigint {
  return BigInt(keccak256(hex32(slot)));
}

/** Return the slot of a feed's first word. */
export function feedSlot(feedId: Hex): bigint {
  return entrySlot(memberSlot(MEMBERS.feeds), BigInt(feedId));
}

/** Return the slot of a feed's round. */
export function roundSlot(feedId: Hex, roundId: number): bigint {
  return entrySlot(feedSlot(feedId) + FEED.rounds, BigInt(roundId));
}

/** Return the key of a circuit in the mappings of circuits, shapes and code hashes. */
export function circuitKey(owner: number, index: number): bigint {
  return (BigInt(owner) << 8n) | BigInt(index);
}
