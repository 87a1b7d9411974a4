// What of a feed's rounds a chart of some time needs: pure functions of numbers.

import type { Feed, Round } from "@verifiable-oracle/client";

/** A stretch of time, unix seconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The most rounds that one view loads. */
export const MOST_ROUNDS = 1_500;

/** Return the smallest power of two, so that every stride-th of `rounds` rounds are at most `most`. */
export function strideFor(rounds: number, most = MOST_ROUNDS): number {
  let stride = 1;
  while (rounds / stride > most) stride *= 2;
  return stride;
}

/**
 * Return every stride-th id from `first` to `last`, and both ends. Ids are multiples of the stride, so a coarser view has
 * them already when a finer one is asked for.
 */
export function sampleIds(first: number, last: number, stride: number): number[] {
  const ids = new Set<number>([first]);
  for (let id = Math.ceil(first / stride) * stride; id <= last; id += stride) ids.add(id);
  ids.add(last);
  return [...ids].filter((id) => id >= first && id <= last && id > 0).sort((a, b) => a - b);
}

/** Return `count` ids between two, evenly apart, without the two. */
export function between(first: number, last: number, count: number): number[] {
  const ids = new Set<number>();
  for (let i = 1; i <= count; i++) ids.add(first + Math.round(((last - first) * i) / (count + 1)));
  return [...ids].filter((id) => id > first && id < last);
}

/** A chart's grid: columns of equal time, so that its axis is true to time. */
export interface Grid {
  /** The time of the first column's left edge. */
  readonly from: number;
  /** Seconds of a column. */
  readonly step: number;
  readonly columns: number;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];

/** Return the grid of a span and as much again on both sides, within `limits`, with some `columns` in the span itself. */
export function gridFor(span: Span, limits: Span, columns: number): Grid {
  const length = Math.max(span.to - span.from, 1);
  const wanted = length / columns;
  const step = STEPS.find((each) => each >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400;
  const from = Math.floor(Math.max(limits.from - step, span.from - length) / step) * step;
  const to = Math.ceil(Math.min(limits.to, span.to + length) / step) * step;
  return { from, step, columns: Math.max(2, Math.round((to - from) / step) + 1) };
}

/** Return true if a grid serves a span no longer: the span leaves it, or its columns are far too many or too few. */
export function isOutgrown(grid: Grid, span: Span, limits: Span, columns: number): boolean {
  const length = span.to - span.from;
  const shown = length / grid.step;
  if (shown > columns * 2.2 || (shown < columns / 4 && grid.step > 1)) return true;
  const end = grid.from + (grid.columns - 1) * grid.step;
  const isShortLeft = span.from < grid.from && grid.from > limits.from;
  const isShortRight = span.to > end && end < limits.to;
  return isShortLeft || isShortRight;
}

/**
 * Return the round of each column: the last one by then. Of several rounds in one column it is the one that is farthest
 * from the round before the column, so that no spike is lost. Null before the first round.
 *
 * @param rounds Ascending.
 */
export function columnsOf(rounds: readonly Round[], grid: Grid): (Round | null)[] {
  const found: (Round | null)[] = [];
  let standing: Round | null = null;
  let next = 0;
  for (let i = 0; i < grid.columns; i++) {
    const end = grid.from + (i + 1) * grid.step;
    const before: Round | null = standing;
    let shown: Round | null = standing;
    for (let isFirst = true; next < rounds.length; next++, isFirst = false) {
      const round = rounds[next];
      if (round === undefined || round.observedAt >= end) break;
      standing = round;
      // What comes before the grid stands at its beginning.
      if (isFirst || before === null || shown === null || i === 0) shown = round;
      else if (distance(round, before) >= distance(shown, before)) shown = round;
    }
    found.push(shown);
  }
  return found;
}

/** Return the column of a time. */
export function columnAt(grid: Grid, time: number): number {
  return Math.min(grid.columns - 1, Math.max(0, Math.floor((time - grid.from) / grid.step)));
}

/** The stretches that buttons offer. */
export const RANGES = [
  { value: "1h", label: "1 h", seconds: 3_600 },
  { value: "1d", label: "1 d", seconds: 86_400 },
  { value: "1w", label: "1 w", seconds: 604_800 },
  { value: "1m", label: "1 m", seconds: 2_629_800 },
  { value: "1y", label: "1 y", seconds: 31_557_600 },
  { value: "all", label: "All", seconds: Number.POSITIVE_INFINITY },
] as const;

/** The name of a stretch. */
export type RangeName = (typeof RANGES)[number]["value"];

/** Return the stretches that are worth a button: those that are shorter than the feed's life, and all of it. */
export function rangesFor(life: number): readonly (typeof RANGES)[number][] {
  return RANGES.filter((each) => each.value === "all" || each.seconds < life);
}

/** Return the time at which a feed's chart ends: now; of a feed that stands still, soon after its latest round. */
export function endOf(feed: Pick<Feed, "latest" | "terms">, time: number): number {
  if (feed.latest === null) return time;
  const { observedAt } = feed.latest;
  const due = feed.terms.heartbeat + feed.terms.maxAge;
  return time > observedAt + due ? observedAt + due : Math.max(time, observedAt);
}

/** Rounds that are shown all at once at first. */
const FEW = 300;

/** Return the stretch to begin with: all of a few rounds; otherwise the shortest that has a hundred heartbeats. */
export function firstRange(life: number, heartbeat: number, rounds: number): RangeName {
  if (rounds <= FEW) return "all";
  return rangesFor(life).find((each) => each.seconds >= 100 * heartbeat)?.value ?? "all";
}

/** Return the span of a stretch that ends now. */
export function spanOf(name: RangeName, life: Span): Span {
  const seconds = RANGES.find((each) => each.value === name)?.seconds ?? Number.POSITIVE_INFINITY;
  const length = Math.min(seconds, Math.max(60, life.to - life.from));
  // A little room at the right, so that the newest round is not at the edge.
  return { from: life.to - length, to: life.to + length * 0.02 };
}

function distance(one: Round, other: Round): bigint {
  const difference = one.answer - other.answer;
  return difference < 0n ? -difference : difference;
}
