import type { Hex } from "viem";

import { failure } from "./http.js";
import { setupOf, type Setup } from "./srs.js";
import type { Model } from "./types.js";
import type { Hub } from "./words.js";

/** The set-up of a model's circuits, at first sight. */
export interface ModelSetup {
  readonly modelNumber: number;
  /** "insecure" if any of the verifiers names another set-up than the ceremony's. */
  readonly setup: Setup;
}

/** Return the set-up that the verifiers of a model name in their code: see `setupOf` for what that is worth. */
export async function readSetup(hub: Hub, model: Model): Promise<ModelSetup> {
  const codes = await Promise.all(model.architecture.circuits.map(({ verifier }) => readCode(hub, verifier)));
  const isCeremony = codes.length > 0 && codes.every((code) => setupOf(code) === "ceremony");
  return { modelNumber: model.number, setup: isCeremony ? "ceremony" : "insecure" };
}

async function readCode(hub: Hub, address: Hex): Promise<Hex> {
  const code = await hub.endpoint.request("eth_getCode", [address, "latest"]);
  if (typeof code !== "string" || !/^0x(?:[0-9a-f]{2})*$/i.test(code)) {
    throw failure(hub.endpoint.name, "eth_getCode", "nonsense", "the code is no bytes");
  }
  return code as Hex;
}
