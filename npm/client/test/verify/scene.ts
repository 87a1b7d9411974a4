/** The scene for tests of checks: its endpoint, endpoints that lie, and public files. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { inject } from "vitest";

import type { Scene } from "../../../../tests/web/scene.js";
import type { Endpoint } from "../../src/read/endpoint.js";
import { httpEndpoint } from "../../src/read/http.js";
import type { PublicFileName, PublicFiles, ReportTarget } from "../../src/verify/types.js";

declare module "vitest" {
  interface ProvidedContext {
    scene: Scene;
  }
}

export const scene = inject("scene");

const NAMES: readonly PublicFileName[] = ["manifest.json", "vk.key", "settings.json", "Verifier.sol", "verifier.json"];
const answers = new Map<string, Promise<unknown>>();
const node = httpEndpoint(scene.rpcUrl);

/** The scene's block that all tests read: the chain goes on while other tests report. */
export const block = node.request("eth_blockNumber", []).then((number) => BigInt(String(number)));

/** The scene's endpoint, under a name. What does not change is asked for once. */
export function honest(name: string): Endpoint {
  return lying(name, (_method, _params, answer) => answer);
}

/** What an endpoint makes of an honest answer. */
export type Lie = (method: string, params: readonly unknown[], answer: unknown) => unknown;

/** An endpoint that answers as the scene's does, but for a lie. */
export function lying(name: string, lie: Lie): Endpoint {
  return {
    name,
    async request(method, params) {
      const key = JSON.stringify([method, params]);
      const found = answers.get(key) ?? node.request(method, params);
      answers.set(key, found);
      return lie(method, params, structuredClone(await found));
    },
  };
}

/** The target of one of the scene's reports. */
export function target(name: keyof Scene["rounds"]): ReportTarget {
  const { feedId, kind, roundId, transaction } = scene.rounds[name];
  return kind === "held" ? { feedId, transaction } : { feedId, roundId };
}

/** All public files of the scene. */
export function publicFiles(): PublicFiles[] {
  return readdirSync(scene.publicFiles).map((name) => ({
    name,
    files: Object.fromEntries(
      NAMES.map((file) => [file, new Uint8Array(readFileSync(path.join(scene.publicFiles, name, file)))]),
    ),
  }));
}
