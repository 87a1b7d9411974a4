import { encodeAbiParameters, encodeErrorResult, encodeFunctionData, keccak256, toHex, type Hex } from "viem";
import { expect, test } from "vitest";

import { erc7412UpdatesAbi, zkOracleAbi } from "../../src/abi.js";
import { Unreachable } from "../../src/http.js";
import { awaitUpdate, callWithUpdate, fetchUpdate, readUpdate, requiredUpdate, UpdateError } from "../../src/pull/index.js";

const FEED = keccak256(toHex("ETH / USD"));
const HUB = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const UPDATES = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512";
const URL_ = "http://127.0.0.1:1/";

interface Told {
  observedAt?: number;
  answer?: bigint;
  roundId?: number;
  change?: Record<string, unknown>;
}

function served({ observedAt = 1_000, answer = -7n, roundId = 3, change = {} }: Told = {}): string {
  const other: Hex = `0x${"01".repeat(32)}`;
  const int128 = (value: bigint): string => BigInt.asUintN(128, value).toString(16).padStart(32, "0");
  const calldata = encodeFunctionData({
    abi: zkOracleAbi,
    functionName: "submitIfNewer",
    args: [
      {
        modelNumber: 1,
        committee: 1,
        epoch: 1,
        observedAt,
        feedIds: [other, FEED],
        roundIds: [0, roundId],
        signatures: [1, 2].map(() => ({ readings: other, r: other, vs: other })),
        answers: `0x${[1n, 2n, 3n, answer].map(int128).join("")}`,
        medians: "0x0001",
        scores: "0x",
        proof: "0x",
      },
    ],
  });
  return JSON.stringify({
    feedId: FEED,
    roundId,
    answer: answer.toString(),
    observedAt,
    goodUntil: observedAt + 300,
    hub: HUB,
    chainId: 31337,
    calldata,
    value: "0",
    ...change,
  });
}

/** A server that gives these answers, one after the other, and the requests that it got. */
function server(...answers: (Response | Error)[]) {
  const asked: { url: string; init: RequestInit }[] = [];
  const slept: number[] = [];
  return {
    asked,
    slept,
    fetch: (url: string, init: RequestInit): Promise<Response> => {
      asked.push({ url, init });
      const answer = answers.shift();
      return answer instanceof Response ? Promise.resolve(answer) : Promise.reject(answer ?? new Error("asked too often"));
    },
    sleep: (milliseconds: number): Promise<void> => {
      slept.push(milliseconds);
      return Promise.resolve();
    },
  };
}

const json = (text: string, status = 200, headers: Record<string, string> = {}): Response => new Response(text, { status, headers });

test("an update is read, and the server gets the token", async () => {
  const fake = server(json(served()));
  const update = await fetchUpdate(URL_, FEED, { ...fake, token: "secret" });
  expect(update).toMatchObject({ feedId: FEED, roundId: 3, answer: -7n, observedAt: 1_000, hub: HUB, chainId: 31337 });
  expect(fake.asked[0]?.url).toBe(`http://127.0.0.1:1/v1/update/${FEED}`);
  expect(fake.asked[0]?.init).toMatchObject({ headers: { authorization: "Bearer secret" }, redirect: "error", credentials: "omit" });
});

test("nothing newer than what the chain has", async () => {
  expect(await fetchUpdate(URL_, "eth", server(new Response(null, { status: 204 })))).toBeNull();
});

test.each([
  [{ answer: "-8" }, "its calldata has -7 of 3 at 1000"],
  [{ observedAt: 1_001 }, "at 1001"],
  [{ roundId: 4 }, "of round 4"],
  [{ feedId: `0x${"01".repeat(32)}`, roundId: 0, answer: "1" }, "no call of submitIfNewer with that feed"],
  [{ feedId: `0x${"02".repeat(32)}` }, "no call of submitIfNewer with that feed"],
  [{ calldata: "0x1234" }, "no call of submitIfNewer"],
  [{ calldata: encodeFunctionData({ abi: zkOracleAbi, functionName: "pause", args: [FEED] }) }, "no call of submitIfNewer"],
  [{ calldata: 7 }, "not hexadecimal"],
  [{ value: "1" }, "asks for money"],
  [{ hub: "0x12" }, "hub is no address"],
  [{ answer: 7 }, "answer is no integer"],
  [{ feedId: "0x12" }, "feedId is none"],
  [{ goodUntil: -1 }, "a number is none"],
])("a server that says %j of its report is not believed", (change, problem) => {
  expect(() => readUpdate(served({ change }))).toThrow(problem);
});

test("what is no update at all", () => {
  for (const text of ["<html>", "[]", "null", '{"answer":"1","answer":"2"}']) {
    expect(() => readUpdate(text)).toThrow(UpdateError);
  }
});

