import type { Hex, Hub, Round } from "@verifiable-oracle/client";

import { between, sampleIds, strideFor, type Span } from "./window.js";

/** Reads rounds by their ids: `readRounds`, or what stands for it in a test. */
export type ReadRounds = (hub: Hub, feedId: Hex, ids: readonly number[]) => Promise<Round[]>;

/** Rounds of a span of time. */
export interface Covered {
  /** Ascending, from the last one before the span to the first one after it. */
  readonly rounds: readonly Round[];
  /** 1: all rounds of the span are there; otherwise every stride-th one. */
  readonly stride: number;
}

/** Rounds between two known ones that are read to find a time. */
const PROBES = 32;

/** The rounds of one feed, as far as somebody has looked at them. Ids have no gaps, so a span is found by halving. */
export class RoundsStore {
  private readonly known = new Map<number, Round>();

  constructor(
    private readonly hub: Hub,
    private readonly feedId: Hex,
    /** The id of the latest round; 0 before the first one. */
    public latest: number,
    private readonly read: ReadRounds,
  ) {}

  /** Return rounds by their ids, from what is known or from the hub. */
  async rounds(ids: readonly number[]): Promise<Round[]> {
    const missing = ids.filter((id) => !this.known.has(id));
    if (missing.length > 0) {
      for (const round of await this.read(this.hub, this.feedId, missing)) this.known.set(round.id, round);
    }
    return ids.map((id) => this.known.get(id)).filter((round) => round !== undefined);
  }

  /** Put a new round at the end. */
  add(round: Round): void {
    this.known.set(round.id, round);
    this.latest = Math.max(this.latest, round.id);
  }

  /** Return enough rounds to draw a span. */
  async cover(span: Span): Promise<Covered> {
    if (this.latest === 0) return { rounds: [], stride: 1 };
    await this.rounds([1, this.latest]);
    for (;;) {
      const { low, high } = this.bracket(span);
      const stride = strideFor(high - low + 1);
      const isLoose = stride > 1 && this.isLoose(span, low, high);
      if (!isLoose) return { rounds: await this.rounds(sampleIds(low, high, stride)), stride };
      await this.rounds(this.probes(span));
    }
  }

  /** The last known id before the span, and the first known one after it. */
  private bracket(span: Span): { low: number; high: number } {
    let [low, high] = [1, this.latest];
    for (const round of this.known.values()) {
      if (round.observedAt <= span.from && round.id > low) low = round.id;
      if (round.observedAt >= span.to && round.id < high) high = round.id;
    }
    return { low, high: Math.max(low, high) };
  }

  /** True if more than half of what lies between the bracket may be outside of the span. */
  private isLoose(span: Span, low: number, high: number): boolean {
    const inside = [...this.known.values()].filter((round) => round.observedAt > span.from && round.observedAt < span.to);
    const ids = inside.map((round) => round.id);
    const [first, last] = ids.length === 0 ? [0, 0] : [Math.min(...ids), Math.max(...ids)];
    const unsure = ids.length === 0 ? high - low : first - low + (high - last);
    return unsure > Math.max(2 * PROBES, (high - low) / 8) && this.probes(span).length > 0;
  }

  /** Ids that tell where the span begins and ends. */
  private probes(span: Span): number[] {
    const sorted = [...this.known.values()].sort((a, b) => a.id - b.id);
    const ids = [span.from, span.to].flatMap((time) => {
      const after = sorted.findIndex((round) => round.observedAt >= time);
      const [low, high] = [sorted[after - 1], sorted[after]];
      return low && high ? between(low.id, high.id, PROBES) : [];
    });
    return [...new Set(ids)].filter((id) => !this.known.has(id));
  }
}
