import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";

import { Explorer, type Opened } from "./rig.js";

const scene = inject("scene");
const feed = (name: keyof typeof scene.feeds): string => `#/feed/${scene.feeds[name].id}`;
const pageOf = (name: keyof typeof scene.rounds): string => {
  const round = scene.rounds[name];
  return round.kind === "accepted"
    ? `#/feed/${round.feedId}/round/${String(round.roundId)}`
    : `#/feed/${round.feedId}/report/${round.transaction}/${String(round.logIndex)}`;
};

/** Each page, its heading, and something that is there when all of it is. */
const PAGES: readonly (readonly [name: string, hash: string, heading: string, shown: RegExp])[] = [
  ["feeds", "#/", "Feeds", /insecure SRS/],
  ["a feed", feed("solo"), "solo / USD", /150\.00/],
  ["a held feed", feed("level"), "level / USD", /^held$/],
  ["a paused feed", feed("paused"), "paused / USD", /^paused$/],
  ["a stale feed", feed("stale"), "stale / USD", /^stale$/],
  ["a feed of a public model", feed("open"), "open / USD", /200\.00/],
  ["a round", pageOf("confirmed"), "Round 15", /150\.00/],
  ["a held report", pageOf("heldNow"), "Held report for round 2", /200\.00/],
  ["models", "#/models", "Models", /of 4 faults caught/],
  ["a model", `#/model/${String(scene.models.other.number)}`, "Model 2", /was rolled back/],
  ["a model with a card", `#/model/${String(scene.models.verdict.number)}`, "Model 4", /Faults caught/],
  ["claims", "#/claims", "Claims", /sent nowhere/],
  ["settings", "#/settings", "Settings", /Endpoint/i],
];

let explorer: Explorer;
let axe: string;

beforeAll(async () => {
  explorer = await Explorer.start();
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf-8");
});

afterAll(async () => {
  await explorer.close();
});

describe.each(PAGES)("%s", (_, hash, heading, shown) => {
  test.each([
    { width: 1_600, isDark: false },
    { width: 390, isDark: true },
  ])("is whole and accessible at $width px, dark: $isDark", async (options) => {
    const { page, complaints } = await explorer.open(hash, options);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    await page.getByRole("main").getByText(shown).first().waitFor();
    expect(complaints).toEqual([]);
    expect(await serious(page)).toEqual([]);
    // Nothing is wider than the window: tables scroll by themselves.
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await page.context().close();
  });
});

test("each feed has the word of its state", async () => {
  const { page } = await explorer.open("#/");
  for (const [name, word] of [["solo", "ok"], ["level", "held"], ["paused", "paused"], ["stale", "stale"], ["trio", "ok"]]) {
    await page.getByRole("row", { name: `${String(name)} / USD` }).getByText(String(word), { exact: true }).waitFor();
  }
  await page.context().close();
});

test("a feed says how many reporters signed what their sources said", async () => {
  const { page } = await explorer.open(feed("trio"));
  const glance = page.getByRole("region", { name: "What the answers rest on" });
  await glance.getByText(/^(3 of 3 signed a hash of their readings|nobody signed readings: .*)$/).waitFor();
  await page.context().close();
});

test("settings that are opened first have the hub and the endpoints of the configuration", async () => {
  const { page } = await explorer.open("#/settings");
  await page.waitForFunction((hub) => document.querySelector("input")?.value.toLowerCase() === hub, scene.hub.toLowerCase());
  expect(await page.getByLabel("RPC endpoints, one a line").inputValue()).toBe(scene.rpcUrl);
  await page.context().close();
});

test("a hub that is none is explained, with the way to the settings", async () => {
  const { page } = await explorer.open("#/", { hub: scene.claimRegistry });
  const alert = page.getByRole("main").getByRole("alert");
  await alert.getByText(/is no hub of this version/).waitFor();
  expect(await alert.getByRole("link", { name: "Settings" }).count()).toBe(1);
  await page.context().close();
});

test("of a model that is not there, nothing else is said", async () => {
  const { page } = await explorer.open("#/model/99");
  await page.getByText(/has no model 99/).waitFor();
  expect(await page.getByRole("main").innerText()).not.toMatch(/proven card|judges no feed/i);
  await page.context().close();
});

