/** How long a visitor waits: `make bench-explorer`. Nothing is asserted of a time. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import { feedSlot, roundSlot } from "../../../npm/client/src/read/layout.js";
import { hex32 } from "../../../npm/client/src/read/slots.js";
import { countText } from "../../src/ui/format.js";
import { Explorer } from "../browser/rig.js";

const scene = inject("scene");
const ROUNDS = 10_000;
const TRIES = 5;
/** Requests in one batch to the node. */
const BATCH = 500;
const HOUR = 3_600n;
/** Bits of a round's word: its answer, and its time behind it. The rest is left as the hub wrote it. */
const ANSWER_AND_TIME = (1n << 160n) - 1n;

let explorer: Explorer;

beforeAll(async () => {
  explorer = await Explorer.start();
});

afterAll(async () => {
  await explorer.close();
});

test(`a feed of ${String(ROUNDS)} rounds`, async () => {
  const { id } = scene.feeds.live;
  await lengthen(id);
  const paints: number[] = [];
  const charts: number[] = [];
  for (let i = 0; i < TRIES; i++) {
    const { page } = await explorer.open(`#/feed/${id}`);
    await page.getByRole("figure", { name: "Chart" }).locator("canvas").first().waitFor();
    await page.getByRole("table", { name: "Rounds" }).getByText(countText(ROUNDS)).first().waitFor();
    charts.push(await page.evaluate(() => performance.now()));
    paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN));
    await page.context().close();
  }
  say(`first paint of a feed of ${String(ROUNDS)} rounds`, paints);
  say("its chart and its table", charts);
});

test("a check", async () => {
  const { feedId, roundId } = scene.rounds.accepted;
  const first: number[] = [];
  const again: number[] = [];
  for (let i = 0; i < TRIES; i++) {
    const { page } = await explorer.open(`#/feed/${feedId}/round/${String(roundId)}`);
    const result = page.getByRole("status", { name: "Result of the check" });
    for (const [button, times] of [["Check it here", first], ["Check it again", again]] as const) {
      const begun = await page.evaluate(() => performance.now());
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("button", { name: "Checking" }).waitFor({ state: "detached" });
      await result.waitFor();
      times.push((await page.evaluate(() => performance.now())) - begun);
      expect(await result.innerText()).toContain("holds");
    }
    await page.context().close();
  }
  say("the first check of a round", first);
  say("the next check", again);
});

test("the last reports of a feed", async () => {
  const { page } = await explorer.open(`#/feed/${scene.feeds.solo.id}`);
  const begun = await page.evaluate(() => performance.now());
  await page.getByRole("button", { name: "Check the last 100" }).click();
  const result = page.getByRole("status", { name: "Result of the check" });
  await result.getByText("a round.").waitFor(); // it says how long each took
  const count = /\d+/.exec(await result.innerText())?.[0];
  say(`the last ${count ?? "?"} reports of a feed, each`, [((await page.evaluate(() => performance.now())) - begun) / Number(count)]);
});

/** Write rounds into the hub's storage, an hour apart, as if the feed had them. */
async function lengthen(feedId: `0x${string}`): Promise<void> {
  const [read, write] = ["eth_getStorageAt", "anvil_setStorageAt"];
  const slot = feedSlot(feedId) + 1n;
  const track = BigInt((await ask([[read, [scene.hub, hex32(slot), "latest"]]]))[0] ?? "0x0");
  const latest = track & 0xffff_ffffn;
  const word = BigInt((await ask([[read, [scene.hub, hex32(roundSlot(feedId, Number(latest))), "latest"]]]))[0] ?? "0x0");
  const [answer, observedAt] = [BigInt.asIntN(128, word), (word >> 128n) & 0xffff_ffffn];
  const calls = Array.from({ length: ROUNDS }, (_, i): Request => {
    const moved = (answer * BigInt(10_000 + Math.round(300 * Math.sin(i / 40) + 40 * Math.sin(i)))) / 10_000n;
    const at = observedAt - BigInt(ROUNDS - 1 - i) * HOUR;
    const changed = (word & ~ANSWER_AND_TIME) | (at << 128n) | BigInt.asUintN(128, moved);
    return [write, [scene.hub, hex32(roundSlot(feedId, i + 1)), hex32(changed)]];
  });
  calls.push([write, [scene.hub, hex32(slot), hex32(((track >> 32n) << 32n) | BigInt(ROUNDS))]], ["evm_mine", []]);
  for (let at = 0; at < calls.length; at += BATCH) await ask(calls.slice(at, at + BATCH));
}

type Request = readonly [method: string, params: readonly unknown[]];

async function ask(requests: readonly Request[]): Promise<string[]> {
  const body = requests.map(([method, params], id) => ({ jsonrpc: "2.0", id, method, params }));
  const answer = await fetch(scene.rpcUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await answer.json()) as { result: string }[]).map((each) => each.result);
}

/** Print the median of some milliseconds, and their range. */
function say(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((one, other) => one - other);
  const [least, median, most] = [0, (sorted.length - 1) >> 1, sorted.length - 1].map((at) => ((sorted[at] ?? NaN) / 1_000).toFixed(2));
  process.stdout.write(`${what}: ${String(median)} s (${String(least)} to ${String(most)})\n`);
}
