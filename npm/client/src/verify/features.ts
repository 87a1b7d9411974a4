/**
 * Turn answers into integers, and integers into field elements: `oracle/core/encoding.py` and
 * `contracts/src/libraries/Features.sol` in TypeScript. All three are tested with `tests/vectors/features.json`.
 *
 * A *move* is in thousandths of the feed's sigma, a *gap* in thousandths of its heartbeat; both are clipped to ±CLIP.
 */
import type { FeedKind } from "../read/types.js";

export const CLIP = 32_767;
export const GAP_ONE = 1_000;
export const RING_SIZE = 12;
/** Fraction bits of a stored variance. */
export const VARIANCE_BITS = 17;
export const VARIANCE_START = 1_000 * 2 ** VARIANCE_BITS;
/** Stands for the answer of a reporter that has none. */
export const NO_ANSWER = -(2n ** 127n);
export const INT128_MAX = 2n ** 127n - 1n;
/** The order of BN254's scalar field. */
export const FIELD_MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;

const MEMORY_BITS = 6;
const SCORE_RATIO_MAX = 2n ** 23n - 1n;
const PAST = 16;
const NAMES = ["move", "gap", "spread", "count", "variance", "peer_move_0", "peer_move_1", "peer_seen_0", "peer_seen_1"];
const MAX_FEATURES = 32;

/** The measure of a feed's moves. */
export interface Measure {
  readonly kind: FeedKind;
  /** ppm for relative feeds, answer units for absolute ones; positive. */
  readonly sigma: bigint;
}

/** A value that no hub takes or makes. The message says which. */
export class ImpossibleValue extends Error {
  override readonly name = "ImpossibleValue";
}

/**
 * Return a feature list's names, by the codes that an architecture has on the hub.
 *
 * @throws ImpossibleValue if a code is unknown or there twice, the list is too long, or has no move.
 */
export function featureNames(codes: readonly number[]): readonly string[] {
  if (codes.length > MAX_FEATURES) throw new ImpossibleValue(`a feature list of ${String(codes.length)}`);
  const names = codes.map((code) => {
    const name = code >= PAST && code < PAST + RING_SIZE ? `past_${String(code - PAST)}` : NAMES[code];
    if (name === undefined) throw new ImpossibleValue(`feature code ${String(code)} is unknown to this release`);
    return name;
  });
  if (new Set(names).size !== names.length) throw new ImpossibleValue("a feature list has a feature twice");
  if (!names.includes("move")) throw new ImpossibleValue("a feature list has no move");
  return names;
}

/** True if a model with this feature list sees peers, on feeds that have them. */
export function seesPeers(names: readonly string[]): boolean {
  return names.some((name) => name.startsWith("peer_"));
}

/** Return the move from `base` to `answer`, in thousandths of sigma, clipped. On a relative feed, `base` is positive. */
export function move({ kind, sigma }: Measure, answer: bigint, base: bigint): number {
  if (sigma <= 0n) throw new ImpossibleValue(`a sigma of ${String(sigma)}`);
  const difference = answer - base;
  if (kind === "absolute") return clipped((difference * 1_000n) / sigma);
  if (answer <= 0n) return -CLIP;
  if (base <= 0n) throw new ImpossibleValue(`a relative feed whose last answer is ${String(base)}`);
  return clipped((difference * 10n ** 9n) / ((answer < base ? answer : base) * sigma));
}

/** Return the time since the last accepted observation, in thousandths of the heartbeat, in [GAP_ONE, CLIP]. */
export function gap(observedAt: number, lastObservedAt: number, heartbeat: number): number {
  if (heartbeat <= 0) throw new ImpossibleValue(`a heartbeat of ${String(heartbeat)} seconds`);
  return Math.min(CLIP, Math.max(GAP_ONE, Math.floor(((observedAt - lastObservedAt) * 1_000) / heartbeat)));
}

/** Return how far apart the lowest and the highest answer are, in thousandths of sigma, in [0, CLIP]. */
export function spread(measure: Measure, lowest: bigint, highest: bigint): number {
  if (lowest === highest) return 0;
  if (measure.kind === "relative" && lowest <= 0n) return CLIP;
  return Math.abs(move(measure, highest, lowest));
}