test("everything is reached by keyboard", async () => {
  const { page } = await explorer.open("#/");
  await page.getByRole("row", { name: /solo/ }).waitFor();
  const reached: string[] = [];
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? ""));
  }
  expect(reached.slice(0, 5)).toEqual(["Skip to content", "Verifiable oracle: all feeds", "Feeds", "Models", "Claims"]);
  expect(reached).toContain("solo / USD");
  await page.context().close();
});

test("every report of the history checks, in one browser", async () => {
  const { page, complaints } = await explorer.open(pageOf("first"));
  for (const name of Object.keys(scene.rounds) as (keyof typeof scene.rounds)[]) {
    // By another page: what is read then is this report's.
    await goTo(page, "#/claims");
    await page.getByRole("heading", { level: 1, name: "Claims" }).waitFor();
    await goTo(page, pageOf(name));
    await page.getByRole("button", { name: "Check it here" }).click();
    const result = page.getByRole("status", { name: "Result of the check" });
    await result.waitFor();
    expect(await result.innerText(), name).toContain("It holds");
    const steps = page.getByRole("list", { name: "Steps of the check" }).getByRole("listitem");
    expect(await steps.count()).toBeGreaterThan(9);
  }
  expect(complaints).toEqual([]);
  await page.context().close();
});

test.each(["batch", "otherModel"] as const)("the code of a further circuit is tied to its public files, too: %s", async (name) => {
  const { page } = await explorer.open(pageOf(name));
  await page.getByRole("button", { name: "Check it here" }).click();
  await page.getByRole("status", { name: "Result of the check" }).waitFor();
  const step = page.getByRole("listitem").filter({ hasText: "The code belongs to the published key" });
  expect(await step.innerText()).toMatch(/published key\s+holds/);
  await page.context().close();
});

test("the last rounds of a feed check, one after the other", async () => {
  const { page } = await explorer.open(feed("solo"));
  await page.getByRole("button", { name: "Check the last 100" }).click();
  const checked = page.getByRole("list", { name: "Checked rounds" }).getByRole("listitem");
  await checked.nth(20).waitFor();
  await page.getByRole("status", { name: "Result of the check" }).getByText(/21/).waitFor();
  await page.context().close();
});

test("a new round is shown when it comes", async () => {
  const { page } = await explorer.open(feed("live"));
  const rows = page.getByRole("table", { name: "Rounds" }).getByRole("row");
  await rows.nth(1).waitFor();
  const before = await rows.count();
  const answer = await fetch(scene.commands, { method: "POST", body: JSON.stringify({ report: "live", answer: "10050000000" }) });
  expect(answer.ok).toBe(true);
  await rows.nth(before).waitFor();
  await page.context().close();
});

describe("a claim file that is dropped on the page", () => {
  const drop = async (name: keyof typeof scene.claims): Promise<Opened> => {
    const opened = await explorer.open("#/claims");
    await opened.page.getByLabel("Drop a claim file here").setInputFiles(scene.claims[name]);
    await opened.page.getByRole("status", { name: "Result of the check" }).waitFor();
    return opened;
  };

  test("is verified, and sent nowhere", async () => {
    const { page, requests, complaints } = await drop("good");
    expect(await page.getByRole("status", { name: "Result of the check" }).innerText()).toContain("It holds");
    const claim = JSON.parse(await readFile(scene.claims.good, "utf-8")) as { proof: string; commitment: string };
    const proof = claim.proof.replace(/^0x/, "").slice(0, 200);
    expect(requests.length).toBeGreaterThan(3);
    expect(requests.filter(({ body }) => body.includes(proof) || body.includes('"format"'))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test.each(["altered", "otherBounds"] as const)("does not hold if it is false: %s", async (name) => {
    const { page } = await drop(name);
    expect(await page.getByRole("status", { name: "Result of the check" }).innerText()).toContain("It does not hold");
    const step = page.getByRole("listitem").filter({ hasText: "The proof holds in the verifier's own code" });
    expect(await step.innerText()).toContain("fails");
    await page.context().close();
  });
});

async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
}

/** Return axe's serious and critical findings, one line each. */
async function serious(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(() => (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run());
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}
