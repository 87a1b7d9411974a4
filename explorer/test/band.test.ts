import { readFileSync } from "node:fs";

import type { FeedTerms, Round } from "@verifiable-oracle/client";
import { expect, test } from "vitest";

import { answerAt, BandModel, moveOf } from "../src/pages/feed/band.js";
import { Graph, GraphError } from "../src/pages/feed/onnx.js";

// The packaged model as `to_onnx` writes it, and windows with the scores that its integers have.
const file = new Uint8Array(readFileSync(new URL("files/quadratic.onnx", import.meta.url)));
const { scale, rows } = JSON.parse(readFileSync(new URL("files/quadratic.json", import.meta.url), "utf-8")) as {
  readonly scale: number;
  readonly rows: readonly { readonly window: readonly number[]; readonly scores: readonly string[] }[];
};

const FEATURES = [0, ...Array.from({ length: 12 }, (_, i) => 16 + i), 1];
const TERMS: FeedTerms = {
  description: "ETH / USD",
  kind: "relative",
  decimals: 8,
  confirmations: 2,
  maxRepeats: 0,
  heartbeat: 3_600,
  maxAge: 600,
  maxSkew: 60,
  confirmDelay: 60,
  tolerance: 1_000,
  maxSpread: 0,
  sigma: 5_000n,
  committee: 1,
  peers: [],
};

test("the graph of a model gives the scores of its integers", () => {
  const graph = Graph.read(file);
  for (const { window, scores } of rows) {
    expect(graph.scores(window).map((score) => score * 2 ** scale)).toEqual(scores.map(Number));
  }
});

test("files that are none, and operators that are not known, are refused", () => {
  expect(() => Graph.read(new Uint8Array())).toThrow(GraphError);
  expect(() => Graph.read(new Uint8Array([255, 255, 255]))).toThrow(GraphError);
  expect(() => Graph.read(file.subarray(0, file.length - 40))).toThrow(GraphError);
  const other = new Uint8Array(file);
  const at = new TextDecoder("latin1").decode(file).indexOf("MatMul");
  other[at] = "X".charCodeAt(0);
  expect(() => Graph.read(other)).toThrow(/XatMul is not known/);
});

test("an answer and its move are each other's inverse", () => {
  for (const terms of [TERMS, { ...TERMS, kind: "absolute", sigma: 700n } as const]) {
    for (const move of [-3_000, -1, 0, 1, 250, 9_000]) {
      const answer = answerAt(terms, 2_000_00000000n, move);
      expect(Math.abs(moveOf(terms, answer, 2_000_00000000n))).toBeGreaterThanOrEqual(Math.abs(move));
      expect(Math.abs(moveOf(terms, answer, 2_000_00000000n))).toBeLessThanOrEqual(Math.abs(move) + 1);
    }
  }
});

function roundsOf(answers: readonly bigint[]): Round[] {
  return answers.map((answer, i) => ({
    id: i + 1,
    answer,
    observedAt: 1_700_000_000 + i * 3_600,
    publishedAt: 1_700_000_003 + i * 3_600,
    modelNumber: 1,
    scoreRatio: -10,
    spread: 0,
    count: 1,
    repeats: 0,
  }));
}

const CALM = Array.from({ length: 20 }, (_, i) => 2_000_00000000n + BigInt(i % 3) * 100_000_000n);

test("a band is where the scores change their sign", () => {
  const model = new BandModel(Graph.read(file), FEATURES, TERMS, 1);
  const rounds = roundsOf(CALM);
  const band = model.of(rounds).get(16);
  if (band === undefined) throw new Error("there is no band");
  expect(band.low).toBeLessThan(2_000_00000000n);
  expect(band.high).toBeGreaterThan(2_002_00000000n);
  const past = Array.from({ length: 12 }, (_, k) => moveOf(TERMS, CALM[14 - k] ?? 0n, CALM[13 - k] ?? 0n));
  const isAccepted = (answer: bigint): boolean =>
    Graph.read(file)
      .scores([moveOf(TERMS, answer, CALM[14] ?? 0n), ...past, 1_000])
      .every((score) => score <= 0);
  const width = band.high - band.low;
  expect(isAccepted(band.high - width / 200n)).toBe(true);
  expect(isAccepted(band.high + width / 200n)).toBe(false);
  expect(isAccepted(band.low + width / 200n)).toBe(true);
  expect(isAccepted(band.low - width / 200n)).toBe(false);
});

test("rounds without all that came before them get no band, those of a young feed do", () => {
  const rounds = roundsOf(CALM);
  const bands = (of: readonly Round[]): number[] => [...new BandModel(Graph.read(file), FEATURES, TERMS, 1).of(of).keys()];
  expect(bands(rounds.slice(0, 4))).toEqual([2, 3, 4]);
  expect(bands(rounds.slice(4))).toEqual([18, 19, 20]);
  expect(bands(rounds.filter((round) => round.id !== 9))).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect([...new BandModel(Graph.read(file), FEATURES, TERMS, 2).of(rounds).keys()]).toEqual([]);
});

test("a file that contradicts the rounds is not believed", () => {
  const answers = [...CALM];
  answers[15] = 4_000_00000000n;
  expect(new BandModel(Graph.read(file), FEATURES, TERMS, 1).of(roundsOf(answers)).size).toBe(0);
});

test("features that a chart does not have rule a band out", () => {
  expect(BandModel.canShow(FEATURES)).toBe(true);
  expect(BandModel.canShow([...FEATURES, 4])).toBe(false);
  expect(BandModel.canShow([...FEATURES, 5])).toBe(false);
});