/** True if two answers are within `tolerance`. On a relative feed nothing is near an answer of 0 or less. */
export function near(measure: Measure, answer: bigint, base: bigint, tolerance: number): boolean {
  if (measure.kind === "relative" && (answer <= 0n || base <= 0n)) return false;
  return Math.abs(move(measure, answer, base)) <= tolerance;
}

/** Return the running variance after one more round, as the hub stores it: with VARIANCE_BITS fraction bits. */
export function nextVariance(stored: number, moved: number, gap_: number): number {
  const square = Math.min(Math.floor((moved * moved) / gap_), CLIP);
  return stored - Math.floor(stored / 2 ** MEMORY_BITS) + square * 2 ** (VARIANCE_BITS - MEMORY_BITS);
}

/** Return how far a peer moved since `kept`, and 1 if that could be measured, else 0. */
export function peerMove(peer: Measure, answer: bigint, kept: bigint): readonly [number, 0 | 1] {
  if (peer.kind === "relative" && (answer <= 0n || kept <= 0n)) return [0, 0];
  const moved = move(peer, answer, kept);
  return [moved, Math.abs(moved) < CLIP ? 1 : 0];
}

/** Return the largest score in thousandths of the score unit, rounded up and saturated to 24 bits, as a round has it. */
export function scoreRatio(scores: readonly bigint[], unit: bigint): number {
  if (unit <= 0n) throw new ImpossibleValue(`a score unit of ${String(unit)}`);
  const scaled = largest(scores) * 1_000n;
  const ratio = (scaled > 0n ? scaled + unit - 1n : scaled) / unit;
  const bounded = ratio > SCORE_RATIO_MAX ? SCORE_RATIO_MAX : ratio < -SCORE_RATIO_MAX - 1n ? -SCORE_RATIO_MAX - 1n : ratio;
  return Number(bounded);
}

/** Return the largest of some scores. */
export function largest(scores: readonly bigint[]): bigint {
  const [first, ...rest] = scores;
  if (first === undefined) throw new ImpossibleValue("a window without scores");
  return rest.reduce((most, each) => (each > most ? each : most), first);
}

/** Return a signed integer of the circuit as a field element: a negative one is r − |value|. */
export function toField(value: bigint): bigint {
  if (value > INT128_MAX || value < -INT128_MAX) throw new ImpossibleValue(`${String(value)} is no integer of the circuit`);
  return value < 0n ? FIELD_MODULUS + value : value;
}

/** Return the number of public instances of a circuit, as the hub lays them out. */
export function instanceCount(bindsModel: boolean, batch: number, features: number, outputs: number): number {
  return (bindsModel ? 1 : 0) + batch * (features + outputs);
}

/**
 * Return the public instances of a proof, as the hub builds them: `[H] ++ x[0..B) ++ s[0..B)`.
 *
 * @param modelHash Poseidon hash of the weights; null if the circuit binds none.
 * @param windows 1 to `batch` feature vectors. Missing windows repeat the last one, and so do their scores.
 */
export function instances(
  modelHash: bigint | null,
  windows: readonly (readonly number[])[],
  scores: readonly (readonly bigint[])[],
  batch: number,
): readonly bigint[] {
  const [window, score] = [windows.at(-1), scores.at(-1)];
  if (window === undefined || score === undefined || windows.length > batch || scores.length !== windows.length) {
    throw new ImpossibleValue(`${String(windows.length)} windows and ${String(scores.length)} scores for ${String(batch)}`);
  }
  const padding = batch - windows.length;
  return [
    ...(modelHash === null ? [] : [modelHash]),
    ...[...windows, ...Array<readonly number[]>(padding).fill(window)].flat().map((each) => toField(BigInt(each))),
    ...[...scores, ...Array<readonly bigint[]>(padding).fill(score)].flat().map(toField),
  ];
}

function clipped(value: bigint): number {
  return value > CLIP ? CLIP : value < -CLIP ? -CLIP : Number(value);
}