test("a report of another feed than was asked for", async () => {
  await expect(fetchUpdate(URL_, `0x${"03".repeat(32)}`, server(json(served())))).rejects.toThrow("serves a report of");
});

test("refusals have a meaning, and say what to do", async () => {
  const refused = fetchUpdate(URL_, "eth", server(json('{"error":"no such feed"}', 404)));
  await expect(refused).rejects.toMatchObject({ meaning: "refused", message: expect.stringContaining("no such feed") as string });
  const full = fetchUpdate(URL_, "eth", server(json("{}", 503, { "retry-after": "2" })));
  await expect(full).rejects.toMatchObject({ meaning: "not now", retryAfter: 2 });
  await expect(fetchUpdate("ftp://x", "eth")).rejects.toMatchObject({ meaning: "refused" });
  await expect(fetchUpdate(URL_, "eth", server(new TypeError("fetch failed")))).rejects.toThrow(Unreachable);
});

test("a report from after an order is waited for", async () => {
  const fake = server(json("{}", 503, { "retry-after": "2" }), json(served()), new Response(null, { status: 204 }), json(served({ observedAt: 1_001 })));
  const update = await awaitUpdate(URL_, FEED, { ...fake, after: 1_000 });
  expect(update.observedAt).toBe(1_001);
  expect(fake.slept).toEqual([2_000, 1_000, 1_000]);
});

test("nobody waits for ever", async () => {
  const fake = server(...Array.from({ length: 9 }, () => json(served())));
  await expect(awaitUpdate(URL_, FEED, { ...fake, after: 1_000, patience: 3_500 })).rejects.toMatchObject({ meaning: "late" });
  expect(fake.slept).toHaveLength(3);
});

function required(hub: Hex = HUB): Hex {
  const query = encodeAbiParameters([{ type: "address" }, { type: "bytes32" }, { type: "uint256" }], [hub, FEED, 30n]);
  return encodeErrorResult({ abi: erc7412UpdatesAbi, errorName: "OracleDataRequired", args: [UPDATES, query, 0n] });
}

test("what a call lacks is found wherever a library puts the error", () => {
  const data = required();
  const found = { updates: UPDATES, hub: HUB, feedId: FEED, age: 30n };
  for (const error of [data, { data }, { raw: data }, new Error("x", { cause: new Error("y", { cause: { data } }) }), { error: { data } }]) {
    expect(requiredUpdate(error)).toEqual(found);
  }
  const held = encodeErrorResult({ abi: zkOracleAbi, errorName: "FeedHeld", args: [FEED] });
  for (const error of [held, { data: held }, "0x", new Error("nonce too low"), null, 7, { data: data.slice(0, 40) }]) {
    expect(requiredUpdate(error)).toBeNull();
  }
});

test("a call gets the update that it lacks", async () => {
  const attempts: Hex[] = [];
  const fake = server(json("{}", 503), json(served()));
  const attempt = (update: Hex): Promise<void> => {
    attempts.push(update);
    return update === "0x" ? Promise.reject(Object.assign(new Error("reverted"), { data: required() })) : Promise.resolve();
  };
  const found = await callWithUpdate(attempt, URL_, { ...fake, hub: HUB, chainId: 31337 });
  expect(attempts).toEqual(["0x", "0x", found]);
  expect(fake.slept).toEqual([2_000, 1_000]);
});

test("a call that needs none gets none, and other errors are passed on", async () => {
  expect(await callWithUpdate(() => Promise.resolve(), URL_, { ...server(), hub: HUB, chainId: 31337 })).toBe("0x");
  const held = Object.assign(new Error("held"), { data: encodeErrorResult({ abi: zkOracleAbi, errorName: "FeedHeld", args: [FEED] }) });
  await expect(callWithUpdate(() => Promise.reject(held), URL_, { ...server(), hub: HUB, chainId: 31337 })).rejects.toBe(held);
});

test("an update for another hub or chain is not brought, nor one that another hub's consumer wants", async () => {
  const lacks = (): Promise<void> => Promise.reject(Object.assign(new Error("reverted"), { data: required() }));
  const other = json(served({ change: { chainId: 1 } }));
  await expect(callWithUpdate(lacks, URL_, { ...server(other), hub: HUB, chainId: 31337 })).rejects.toThrow("on chain 1");
  await expect(callWithUpdate(lacks, URL_, { ...server(), hub: UPDATES, chainId: 31337 })).rejects.toThrow("relies on hub");
});

test("a call whose update is always too old ends", async () => {
  const fake = server(...Array.from({ length: 9 }, () => json(served())));
  const lacks = (): Promise<void> => Promise.reject(Object.assign(new Error("reverted"), { data: required() }));
  const call = callWithUpdate(lacks, URL_, { ...fake, hub: HUB, chainId: 31337, patience: 2_500 });
  await expect(call).rejects.toMatchObject({ meaning: "late" });
});
