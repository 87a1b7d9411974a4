/** Whole lives of feeds, as the Python gate leads them: `scripts/make_lives.py`. */
import { readFileSync } from "node:fs";
import path from "node:path";

import { expect, test } from "vitest";

import { featureNames } from "../../src/verify/features.js";
import { emptyFeed, judge, window } from "../../src/verify/gate.js";
import type { FeedKind, FeedTerms } from "../../src/read/types.js";

interface Report {
  readonly answer: string;
  readonly observedAt: number;
  readonly publishedAt: number;
  readonly scores: readonly string[];
  readonly peerAnswers: readonly string[];
  readonly spread: number;
  readonly count: number;
  readonly window: readonly number[];
  readonly verdict: { readonly isHeld: boolean; readonly reason: number; readonly isConfirmed: boolean; readonly scoreRatio: number | null };
  readonly state: Readonly<Record<string, unknown>>;
  readonly held: Readonly<Record<string, unknown>> | null;
}
interface Life {
  readonly kind: FeedKind;
  readonly sigma: string;
  readonly heartbeat: number;
  readonly confirmations: number;
  readonly confirmDelay: number;
  readonly tolerance: number;
  readonly maxRepeats: number;
  readonly scoreUnit: string;
  readonly modelNumber: number;
  readonly peers: readonly { readonly kind: FeedKind; readonly sigma: string }[];
  readonly reports: readonly Report[];
}

const FILE = process.env.LIVES ?? path.resolve(import.meta.dirname, "../../../../tests/vectors/lives.json");
const { features, lives } = JSON.parse(readFileSync(FILE, "utf8")) as { features: readonly number[]; lives: readonly Life[] };
const REASONS = [null, "anomalous", "not positive", "repeated"] as const;

function termsOf(life: Life): FeedTerms {
  const { kind, heartbeat, confirmations, confirmDelay, tolerance, maxRepeats } = life;
  return {
    ...{ kind, heartbeat, confirmations, confirmDelay, tolerance, maxRepeats, sigma: BigInt(life.sigma) },
    ...{ description: "A / B", decimals: 8, maxAge: 1, maxSkew: 1, maxSpread: 0, committee: 1, peers: [] },
  };
}

/** Bigints as decimal text, as the file has them. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)));
}

test("the lives have what a feed can come to", () => {
  const verdicts = lives.flatMap(({ reports }) => reports.map(({ verdict }) => verdict));
  expect(new Set(verdicts.map(({ reason }) => reason))).toEqual(new Set([0, 1, 2, 3]));
  expect(verdicts.filter(({ isConfirmed }) => isConfirmed).length).toBeGreaterThan(3);
  expect(verdicts.length).toBeGreaterThan(200);
});

test("windows, outcomes, states and holds are those of Python, report for report", () => {
  for (const [at, life] of lives.entries()) {
    const terms = termsOf(life);
    let state = emptyFeed(life.modelNumber);
    for (const [index, report] of life.reports.entries()) {
      const where = `life ${String(at)}, report ${String(index)}`;
      const answer = BigInt(report.answer);
      const peerAnswers = report.peerAnswers.map(BigInt);
      const peers = life.peers.map(({ kind, sigma }, each) => ({
        measure: { kind, sigma: BigInt(sigma) },
        answer: peerAnswers[each] ?? 0n,
      }));
      const { observedAt, publishedAt, spread, count } = report;
      expect(window(featureNames(features), state, terms, { answer, observedAt, spread, count, peers }), where).toEqual(report.window);
      const scores = report.scores.map(BigInt);
      const judged = { answer, observedAt, publishedAt, scores, modelNumber: life.modelNumber, peerAnswers };
      const verdict = judge(state, terms, judged, BigInt(life.scoreUnit));
      state = verdict.state;
      const { isHeld, reason, isConfirmed, scoreRatio } = report.verdict;
      expect([verdict.outcome === "held", verdict.reason, verdict.isConfirmed], where).toEqual([isHeld, REASONS[reason], isConfirmed]);
      if (scoreRatio !== null) expect(verdict.scoreRatio, where).toBe(scoreRatio);
      const { roundId, repeats, variance, moves, lastReportAt } = state;
      // The hub counts held reports modulo 256, which a life here does not reach.
      const own = { roundId, answer: state.answer, observedAt: state.observedAt, lastReportAt, repeats, variance, moves };
      expect(plain({ ...own, heldReports: state.heldReports }), where).toEqual(report.state);
      const held = report.held === null ? null : { ...report.held, reason: REASONS[Number(report.held.reason)] };
      expect(plain(state.held), where).toEqual(held);
    }
  }
});
