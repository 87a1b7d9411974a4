import { expect, test } from "vitest";

import {
  blocksAt,
  connectHub,
  EndpointError,
  findRound,
  HubError,
  isStale,
  readCommittee,
  readFeed,
  readFeeds,
  readHeldReports,
  readHolds,
  readModel,
  readReportsIn,
  readRounds,
  wholeRange,
  type HeldReport,
  type Hub,
} from "../src/index.js";
import { FakeHub } from "./fake-hub.js";

const START = 1_700_000_000;

/** An event as a fake answers it. */
interface Raw {
  readonly data: string;
}

async function hubWithFeed(): Promise<{ fake: FakeHub; hub: Hub; id: `0x${string}` }> {
  const fake = new FakeHub(START, START + 100_000);
  const id = fake.addFeed({ description: "ETH / USD" });
  return { fake, hub: await connectHub(fake, fake.address), id };
}

test("a feed is read with its terms, its state and its latest round", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 2_000_00000000n, observedAt: START + 60, spread: 321, count: 5, scoreRatio: -4_000 });
  const feed = await readFeed(hub, id);
  expect(feed.terms).toMatchObject({
    description: "ETH / USD",
    kind: "relative",
    decimals: 8,
    confirmations: 2,
    maxRepeats: 3,
    heartbeat: 3_600,
    maxAge: 600,
    maxSkew: 60,
    confirmDelay: 120,
    tolerance: 1_500,
    maxSpread: 4_000,
    sigma: 5_000n,
    committee: 1,
    peers: [],
  });
  expect(feed).toMatchObject({ status: "ok", paused: false, linked: false, modelNumber: 1, held: null, variance: 1_000 << 17 });
  expect(feed.moves.slice(0, 3)).toEqual([7, -9, 0]);
  expect(feed.latest).toEqual({
    id: 1,
    answer: 2_000_00000000n,
    observedAt: START + 60,
    publishedAt: START + 65,
    modelNumber: 1,
    scoreRatio: -4_000,
    spread: 321,
    count: 5,
    repeats: 0,
  });
});

test("a feed without rounds is empty, and stale", async () => {
  const { hub, id } = await hubWithFeed();
  const feed = await readFeed(hub, id);
  expect(feed).toMatchObject({ status: "empty", latest: null });
  expect(isStale(feed, START)).toBe(true);
});

test("a feed is stale after heartbeat and maxAge, and not a second before", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 1n, observedAt: START });
  const feed = await readFeed(hub, id);
  expect(isStale(feed, START + 4_200)).toBe(false);
  expect(isStale(feed, START + 4_201)).toBe(true);
});

test("negative answers, long descriptions and peers are read", async () => {
  const { fake, hub } = await hubWithFeed();
  const description = "Temperature at the airport of Zürich, in tenths of a degree";
  const peers = [`0x${"ab".repeat(32)}`, `0x${"cd".repeat(32)}`] as const;
  const id = fake.addFeed({ description, isRelative: false, decimals: 1, peers });
  fake.accept(id, { answer: -123n, observedAt: START + 60 });
  const feed = await readFeed(hub, id);
  expect(feed.terms).toMatchObject({ description, kind: "absolute", peers });
  expect(feed.peerAnswers).toEqual([1n, 2n]);
  expect(feed.latest?.answer).toBe(-123n);
});

test("a held answer is read with its reason, and counted", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 100n, observedAt: START });
  fake.hold(id, { answer: 140n, observedAt: START + 60, scoreRatio: 2_750 }, 1);
  fake.hold(id, { answer: 141n, observedAt: START + 120 }, 1, 1);
  const feed = await readFeed(hub, id);
  expect(feed.status).toBe("held");
  expect(feed.heldReports).toBe(2);
  expect(feed.held).toMatchObject({ reason: "anomalous", answer: 141n, firstAnswer: 140n, confirmations: 1, firstGap: 1_000 });
});

