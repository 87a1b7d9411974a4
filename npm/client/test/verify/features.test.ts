/** The encoding of answers, against the table that Python and Solidity are tested with. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { expect, test } from "vitest";

import {
  FIELD_MODULUS,
  featureNames,
  gap,
  instances,
  move,
  near,
  nextVariance,
  peerMove,
  scoreRatio,
  spread,
  toField,
} from "../../src/verify/features.js";
import { emptyFeed, gapOf, window, type FeedState } from "../../src/verify/gate.js";
import type { FeedKind, FeedTerms, HeldAnswer } from "../../src/read/types.js";

type Column = Readonly<Record<string, readonly string[]>>;
interface WindowCase {
  readonly features: string;
  readonly kind: string;
  readonly sigma: string;
  readonly heartbeat: string;
  readonly tolerance: string;
  readonly roundId: string;
  readonly lastAnswer: string;
  readonly lastObservedAt: string;
  readonly variance: string;
  readonly holdReason: string;
  readonly firstAnswer: string;
  readonly firstGap: string;
  readonly answer: string;
  readonly observedAt: string;
  readonly spread: string;
  readonly count: string;
  readonly ring: readonly string[];
  readonly peerKinds: readonly string[];
  readonly peerSigmas: readonly string[];
  readonly peerKept: readonly string[];
  readonly peerAnswers: readonly string[];
  readonly window: readonly string[];
}
interface Vectors {
  readonly fieldModulus: string;
  readonly move: Column;
  readonly gap: Column;
  readonly scoreRatio: Column;
  readonly toField: Column;
  readonly spread: Column;
  readonly variance: Column;
  readonly peerMove: Column;
  readonly near: Column;
  readonly heldGap: Column;
  readonly window: readonly WindowCase[];
}

const VECTORS = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, "../../../../tests/vectors/features.json"), "utf8"),
) as Vectors;
const KINDS: readonly FeedKind[] = ["relative", "absolute"];
const REASONS = [null, "anomalous", "not positive", "repeated"] as const;

/** Return the rows of a table that is kept by columns. */
function rows(columns: Column): ((name: string) => bigint)[] {
  const [first = []] = Object.values(columns);
  return first.map((_, at) => (name: string) => BigInt(columns[name]?.[at] ?? "none"));
}

function measure(row: (name: string) => bigint): { kind: FeedKind; sigma: bigint } {
  return { kind: KINDS[Number(row("kind"))] ?? "absolute", sigma: row("sigma") };
}

function terms(kind: FeedKind, sigma: bigint, heartbeat: number, tolerance: number): FeedTerms {
  return {
    ...{ description: "A / B", kind, decimals: 8, confirmations: 1, maxRepeats: 0, heartbeat, maxAge: 1, maxSkew: 1 },
    ...{ confirmDelay: 1, tolerance, maxSpread: 0, sigma, committee: 1, peers: [] },
  };
}

function heldBy(reason: number, firstAnswer: bigint, firstGap: number): HeldAnswer | null {
  const named = REASONS[reason] ?? null;
  if (named === null) return null;
  return {
    ...{ reason: named, answer: firstAnswer, firstAnswer, firstObservedAt: 0, firstSeenAt: 0, observedAt: 0 },
    ...{ confirmations: 0, modelNumber: 1, scoreRatio: 0, anomalies: 1, anomalousSince: 0, anomalousSeenAt: 0, firstGap },
  };
}

test("the tables have enough rows to notice a mistake", () => {
  expect(BigInt(VECTORS.fieldModulus)).toBe(FIELD_MODULUS);
  const least = Math.min(
    ...(["move", "gap", "scoreRatio", "toField", "spread", "variance", "peerMove", "near", "heldGap"] as const).map(
      (name) => rows(VECTORS[name]).length,
    ),
  );
  expect(least).toBeGreaterThan(10);
  expect(VECTORS.window.length).toBeGreaterThan(30);
});

test("moves, spreads and nearness are those of Solidity", () => {
  for (const row of rows(VECTORS.move)) {
    expect(move(measure(row), row("answer"), row("reference"))).toBe(Number(row("move")));
  }
  for (const row of rows(VECTORS.spread)) {
    expect(spread(measure(row), row("lowest"), row("highest"))).toBe(Number(row("spread")));
  }
  for (const row of rows(VECTORS.near)) {
    expect(near(measure(row), row("answer"), row("reference"), Number(row("tolerance")))).toBe(row("near") === 1n);
  }
  for (const row of rows(VECTORS.peerMove)) {
    const expected = [Number(row("move")), Number(row("seen"))];
    expect(peerMove(measure(row), row("answer"), row("kept"))).toEqual(expected);
  }
});

