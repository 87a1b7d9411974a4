import type { Feed, Round } from "@verifiable-oracle/client";
import { expect, test } from "vitest";

import { RoundsStore, type ReadRounds } from "../src/pages/feed/rounds-store.js";
import {
  between,
  columnAt,
  columnsOf,
  endOf,
  firstRange,
  gridFor,
  isOutgrown,
  MOST_ROUNDS,
  rangesFor,
  sampleIds,
  spanOf,
  strideFor,
} from "../src/pages/feed/window.js";

function round(id: number, observedAt: number, answer = BigInt(id)): Round {
  return { id, answer, observedAt, publishedAt: observedAt + 3, modelNumber: 1, scoreRatio: -1, spread: 0, count: 1, repeats: 0 };
}

test("strides are powers of two, and the smallest that do", () => {
  expect([0, 1, 1_500, 1_501, 3_000, 3_001, 10_000, 1_000_000].map((rounds) => strideFor(rounds))).toEqual([
    1, 1, 1, 2, 2, 4, 8, 1_024,
  ]);
});

test("samples have both ends, and a coarser sample's ids are in the finer one's", () => {
  expect(sampleIds(3, 20, 8)).toEqual([3, 8, 16, 20]);
  expect(sampleIds(1, 1, 4)).toEqual([1]);
  expect(sampleIds(1, 0, 4)).toEqual([]);
  const fine = new Set(sampleIds(100, 900, 4));
  expect(sampleIds(100, 900, 16).every((id) => fine.has(id))).toBe(true);
});

test("probes lie between, and never on the ends", () => {
  expect(between(10, 20, 4)).toEqual([12, 14, 16, 18]);
  expect(between(10, 12, 32)).toEqual([11]);
  expect(between(10, 11, 32)).toEqual([]);
});

test("a grid has the span, as much on both sides, and no more than there is", () => {
  const grid = gridFor({ from: 10_000, to: 11_000 }, { from: 0, to: 100_000 }, 100);
  expect(grid).toEqual({ from: 9_000, step: 10, columns: 301 });
  expect(gridFor({ from: 99_000, to: 100_000 }, { from: 98_900, to: 100_000 }, 100)).toEqual({ from: 98_890, step: 10, columns: 112 });
});

test("a grid is outgrown when the span leaves it, or by zooming", () => {
  const limits = { from: 0, to: 100_000 };
  const grid = gridFor({ from: 10_000, to: 11_000 }, limits, 100);
  expect(isOutgrown(grid, { from: 10_000, to: 11_000 }, limits, 100)).toBe(false);
  expect(isOutgrown(grid, { from: 10_400, to: 11_400 }, limits, 100)).toBe(false);
  expect(isOutgrown(grid, { from: 8_900, to: 9_900 }, limits, 100)).toBe(true);
  expect(isOutgrown(grid, { from: 10_000, to: 12_500 }, limits, 100)).toBe(true);
  expect(isOutgrown(grid, { from: 10_000, to: 10_100 }, limits, 100)).toBe(true);
  // Beyond the feed's life there is nothing to load.
  expect(isOutgrown(grid, { from: -500, to: 500 }, { from: 9_000, to: 12_000 }, 100)).toBe(false);
});

test("columns have the round that stands, and of several the farthest", () => {
  const grid = { from: 0, step: 10, columns: 5 };
  const rounds = [round(1, 12, 100n), round(2, 25, 90n), round(3, 26, 400n), round(4, 27, 110n)];
  expect(columnsOf(rounds, grid).map((each) => each?.id ?? null)).toEqual([null, 1, 3, 4, 4]);
});

test("what came before the grid stands at its beginning", () => {
  const grid = { from: 100, step: 10, columns: 2 };
  expect(columnsOf([round(1, 5, 900n), round(2, 50, 100n)], grid).map((each) => each?.id)).toEqual([2, 2]);
});

