// The words that a hub packs by hand: contracts/src/libraries/Slots.sol draws them. A word that no hub writes is refused,
// so an endpoint's nonsense does not become a number on a page.

import { numberToHex, type Address, type Hex } from "viem";

import type { HeldAnswer, HoldReason, Proposals, Round, ShadowTally } from "./types.js";

const LONGEST_SKEW = 3_600;
const REASONS: readonly (HoldReason | null)[] = [null, "anomalous", "not positive", "repeated"];

/** A word holds what the contract never writes. */
export class SlotError extends Error {
  override readonly name = "SlotError";
}

/** A feed's terms and state, as its first word has them. */
export interface ConfigWord {
  readonly isRelative: boolean;
  readonly isPaused: boolean;
  readonly isHeld: boolean;
  readonly isLinked: boolean;
  readonly peers: number;
  readonly decimals: number;
  readonly confirmations: number;
  readonly maxRepeats: number;
  readonly modelNumber: number;
  readonly heartbeat: number;
  readonly maxAge: number;
  readonly maxSkew: number;
  readonly confirmDelay: number;
  readonly tolerance: number;
  readonly maxSpread: number;
  readonly committee: number;
  readonly sigma: bigint;
}

/** Return the fields of a feed's first word; null if it is empty: there is no such feed. */
export function unpackConfig(word: bigint): ConfigWord | null {
  if (word === 0n) return null;
  const found = {
    isRelative: bits(word, 0, 1) === 1n,
    isPaused: bits(word, 1, 1) === 1n,
    isHeld: bits(word, 2, 1) === 1n,
    isLinked: bits(word, 3, 1) === 1n,
    peers: Number(bits(word, 4, 2)),
    decimals: Number(bits(word, 8, 8)),
    confirmations: Number(bits(word, 16, 8)),
    maxRepeats: Number(bits(word, 24, 8)),
    modelNumber: Number(bits(word, 32, 16)),
    heartbeat: Number(bits(word, 48, 24)),
    maxAge: Number(bits(word, 72, 24)),
    maxSkew: Number(bits(word, 96, 16)),
    confirmDelay: Number(bits(word, 112, 24)),
    tolerance: Number(bits(word, 136, 16)),
    maxSpread: Number(bits(word, 152, 16)),
    committee: Number(bits(word, 168, 24)),
    sigma: bits(word, 192, 64),
  };
  if (found.decimals > 18 || found.heartbeat === 0 || found.sigma === 0n || found.peers > 2 || found.modelNumber === 0) {
    throw new SlotError("a feed's terms are out of the bounds that the hub enforces");
  }
  return found;
}

/** Return the number of the latest round, the variance, and the last moves, newest first. */
export function unpackTrack(word: bigint): { roundId: number; variance: number; moves: number[] } {
  const moves = Array.from({ length: 12 }, (_, i) => Number(BigInt.asIntN(16, word >> BigInt(64 + 16 * i))));
  const variance = word === 0n ? 1_000 << 17 : Number(bits(word, 32, 32));
  return { roundId: Number(bits(word, 0, 32)), variance, moves };
}

/** Return an accepted round; null if there is none with this id. */
export function unpackRound(id: number, word: bigint): Round | null {
  if (word === 0n) return null;
  if (bits(word, 253, 3) !== 0n) throw new SlotError(`the word of round ${String(id)} has bits that the hub never sets`);
  const observedAt = Number(bits(word, 128, 32));
  return {
    id,
    answer: BigInt.asIntN(128, word),
    observedAt,
    publishedAt: observedAt + Number(bits(word, 160, 24)) - LONGEST_SKEW,
    repeats: Number(bits(word, 184, 8)),
    modelNumber: Number(bits(word, 192, 16)),
    scoreRatio: Number(BigInt.asIntN(24, word >> 208n)),
    spread: Number(bits(word, 232, 16)),
    count: Number(bits(word, 248, 5)),
  };
}

