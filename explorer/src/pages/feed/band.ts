import type { FeedTerms, Round } from "@verifiable-oracle/client";

import type { Graph } from "./onnx.js";
import type { Band } from "./price-chart.js";

const CLIP = 32_767;
const GAP_ONE = 1_000;
const PAST = 16;
const RING = 12;

/** Codes of features that follow from a feed's own rounds. Others need peers, or all of the history. */
const FOLLOWING: ReadonlySet<number> = new Set([0, 1, 2, 3, ...Array.from({ length: RING }, (_, i) => PAST + i)]);

/** Computes which answers a public model would have accepted in the place of rounds. */
export class BandModel {
  private readonly known = new Map<number, Band | null>();

  /** @param features Codes of the features of a window, in order. */
  constructor(
    private readonly graph: Graph,
    private readonly features: readonly number[],
    private readonly terms: FeedTerms,
    private readonly modelNumber: number,
  ) {}

  /** True if the features follow from what a chart has loaded. */
  static canShow(features: readonly number[]): boolean {
    return features.every((code) => FOLLOWING.has(code));
  }

  /**
   * Return the bands of rounds. Empty if the file contradicts the rounds: then it is not this model's.
   *
   * @param rounds Ascending. Rounds before which others are missing get no band.
   */
  of(rounds: readonly Round[]): ReadonlyMap<number, Band> {
    const bands = new Map<number, Band>();
    for (let i = 1; i < rounds.length; i++) {
      const [round, past] = [rounds[i], rounds.slice(Math.max(0, i - RING - 1), i)];
      // Before a feed's first round there were no moves, so a young feed needs fewer rounds.
      const begin = past[0]?.id;
      if (round?.modelNumber !== this.modelNumber || begin !== Math.max(1, round.id - RING - 1)) continue;
      if (past.length !== round.id - begin) continue;
      const band = this.known.get(round.id) ?? this.bandOf(round, past);
      this.known.set(round.id, band);
      if (band === null) continue;
      const isInside = round.answer >= band.low && round.answer <= band.high;
      if (round.scoreRatio <= 0 && !isInside) return new Map();
      bands.set(round.id, band);
    }
    return bands;
  }

  private bandOf(round: Round, past: readonly Round[]): Band | null {
    const base = past.at(-1);
    if (base === undefined) return null;
    const moves = Array.from({ length: RING }, (_, k) => {
      const [now, before] = [past[past.length - 1 - k], past[past.length - 2 - k]];
      return now === undefined || before === undefined ? 0 : moveOf(this.terms, now.answer, before.answer);
    });
    const elapsed = Math.floor(((round.observedAt - base.observedAt) * 1_000) / this.terms.heartbeat);
    const gap = Math.min(CLIP, Math.max(GAP_ONE, elapsed));
    const accepts = (move: number): boolean => {
      const window = this.features.map((code) => {
        if (code === 0) return move;
        if (code === 1) return gap;
        if (code === 2) return round.spread;
        return code === 3 ? round.count : (moves[code - PAST] ?? 0);
      });
      return this.graph.scores(window).every((score) => score <= 0);
    };
    if (!accepts(0)) return null;
    const [up, down] = [edge((move) => accepts(move)), edge((move) => accepts(-move))];
    return { roundId: round.id, low: answerAt(this.terms, base.answer, -down), high: answerAt(this.terms, base.answer, up) };
  }
}

/** Return the largest move below the clip up to which all are accepted. */
function edge(accepts: (move: number) => boolean): number {
  let [low, high] = [0, CLIP];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (accepts(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** Return the move between two answers, as the hub computes it. */
export function moveOf(terms: FeedTerms, answer: bigint, base: bigint): number {
  const difference = answer - base;
  if (terms.kind === "absolute") return clipped((difference * 1_000n) / terms.sigma);
  if (answer <= 0n || base <= 0n) return -CLIP;
  return clipped((difference * 1_000_000_000n) / ((answer < base ? answer : base) * terms.sigma));
}

/** Return the farthest answer whose move from `base` is no larger than `move`: its inverse, up to a unit. */
export function answerAt(terms: FeedTerms, base: bigint, move: number): bigint {
  // A move is cut to an integer: the answer of the next one is where it ends.
  const size = BigInt(Math.abs(move) + 1);
  if (terms.kind === "absolute") {
    const distance = (size * terms.sigma) / 1_000n;
    return move < 0 ? base - distance : base + distance;
  }
  const share = size * terms.sigma;
  return move < 0 ? (base * 1_000_000_000n) / (1_000_000_000n + share) : base + (base * share) / 1_000_000_000n;
}

function clipped(move: bigint): number {
  return Math.max(-CLIP, Math.min(CLIP, Number(move)));
}