test("a time beyond the grid is in its last column", () => {
  const grid = { from: 100, step: 10, columns: 3 };
  expect([0, 100, 109, 110, 500].map((time) => columnAt(grid, time))).toEqual([0, 0, 0, 1, 2]);
});

test("ranges that are longer than the feed's life are not offered", () => {
  expect(rangesFor(1_000).map((each) => each.value)).toEqual(["all"]);
  expect(rangesFor(700_000).map((each) => each.value)).toEqual(["1h", "1d", "1w", "all"]);
  expect(firstRange(100_000_000, 3_600, 10_000)).toBe("1w");
  expect(firstRange(100_000_000, 60, 10_000)).toBe("1d");
  expect(firstRange(100_000_000, 60, 300)).toBe("all");
  expect(firstRange(10_000, 3_600, 10_000)).toBe("all");
  expect(spanOf("1h", { from: 0, to: 10_000 })).toEqual({ from: 6_400, to: 10_072 });
});

test("the chart of a feed that stands still ends soon after its latest round", () => {
  const terms = { heartbeat: 3_600, maxAge: 600 } as Feed["terms"];
  const latest = round(9, 100_000);
  expect(endOf({ latest, terms }, 101_000)).toBe(101_000);
  expect(endOf({ latest, terms }, 99_000)).toBe(100_000);
  expect(endOf({ latest, terms }, 900_000)).toBe(104_200);
  expect(endOf({ latest: null, terms }, 900_000)).toBe(900_000);
});

/** A feed with a round each hour, and what was read of it. */
function storeOf(count: number): { store: RoundsStore; read: number[][] } {
  const read: number[][] = [];
  const reader: ReadRounds = (_, __, ids) => {
    read.push([...ids]);
    return Promise.resolve(ids.map((id) => round(id, id * 3_600)));
  };
  const hub = { endpoint: { name: "none", request: () => Promise.reject(new Error("not asked")) }, chainId: 1, address: "0x" } as const;
  return { store: new RoundsStore(hub, "0x", count, reader), read };
}

test("years are drawn from a sample, hours from all rounds", async () => {
  const { store, read } = storeOf(50_000);
  const years = await store.cover({ from: 0, to: 50_000 * 3_600 });
  expect(years.stride).toBe(64);
  expect(years.rounds.length).toBeLessThanOrEqual(MOST_ROUNDS);
  const before = read.flat().length;
  const day = await store.cover({ from: 30_000 * 3_600, to: 30_024 * 3_600 });
  expect(day.stride).toBe(1);
  const ids = day.rounds.map((each) => each.id);
  for (let id = 30_000; id <= 30_024; id++) expect(ids).toContain(id);
  expect(read.flat().length - before).toBeLessThan(1_500);
  expect(new Set(read.flat()).size).toBe(read.flat().length); // nothing is read twice
});

test("a far day is found at once, with few reads", async () => {
  const { store, read } = storeOf(1_000_000);
  const day = await store.cover({ from: 123_456 * 3_600, to: 123_480 * 3_600 });
  const ids = day.rounds.map((each) => each.id);
  for (let id = 123_456; id <= 123_480; id++) expect(ids).toContain(id);
  expect(read.length).toBeLessThan(8);
});

test("spans before, after and without rounds are drawn, too", async () => {
  const { store } = storeOf(5_000);
  expect((await store.cover({ from: -9_000, to: -1_000 })).rounds.map((each) => each.id)).toContain(1);
  expect((await store.cover({ from: 5_001 * 3_600, to: 5_100 * 3_600 })).rounds.map((each) => each.id)).toContain(5_000);
  expect(await storeOf(0).store.cover({ from: 0, to: 1 })).toEqual({ rounds: [], stride: 1 });
});

test("a new round is part of what is drawn", async () => {
  const { store } = storeOf(10);
  await store.cover({ from: 0, to: 40_000 });
  store.add(round(11, 11 * 3_600));
  expect((await store.cover({ from: 0, to: 50_000 })).rounds.at(-1)?.id).toBe(11);
});