/** Return the held answer of a feed that is held. */
export function unpackHeld(answers: bigint, rest: bigint): HeldAnswer {
  const reason = REASONS[Number(bits(rest, 144, 8))];
  if (reason === undefined || reason === null) throw new SlotError("a feed is held for a reason that the hub does not have");
  return {
    reason,
    answer: BigInt.asIntN(128, answers),
    firstAnswer: BigInt.asIntN(128, answers >> 128n),
    firstObservedAt: Number(bits(rest, 0, 32)),
    firstSeenAt: Number(bits(rest, 32, 32)),
    observedAt: Number(bits(rest, 64, 32)),
    confirmations: Number(bits(rest, 96, 8)),
    modelNumber: Number(bits(rest, 104, 16)),
    scoreRatio: Number(BigInt.asIntN(24, rest >> 120n)),
    anomalies: Number(bits(rest, 152, 16)),
    anomalousSince: Number(bits(rest, 168, 32)),
    anomalousSeenAt: Number(bits(rest, 200, 32)),
    firstGap: Number(bits(rest, 232, 16)),
  };
}

/** Return the held reports of a feed so far, modulo 256. They are valid whether the feed is held or not. */
export function unpackHeldReports(rest: bigint): number {
  return Number(bits(rest, 248, 8));
}

/** Return the ids and the answers of a feed's peers, from its words `peers` and `peerRests`. */
export function unpackPeers(count: number, words: readonly bigint[], rests: bigint): { ids: Hex[]; answers: bigint[] } {
  const found = words.slice(0, count);
  return {
    ids: found.map((word, k) => hex32(((word >> 128n) << 128n) | bits(rests, 128 * k, 128))),
    answers: found.map((word) => BigInt.asIntN(128, word)),
  };
}

/** Return what is proposed for a feed. */
export function unpackProposals(word: bigint): Proposals {
  const [modelFrom, unpauseFrom, until] = [0, 64, 128].map((at) => Number(bits(word, at, 64))) as [number, number, number];
  const [model, previous] = [Number(bits(word, 192, 16)), Number(bits(word, 208, 16))];
  return {
    model: modelFrom === 0 ? null : { number: model, from: modelFrom },
    unpauseFrom: unpauseFrom === 0 ? null : unpauseFrom,
    previous: previous === 0 ? null : { number: previous, until },
  };
}

/** Return the tally of the model that is proposed; null if none is. */
export function unpackShadow(proposed: Proposals, word: bigint): ShadowTally | null {
  if (proposed.model === null) return null;
  const [reports, compared, disagreements, minCompared, maxDisagreements] = [0, 32, 64, 96, 128].map((at) =>
    Number(bits(word, at, 32)),
  ) as [number, number, number, number, number];
  return { modelNumber: proposed.model.number, reports, compared, disagreements, minCompared, maxDisagreements };
}

/** A circuit, as a model or an architecture has it in one word. */
export interface CircuitWord {
  readonly verifier: Address;
  readonly bindsModel: boolean;
  readonly features: number;
  readonly outputs: number;
  /** The number of circuits. */
  readonly count: number;
  readonly batchSize: number;
  readonly scoreUnit: bigint;
}

/** Return the fields of a circuit's word; null if there is no such circuit. */
export function unpackCircuit(word: bigint): CircuitWord | null {
  if (word === 0n) return null;
  return {
    verifier: addressOf(word),
    bindsModel: bits(word, 160, 1) === 1n,
    features: Number(bits(word, 168, 8)),
    outputs: Number(bits(word, 176, 8)),
    count: Number(bits(word, 184, 8)),
    batchSize: Number(bits(word, 192, 16)),
    scoreUnit: bits(word, 216, 40) << bits(word, 208, 8),
  };
}

/** Return the first `length` bytes of a word. */
export function unpackBytes(word: bigint, length: number): number[] {
  return Array.from({ length }, (_, i) => Number(bits(word, 248 - 8 * i, 8)));
}

/** Return the number in `size` bits of a word, from the `at`-th lowest on. */
export function bits(word: bigint, at: number, size: number): bigint {
  return BigInt.asUintN(size, word >> BigInt(at));
}

/** Return a word in hexadecimal. */
export function hex32(word: bigint): Hex {
  return numberToHex(word, { size: 32 });
}

/** Return the address in the low bits of a word. */
export function addressOf(word: bigint): Address {
  return numberToHex(bits(word, 0, 160), { size: 20 });
}