test("proposals and the shadow tally are read", async () => {
  const { fake, hub, id } = await hubWithFeed();
  expect(await readFeed(hub, id)).toMatchObject({ proposals: { model: null, unpauseFrom: null, previous: null }, shadow: null });
  fake.setWord(id, 7n, 1_800_000_000n | (1_900_000_000n << 64n) | (2_000_000_000n << 128n) | (4n << 192n) | (3n << 208n));
  fake.setWord(id, 8n, 10n | (8n << 32n) | (2n << 64n) | (5n << 96n) | (1n << 128n));
  expect(await readFeed(hub, id)).toMatchObject({
    proposals: {
      model: { number: 4, from: 1_800_000_000 },
      unpauseFrom: 1_900_000_000,
      previous: { number: 3, until: 2_000_000_000 },
    },
    shadow: { modelNumber: 4, reports: 10, compared: 8, disagreements: 2, minCompared: 5, maxDisagreements: 1 },
  });
});

test("all feeds take a few calls, however many there are", async () => {
  const { fake, hub } = await hubWithFeed();
  for (let i = 0; i < 80; i++) fake.addFeed({ description: `Feed ${String(i)}` });
  fake.asked.length = 0;
  const feeds = await readFeeds(hub);
  expect(feeds.map((feed) => feed.terms.description)).toEqual(["ETH / USD", ...Array.from({ length: 80 }, (_, i) => `Feed ${String(i)}`)]);
  expect(fake.asked).toEqual(["eth_call", "eth_call", "eth_call", "eth_call"]); // the ids beyond the first 64 are one more
});

test("more than two thousand rounds take two calls", async () => {
  const { fake, hub, id } = await hubWithFeed();
  for (let i = 1; i <= 2_100; i++) fake.accept(id, { answer: BigInt(i), observedAt: START + i * 10 });
  fake.asked.length = 0;
  const rounds = await readRounds(hub, id, Array.from({ length: 2_100 }, (_, i) => i + 1));
  expect(rounds.map((round) => round.answer)).toEqual(Array.from({ length: 2_100 }, (_, i) => BigInt(i + 1)));
  expect(fake.asked).toHaveLength(2);
});

test("a round that is withheld is missed", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 1n, observedAt: START });
  await expect(readRounds(hub, id, [1, 2])).rejects.toThrow(/says that round 2 .* does not exist/);
});

test("a feed that the hub does not have is an error that says so", async () => {
  const { hub } = await hubWithFeed();
  await expect(readFeed(hub, `0x${"00".repeat(32)}`)).rejects.toThrow(HubError);
});

test("models and committees are read", async () => {
  const { fake, hub } = await hubWithFeed();
  const verifier = "0x00000000000000000000000000000000000000c1";
  fake.setCode(verifier, "0x6001");
  fake.addModel(77n, verifier);
  fake.setCommittee(1, 3, [verifier, "0x00000000000000000000000000000000000000c2", "0x00000000000000000000000000000000000000c3"]);
  expect(await readModel(hub, 1)).toMatchObject({
    number: 1,
    hash: 77n,
    scoreUnit: 5n << 20n,
    architecture: { id: 1, outputs: 2, bindsModel: true, circuits: [{ batchSize: 1, verifier }] },
  });
  expect(await readCommittee(hub, 1)).toMatchObject({ epoch: 1, quorum: 3, proposed: null });
  expect((await readCommittee(hub, 1)).reporters).toHaveLength(3);
  await expect(readModel(hub, 2)).rejects.toThrow("has no model 2");
  await expect(readCommittee(hub, 9)).rejects.toThrow("has no committee 9");
});

test("no contract, and another contract, are no hub", async () => {
  const { fake } = await hubWithFeed();
  await expect(connectHub(fake, "0x00000000000000000000000000000000000000ff")).rejects.toThrow(/no contract at/);
  fake.alter = (method, result) => (method === "eth_call" ? `0x${"00".repeat(32)}` : result);
  await expect(connectHub(fake, fake.address)).rejects.toThrow(/no hub of this version/);
  await expect(connectHub(fake, fake.address, 1)).rejects.toThrow(/chain 31337, and not 1/);
});

test("words that no hub writes are refused", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 1n, observedAt: START });
  fake.setWord(id, 0n, fake.wordOf(id, 0n) | (200n << 8n));
  await expect(readFeed(hub, id)).rejects.toThrow(/out of the bounds/);
});

test.each(["0x", "0x00", null, `0x${"00".repeat(96)}`, "no words"])("an answer of %s is no storage", async (answer) => {
  const { fake, hub, id } = await hubWithFeed();
  fake.alter = (method, result) => (method === "eth_call" ? answer : result);
  await expect(readFeed(hub, id)).rejects.toThrow(EndpointError);
});