test("gaps, variances, ratios and field elements are those of Solidity", () => {
  for (const row of rows(VECTORS.gap)) {
    const found = gap(Number(row("observedAt")), Number(row("lastObservedAt")), Number(row("heartbeat")));
    expect(found).toBe(Number(row("gap")));
  }
  for (const row of rows(VECTORS.variance)) {
    expect(nextVariance(Number(row("stored")), Number(row("move")), Number(row("gap")))).toBe(Number(row("variance")));
  }
  for (const row of rows(VECTORS.scoreRatio)) {
    expect(scoreRatio([row("score")], row("unit"))).toBe(Number(row("ratio")));
  }
  for (const row of rows(VECTORS.toField)) expect(toField(row("value"))).toBe(row("element"));
});

test("a held answer's gap stands still as in Solidity", () => {
  for (const row of rows(VECTORS.heldGap)) {
    const { kind, sigma } = measure(row);
    const state: FeedState = {
      ...emptyFeed(1),
      roundId: 1,
      answer: 1n,
      observedAt: Number(row("lastObservedAt")),
      held: heldBy(Number(row("holdReason")), row("firstAnswer"), Number(row("firstGap"))),
    };
    const found = gapOf(state, terms(kind, sigma, Number(row("heartbeat")), Number(row("tolerance"))), row("answer"), Number(row("observedAt")));
    expect(found).toBe(Number(row("gap")));
  }
});

test("windows are those of Solidity, whatever the list of features", () => {
  for (const each of VECTORS.window) {
    const codes = [...Buffer.from(each.features.slice(2), "hex")];
    const state: FeedState = {
      ...emptyFeed(1),
      roundId: Number(each.roundId),
      answer: BigInt(each.lastAnswer),
      observedAt: Number(each.lastObservedAt),
      variance: Number(each.variance),
      moves: each.ring.map(Number),
      held: heldBy(Number(each.holdReason), BigInt(each.firstAnswer), Number(each.firstGap)),
      peerAnswers: each.peerKept.map(BigInt),
    };
    const found = window(
      featureNames(codes),
      state,
      terms(KINDS[Number(each.kind)] ?? "absolute", BigInt(each.sigma), Number(each.heartbeat), Number(each.tolerance)),
      {
        answer: BigInt(each.answer),
        observedAt: Number(each.observedAt),
        spread: Number(each.spread),
        count: Number(each.count),
        peers: each.peerAnswers.map((answer, at) => ({
          measure: { kind: KINDS[Number(each.peerKinds[at])] ?? "absolute", sigma: BigInt(each.peerSigmas[at] ?? "0") },
          answer: BigInt(answer),
        })),
      },
    );
    expect(found).toEqual(each.window.map(Number));
  }
});

test("an incomplete batch repeats its last window and scores", () => {
  expect(instances(7n, [[1, -2], [3, 4]], [[5n], [-6n]], 3)).toEqual([
    ...[7n, 1n, FIELD_MODULUS - 2n, 3n, 4n, 3n, 4n],
    ...[5n, FIELD_MODULUS - 6n, FIELD_MODULUS - 6n],
  ]);
  expect(instances(null, [[1]], [[2n]], 1)).toEqual([1n, 2n]);
  expect(() => instances(null, [[1], [2]], [[2n], [3n]], 1)).toThrow("2 windows");
});

test("what no hub makes is refused", () => {
  expect(() => featureNames([1, 2])).toThrow("no move");
  expect(() => featureNames([0, 1, 1])).toThrow("twice");
  expect(() => featureNames([0, 9])).toThrow("unknown");
  expect(() => featureNames([0, 28])).toThrow("unknown");
  expect(() => toField(-(2n ** 127n))).toThrow("no integer");
  expect(() => move({ kind: "relative", sigma: 0n }, 1n, 1n)).toThrow("sigma");
  expect(() => move({ kind: "relative", sigma: 1n }, 1n, 0n)).toThrow("last answer");
});
