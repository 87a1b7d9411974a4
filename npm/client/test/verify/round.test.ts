/** Checks of real reports, with real proofs, on a real chain: what is right holds, and every lie is caught and named. */
import type { Hex } from "viem";
import { expect, test } from "vitest";

import { EndpointError } from "../../src/read/errors.js";
import { feedSlot, roundSlot } from "../../src/read/layout.js";
import { HubVerifier, verifyRound } from "../../src/verify/index.js";
import type { HubOptions, PublicFiles, RoundCheck, RoundStepId, Step } from "../../src/verify/types.js";
import {
  all,
  YES,
  codeLie,
  flipped,
  isBlockOf,
  isEvent,
  logs,
  noProofs,
  otherAnswer,
  plusOne,
  reportersLie,
  transaction,
  words,
} from "./lies.js";
import { block, honest, type Lie, lying, publicFiles, scene, target } from "./scene.js";

const FILES = publicFiles();

async function options(more: Partial<HubOptions> = {}): Promise<HubOptions> {
  const base = { hub: scene.hub, endpoints: [honest("honest")], fromBlock: BigInt(scene.fromBlock), block: await block };
  return { ...base, publicFiles: FILES, ...more };
}

/** Check a report through one endpoint that lies, or through several. */
async function checked(name: keyof typeof scene.rounds, lie: Lie, ...others: string[]): Promise<RoundCheck> {
  const verifier = new HubVerifier(await options({ endpoints: [lying("liar", lie), ...others.map(honest)] }));
  return verifier.check(target(name));
}