test("the block of a time is found, and its report", async () => {
  const { fake, hub, id } = await hubWithFeed();
  for (let i = 1; i <= 20; i++) fake.accept(id, { answer: BigInt(i), observedAt: START + i * 3_000 });
  expect(await blocksAt(fake, START + 12_345)).toEqual({ first: 12_345n, last: 12_345n });
  expect(await blocksAt(fake, START + 200_000)).toBeNull();
  fake.asked.length = 0;
  fake.rangeLimit = 1;
  const report = await findRound(hub, id, 7);
  expect(report).toMatchObject({ roundId: 7, answer: 7n, confirmed: false, place: { block: 21_005n } });
  expect(fake.asked.length).toBeLessThan(25);
  expect(await readReportsIn(hub, id, 21_005n)).toEqual([report]);
});

test("blocks that share a time are found together", async () => {
  const { fake } = await hubWithFeed();
  // Four blocks a second: block n has the time START + n / 4.
  fake.alter = (method, result) => {
    if (method !== "eth_getBlockByNumber" || result === null) return result;
    const block = result as { number: `0x${string}` };
    return { ...block, timestamp: `0x${(START + Math.floor(Number(block.number) / 4)).toString(16)}` };
  };
  expect(await blocksAt(fake, START + 1_000)).toEqual({ first: 4_000n, last: 4_003n });
});

test("a withheld event of a round is told", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 1n, observedAt: START + 60 });
  fake.alter = (method, result) => (method === "eth_getLogs" ? [] : result);
  await expect(findRound(hub, id, 1)).rejects.toThrow(/withholds the event of round 1/);
  await expect(findRound(hub, id, 2)).rejects.toThrow(/its latest one is 1/);
});

test("holds are read newest first, and end as their round says", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.accept(id, { answer: 100n, observedAt: START + 100 });
  fake.hold(id, { answer: 150n, observedAt: START + 200 });
  fake.hold(id, { answer: 150n, observedAt: START + 300 }, 1, 1);
  fake.accept(id, { answer: 150n, observedAt: START + 400, scoreRatio: 2_000 });
  fake.hold(id, { answer: -1n, observedAt: START + 5_000 }, 2);
  fake.accept(id, { answer: 151n, observedAt: START + 6_000 });
  fake.hold(id, { answer: 151n, observedAt: START + 90_000 }, 3);
  fake.rangeLimit = 4_000;
  const reports: HeldReport[] = [];
  const heads: bigint[] = [];
  for await (const part of readHeldReports(hub, id, await wholeRange(hub))) {
    heads.push(part.last);
    reports.unshift(...part.reports);
  }
  expect(heads[0]).toBe(100_000n);
  expect(heads.length).toBeGreaterThan(10);
  const holds = await readHolds(hub, await readFeed(hub, id), reports);
  expect(holds.map((hold) => [hold.roundId, hold.end, hold.reports.length, hold.reports[0]?.reason])).toEqual([
    [2, "confirmed", 2, "anomalous"],
    [3, "accepted", 1, "not positive"],
    [4, "open", 1, "repeated"],
  ]);
});

test("an endpoint that tells two things of one place is not believed, and events of others are left out", async () => {
  const { fake, hub, id } = await hubWithFeed();
  fake.hold(id, { answer: 150n, observedAt: START + 200 });
  const read = async (): Promise<number> => {
    let count = 0;
    for await (const part of readHeldReports(hub, id, await wholeRange(hub))) count += part.reports.length;
    return count;
  };
  const altered = (change: (log: Raw) => unknown[]): void => {
    fake.alter = (method, result) => (method === "eth_getLogs" ? (result as Raw[]).flatMap(change) : result);
  };
  altered((log) => [log, log]);
  expect(await read()).toBe(1);
  altered((log) => [log, { ...log, address: "0x00000000000000000000000000000000000000ff", logIndex: "0x9" }]);
  expect(await read()).toBe(1);
  altered((log) => [log, { ...log, data: log.data.replace(/1$/, "2").replace(/96/, "97") }]);
  await expect(read()).rejects.toThrow(/two different events at one place/);
  altered((log) => [{ ...log, data: "0x12" }]);
  await expect(read()).rejects.toThrow(/can't have emitted/);
});
