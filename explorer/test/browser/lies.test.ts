import { afterAll, afterEach, beforeAll, expect, inject, test } from "vitest";

import { Explorer, LyingEndpoint, type Answer, type Lie } from "./rig.js";

const scene = inject("scene");
const round = scene.rounds.accepted;
const HASH = `#/feed/${round.feedId}/round/${String(round.roundId)}`;

let explorer: Explorer;
let liar: LyingEndpoint | null = null;

beforeAll(async () => {
  explorer = await Explorer.start();
});

afterEach(async () => {
  await liar?.close();
  liar = null;
});

afterAll(async () => {
  await explorer.close();
});

/** Check the round on the page, and return what the page says of the check. */
async function checked(endpoints: readonly string[]): Promise<string> {
  const { page } = await explorer.open(HASH, { endpoints });
  await page.getByRole("button", { name: "Check it here" }).click();
  await page.getByRole("status", { name: "Result of the check" }).waitFor();
  const said = await page.getByRole("main").innerText();
  await page.context().close();
  return said;
}

/** Flip a bit of one byte of a hexadecimal text. */
function flipped(hex: string, byte: number): string {
  const at = 2 + 2 * byte;
  const altered = (parseInt(hex.slice(at, at + 2), 16) ^ 1).toString(16).padStart(2, "0");
  return hex.slice(0, at) + altered + hex.slice(at + 2);
}

interface Log {
  readonly transactionHash: string;
  readonly topics: readonly string[];
  readonly data: string;
}

const logs = (alter: (found: readonly Log[]) => readonly Log[]): Lie => {
  return ({ method, result }) => (method === "eth_getLogs" ? alter(result as Log[]) : result);
};

/** The answer of the checked round, as it stands in a word of the storage. */
const ANSWER = BigInt(round.answer).toString(16).padStart(32, "0");
const OTHER = (BigInt(round.answer) + 1n).toString(16).padStart(32, "0");

const LIES = {
  "one answer altered": ({ method, result }: Answer): unknown =>
    method === "eth_call" && typeof result === "string" ? result.replaceAll(ANSWER, OTHER) : result,
  "one proof byte altered": ({ method, result }: Answer): unknown => {
    const transaction = result as { hash?: string; input?: string } | null;
    if (method !== "eth_getTransactionByHash" || transaction?.hash !== round.transaction) return result;
    const input = transaction.input ?? "0x";
    return { ...transaction, input: flipped(input, (input.length - 2) / 2 - 200) };
  },
  "one event altered": logs((found) =>
    found.map((log) => (log.transactionHash === round.transaction ? { ...log, data: flipped(log.data, 31) } : log)),
  ),
  "one log withheld": logs((found) => found.filter((log) => log.transactionHash !== scene.rounds.held.transaction)),
} satisfies Record<string, Lie>;

test.each(Object.entries(LIES))("%s: caught, and the endpoint is named", async (_, lie) => {
  liar = await LyingEndpoint.start(lie);
  const said = await checked([liar.url]);
  expect(said).not.toContain("It holds");
  expect(said).toContain(`Not to be believed: ${new URL(liar.url).host}`);
});

test("beside an honest endpoint, a log that another one withholds is there", async () => {
  liar = await LyingEndpoint.start(LIES["one log withheld"]);
  const said = await checked([scene.rpcUrl, liar.url]);
  expect(said).toContain("It holds");
  expect(said).toContain(new URL(liar.url).host);
});

test("what an endpoint says is shown as what it says, until it is checked", async () => {
  liar = await LyingEndpoint.start(LIES["one answer altered"]);
  const { page } = await explorer.open("#/", { endpoints: [liar.url] });
  await page.getByText("Pages show what the endpoint says. A check shows whether it is true.").waitFor();
  await page.context().close();
});

test.each([
  ["no CORS", /CORS/],
  [429, /too (many|often)|rate|less often|wait/i],
] as const)("an endpoint that refuses (%s) is explained", async (refusal, words) => {
  liar = await LyingEndpoint.start(({ result }) => result, refusal);
  const { page } = await explorer.open("#/", { endpoints: [liar.url] });
  const alert = page.getByRole("main").getByRole("alert");
  await alert.waitFor();
  expect(await alert.innerText()).toMatch(words);
  expect(await alert.getByRole("link", { name: "Settings" }).count()).toBe(1);
  await page.context().close();
});