function step(check: RoundCheck, id: RoundStepId): Step {
  const found = check.steps.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no step ${id}`);
  return found;
}

function failing(check: RoundCheck): RoundStepId[] {
  return check.steps.filter(({ state }) => state === "fails").map(({ id }) => id);
}

// --- what is right -------------------------------------------------------------------------------------------------

const shared = new HubVerifier(await options());

test.each(Object.keys(scene.rounds) as (keyof typeof scene.rounds)[])("the scene's report %s holds, in every step", async (name) => {
  const check = await shared.check(target(name));
  const { answer, observedAt, roundId, transaction: hash } = scene.rounds[name];
  expect([check.verdict, failing(check)]).toEqual(["holds", []]);
  expect(check.steps.filter(({ state }) => state !== "holds").map(({ id }) => id)).toEqual(["setup"]);
  expect(check.facts).toMatchObject({ answer: BigInt(answer), observedAt, roundId, transaction: hash, setup: "local" });
  expect(check.liars).toEqual([]);
  expect(check.anchor).toMatchObject({ chainId: scene.chainId, block: await block, isProven: true });
});

test("a check tells what it found, step by step", async () => {
  const told: string[] = [];
  const check = await verifyRound({
    ...(await options()),
    ...target("batch"),
    onBegin: ({ id }) => told.push(`begin ${id}`),
    onStep: ({ id, state }) => told.push(`${state} ${id}`),
  });
  expect(told).toEqual(check.steps.flatMap(({ id, state }) => [`begin ${id}`, `${state} ${id}`]));
  expect(check.facts.judged).toBe(2);
  expect(check.facts.features[0]).toMatchObject({ name: "move" });
  expect(check.warnings.join()).toContain("INSECURE");
  expect(check.remains.join()).toContain("oracle verify-deployment");
});

test("who relayed a report, who signed it and how it ended are told", async () => {
  const verifier = new HubVerifier(await options());
  expect((await verifier.check(target("relayed"))).facts.way).toBe("relayed");
  const trio = (await verifier.check(target("quorum"))).facts;
  expect(trio.quorum).toBe(3);
  expect(trio.signed.length).toBeGreaterThanOrEqual(3);
  expect(trio.signed.filter(({ isMedian }) => isMedian).map(({ answer }) => answer)).toEqual([trio.answer]);
  expect((await verifier.check(target("confirmed"))).facts.outcome).toBe("confirmed");
  const held = (await verifier.check(target("heldNow"))).facts;
  expect([held.outcome, held.reason]).toEqual(["held", "anomalous"]);
});

test("the latest rounds are checked one after the other, newest first", async () => {
  const verifier = new HubVerifier(await options());
  const found: number[] = [];
  for await (const check of verifier.latest(scene.feeds.solo.id, 3)) {
    expect(check.verdict).toBe("holds");
    found.push(check.facts.roundId);
  }
  expect(found).toEqual([found[0], Number(found[0]) - 1, Number(found[0]) - 2]);
});

test("without eth_getProof, it is said that the words are believed", async () => {
  const check = await checked("accepted", noProofs);
  expect(check.verdict).toBe("holds");
  expect(step(check, "state")).toMatchObject({ state: "unchecked", optional: true });
  expect(check.anchor?.isProven).toBe(false);
  expect(check.warnings.join()).toContain("one endpoint");
});

test("what there is not is refused with what to do", async () => {
  const verifier = new HubVerifier(await options());
  const { feedId } = scene.rounds.first;
  await expect(verifier.check({ feedId, roundId: 4_000 })).rejects.toThrow("does not exist: the latest is");
  expect(() => verifier.check({ feedId, roundId: 0 })).toThrow("no round");
  const { transaction: other } = scene.rounds.heldNow;
  await expect(verifier.check({ feedId, transaction: other })).rejects.toThrow("has no report of");
});

test("a decoy in a relay's input makes no honest report fail: a trace decides, and without one it is unchecked", async () => {
  // A form of transaction that is not hashed here, and a relay that packs what it calls the hub with.
  const decoy = transaction((told) => ({ ...told, type: "0x7e", input: flipped(String(told.input), 40) }));
  const traced = await checked("relayed", decoy);
  expect([traced.verdict, failing(traced), traced.facts.way]).toEqual(["holds", [], "relayed"]);
  const noTraces: Lie = (method, _params, answer) => {
    if (method === "debug_traceTransaction") throw new EndpointError("liar", method, "method", "", "does not offer it", "Take another.");
    return answer;
  };
  const told: string[] = [];
  const verifier = new HubVerifier(await options({ endpoints: [lying("liar", all(decoy, noTraces))] }));
  const check = await verifier.check(target("relayed"), { onStep: ({ id }) => told.push(id) });
  expect([check.verdict, failing(check), step(check, "proof").state]).toEqual(["unchecked", [], "unchecked"]);
  expect(step(check, "proof").detail).toContain("debug_traceTransaction");
  expect(told).toEqual(check.steps.map(({ id }) => id));
});

// --- an endpoint that lies, alone ----------------------------------------------------------------------------------

const { accepted } = scene.rounds;
const roundWord = roundSlot(accepted.feedId, accepted.roundId);
const track = feedSlot(accepted.feedId) + 1n;

const LIES: [what: string, name: keyof typeof scene.rounds, lie: Lie, fails: RoundStepId][] = [
  ["the stored answer", "accepted", words((word) => word + 1n, roundWord), "state"],
  ["the stored moves", "accepted", words((word) => word ^ (1n << 64n), track), "state"],
  ["a reporter in the storage, with no proofs", "accepted", all(reportersLie(), noProofs), "signatures"],
  ["the stored answer, with no proofs", "accepted", all(words((word) => word + 1n, roundWord), noProofs), "history"],
  ["an earlier round, with no proofs", "accepted", all(words((word) => word + 10n ** 8n, roundSlot(accepted.feedId, 2)), noProofs), "history"],
  ["the moves, with no proofs", "accepted", all(words((word) => word ^ (1n << 64n), track), noProofs), "history"],
  ["the stored spread, with no proofs", "accepted", all(words((word) => word ^ (1n << 232n), roundWord), noProofs), "outcome"],
  ["an event's answer", "accepted", logs((log) => [isEvent(log, "RoundAccepted") ? { ...log, data: plusOne(log.data) } : log]), "history"],
  ["an event's scores", "accepted", logs((log) => [isEvent(log, "RoundAccepted") ? { ...log, data: flipped(log.data, 1) as Hex } : log]), "submission"],
  ["the withheld event of the round", "accepted", logs((log) => (isEvent(log, "RoundAccepted") ? [] : [log])), "history"],
  ["the withheld event of a hold", "confirmed", logs((log) => (log.transactionHash === scene.rounds.heldFirst.transaction ? [] : [log])), "history"],
  ["an altered hold", "confirmed", logs((log) => [log.transactionHash === scene.rounds.heldAgain.transaction ? { ...log, data: plusOne(log.data) } : log]), "turn"],
  ["an invented hold", "confirmed", logs((log) => (isEvent(log, "RoundHeld") ? [log, { ...log, logIndex: "0x77" }] : [log])), "history"],
  ["a withheld change of the model", "otherModel", logs((log) => (isEvent(log, "ModelActivated") ? [] : [log])), "history"],
  ["a withheld pause", "accepted", logs((log) => (isEvent(log, "FeedAdded") ? [] : [log])), "history"],
  ["a byte of the proof", "accepted", transaction((told) => ({ ...told, input: flipped(String(told.input), 40) })), "submission"],
  ["a byte of the proof, in a transaction of a form that is not known here", "accepted", transaction((told) => ({ ...told, type: "0x7e", input: flipped(String(told.input), 40) })), "proof"],
  ["a reporter's answer, in a transaction of a form that is not known here", "trioBack", transaction((told) => ({ ...told, type: "0x7e", input: otherAnswer(String(told.input)) })), "signatures"],
  ["another transaction", "accepted", transaction((told) => ({ ...told, input: "0x12345678" })), "submission"],
  ["a relay's input", "relayed", transaction((told) => ({ ...told, input: flipped(String(told.input), 40) })), "submission"],
  ["the verifier's code", "accepted", (method, _params, answer) => (method === "eth_getCode" ? YES : answer), "verifier"],
  ["the verifier's code and its hash, with no proofs", "accepted", all(codeLie(), noProofs), "proof"],
  ["a block's time", "accepted", (method, _params, answer) => (isBlockOf(method, answer) ? { ...(answer as object), timestamp: "0x1" } : answer), "submission"],
  ["a block's hash", "accepted", (method, _params, answer) => (isBlockOf(method, answer) ? { ...(answer as object), hash: `0x${"11".repeat(32)}` } : answer), "submission"],
];

test.each(LIES)("one endpoint that alters %s is caught", async (_what, name, lie, fails) => {
  const check = await checked(name, lie);
  expect([check.verdict, failing(check)[0]]).toEqual(["fails", fails]);
  expect(failing(check)).toEqual([fails]);
  expect(step(check, fails).detail).toMatch(/\.$/);
});

const NAMED = ["the stored answer", "an event's answer", "the withheld event of the round", "a byte of the proof", "the verifier's code", "a block's time"];

test.each(LIES.filter(([what]) => NAMED.includes(what)))("who alters %s is named", async (_what, name, lie) => {
  expect((await checked(name, lie)).liars).toEqual(["liar"]);
});

test("a header that does not have its hash proves nothing", async () => {
  const check = await checked("accepted", (method, _params, answer) =>
    method === "eth_getBlockByNumber" ? { ...(answer as object), stateRoot: `0x${"22".repeat(32)}` } : answer,
  );
  expect(check.anchor?.isProven).toBe(false);
  expect(step(check, "state").state).toBe("unchecked");
});

test("nonsense ends no check, and none holds", async () => {
  const nonsense = [null, "0x", "0x00", {}, [], [{}], "nothing", { number: "0x1" }, [null], `0x${"ff".repeat(64)}`];
  const methods = ["eth_chainId", "eth_getBlockByNumber", "eth_call", "eth_getLogs", "eth_getTransactionByHash", "eth_getCode", "eth_getProof"];
  for (const method of methods) {
    for (const answer of nonsense) {
      if (method === "eth_getProof" && answer !== null && typeof answer === "string") continue;
      const check = await checked("accepted", (asked, _params, right) => (asked === method ? answer : right)).catch(
        (error: unknown) => error,
      );
      const verdict = check instanceof Error ? check.name : (check as RoundCheck).verdict;
      // Without proofs a check can still hold: it says then that nothing was proven.
      const allowed = method === "eth_getProof" ? ["holds"] : ["fails", "unchecked", "CheckError"];
      expect([method, JSON.stringify(answer), allowed]).toEqual([method, JSON.stringify(answer), expect.arrayContaining([verdict])]);
      if (method === "eth_getProof") expect((check as RoundCheck).anchor?.isProven).toBe(false);
    }
  }
});

// --- an endpoint that lies, beside an honest one -------------------------------------------------------------------

const OUTVOTED = ["the stored answer", "the stored moves", "the withheld event of the round", "the withheld event of a hold", "a byte of the proof", "the verifier's code", "a withheld change of the model", "another transaction"];

test.each(LIES.filter(([what]) => OUTVOTED.includes(what)))("beside an honest endpoint, %s misleads nobody", async (_what, name, lie) => {
  for (const endpoints of [[lying("liar", lie), honest("honest")], [honest("honest"), lying("liar", lie)]]) {
    const check = await new HubVerifier(await options({ endpoints })).check(target(name));
    expect([check.verdict, failing(check)]).toEqual(["holds", []]);
    const words = [...check.liars, ...check.warnings].join();
    expect(words).toContain("liar");
    expect(check.liars).not.toContain("honest");
  }
});

test("endpoints that contradict each other without a proof are both named", async () => {
  const endpoints = [lying("liar", all(words((word) => word + 1n, roundWord), noProofs)), lying("other", noProofs)];
  const check = await new HubVerifier(await options({ endpoints })).check(target("accepted"));
  expect([check.verdict, failing(check), [...check.liars].sort()]).toEqual(["fails", ["state"], ["liar", "other"]]);
});

test("an endpoint of another chain, or of another block, is named", async () => {
  for (const lie of [
    ((method, _params, answer) => (method === "eth_chainId" ? "0x1" : answer)) satisfies Lie,
    ((method, _params, answer) => (method === "eth_getBlockByNumber" ? { ...(answer as object), hash: `0x${"33".repeat(32)}` } : answer)) satisfies Lie,
  ]) {
    const endpoints = [honest("honest"), lying("liar", lie)];
    const check = await new HubVerifier(await options({ endpoints })).check(target("accepted"));
    expect([check.verdict, failing(check)]).toEqual(["fails", ["endpoints"]]);
    expect(check.liars).toContain("liar");
  }
});

test("an endpoint that is down is left out, and said", async () => {
  const down = lying("down", (method) => {
    throw new EndpointError("down", method, "unreachable", "", "can't be reached from here", "Take another.");
  });
  const check = await new HubVerifier(await options({ endpoints: [down, honest("honest")] })).check(target("accepted"));
  expect(check.verdict).toBe("holds");
  expect(check.warnings.join()).toContain("down is left out");
  const alone = await new HubVerifier(await options({ endpoints: [down] })).check(target("accepted"));
  expect([alone.verdict, step(alone, "endpoints").state]).toEqual(["unchecked", "unchecked"]);
});

test("ranges that an endpoint refuses are halved", async () => {
  let asked = 0;
  const narrow = lying("narrow", (method, params, answer) => {
    if (method !== "eth_getLogs") return answer;
    const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string };
    asked++;
    if (Number(toBlock) - Number(fromBlock) < 20) return answer;
    throw new EndpointError("narrow", method, "too much", "", "refuses the events of that many blocks", "Take another.");
  });
  const check = await new HubVerifier(await options({ endpoints: [narrow] })).check(target("confirmed"));
  expect(check.verdict).toBe("holds");
  expect(asked).toBeGreaterThan(10);
});

// --- public files --------------------------------------------------------------------------------------------------

async function withFiles(alter: (files: PublicFiles) => PublicFiles): Promise<RoundCheck> {
  return new HubVerifier(await options({ publicFiles: FILES.map(alter) })).check(target("accepted"));
}

function altered(name: keyof PublicFiles["files"], alter: (file: Uint8Array) => Uint8Array): (files: PublicFiles) => PublicFiles {
  return (given) => {
    const file = given.files[name];
    return file === undefined ? given : { ...given, files: { ...given.files, [name]: alter(Uint8Array.from(file)) } };
  };
}

function text(alter: (source: string) => string): (file: Uint8Array) => Uint8Array {
  return (file) => new TextEncoder().encode(alter(new TextDecoder().decode(file)));
}

test("public files whose key is another one are refused", async () => {
  const byte = (at: number) => altered("vk.key", (file) => file.map((each, index) => (index === at ? each ^ 1 : each)));
  const swapped = altered("vk.key", (file) => {
    file.set(file.slice(7, 71), 71);
    return file;
  });
  const source = altered("Verifier.sol", text((each) => each.replace(/(0x[0-9a-f]{63})[0-9a-f](\) \/\/ fixed_comms\[2\]\.x)/, "$10$2")));
  const setup = altered("Verifier.sol", text((each) => each.replaceAll(/0x[0-9a-f]{64}(\) \/\/ neg_s_g2_x_1)/g, `0x${"1".repeat(64)}$1`)));
  for (const alter of [byte(0), byte(1), byte(20), swapped, source, setup, altered("vk.key", (file) => file.slice(0, 500))]) {
    const check = await withFiles(alter);
    expect([check.verdict, failing(check)]).toEqual(["fails", ["key"]]);
  }
});

test("a key that is consistent with its source but not with the code is refused", async () => {
  // The source and the key of another circuit of this scene, beside this one's bytecode.
  const name = (await withFiles((each) => each)).steps.find(({ id }) => id === "key")?.detail.match(/Public files (\S+):/)?.[1];
  const mine = FILES.find((each) => each.name === name);
  const other = FILES.find((each) => each.name !== name && !each.name.startsWith(String(name).slice(0, 20)));
  if (mine === undefined || other === undefined) throw new Error("the scene has no two circuits");
  const mixed = { name: "mixed", files: { ...other.files, "verifier.json": mine.files["verifier.json"] ?? new Uint8Array() } };
  const check = await new HubVerifier(await options({ publicFiles: [mixed] })).check(target("accepted"));
  expect([check.verdict, failing(check)]).toEqual(["fails", ["key"]]);
  expect(step(check, "key").detail).toContain("does not compute with the key");
});

test("without public files, the step says so, and the check holds", async () => {
  for (const given of [[], FILES.slice(0, 0).concat({ name: "empty", files: {} })]) {
    const check = await new HubVerifier(await options({ publicFiles: given })).check(target("accepted"));
    expect([check.verdict, step(check, "key").state, step(check, "key").optional]).toEqual(["holds", "unchecked", true]);
  }
});

test("a source that compiles to other code is refused", async () => {
  const compile = (): string =>
    JSON.stringify({ contracts: { "Verifier.sol": { Halo2Verifier: { evm: { deployedBytecode: { object: "6001" } } } } } });
  const check = await new HubVerifier(await options({ compile })).check(target("accepted"));
  expect([check.verdict, failing(check)]).toEqual(["fails", ["key"]]);
});
