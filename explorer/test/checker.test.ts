import type { Hub, PublicFiles } from "@verifiable-oracle/client";
import { afterEach, expect, test, vi } from "vitest";

import { pickedFiles } from "../src/app/public-files.js";
import { checkReport } from "../src/check/checker.js";
import type { ToWorker } from "../src/check/protocol.js";

const HUB: Hub = {
  endpoint: { name: "node", request: () => Promise.reject(new Error("nobody asks")) },
  chainId: 1,
  address: `0x${"11".repeat(20)}`,
};
const TARGET = { feedId: `0x${"01".repeat(32)}`, roundId: 1 } as const;
const workers: FakeWorker[] = [];

/** A worker that ends each wish at once. */
class FakeWorker extends EventTarget {
  readonly heard: ToWorker[] = [];
  isTerminated = false;

  constructor() {
    super();
    workers.push(this);
  }

  postMessage(message: ToWorker): void {
    this.heard.push(message);
    if (message.kind === "setting") return;
    queueMicrotask(() => this.dispatchEvent(new MessageEvent("message", { data: { kind: "done", id: message.id } })));
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

vi.stubGlobal("Worker", FakeWorker);
afterEach(() => vi.useRealTimers());

function check(): Promise<void> {
  return checkReport(HUB, new Set(), TARGET, {}).ended;
}

function folder(byte: number): PublicFiles {
  return { name: "public", files: { "manifest.json": Uint8Array.of(1), "vk.key": Uint8Array.of(byte) } };
}

test("a worker keeps what it has read for a while, and begins again at the latest block", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  await check();
  await check();
  vi.setSystemTime(Date.now() + 31_000);
  await check();
  expect(workers.map(({ heard }) => heard.map(({ kind }) => kind))).toEqual([["setting", "report", "report", "setting", "report"]]);
  expect(workers[0]?.isTerminated).toBe(false);
});

test("another folder of the same name is another setting", async () => {
  workers.length = 0;
  pickedFiles.value = [folder(1)];
  await check();
  pickedFiles.value = [folder(1)];
  await check();
  expect(workers).toHaveLength(1);
  pickedFiles.value = [folder(2)];
  await check();
  expect(workers.map(({ isTerminated }) => isTerminated)).toEqual([true, false]);
  const [setting] = workers[1]?.heard ?? [];
  expect(setting?.kind === "setting" && setting.setting.publicFiles[0]?.files["vk.key"]).toEqual(Uint8Array.of(2));
});
