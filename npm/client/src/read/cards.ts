import { decodeFunctionResult, encodeEventTopics, encodeFunctionData, keccak256, type Address, type Hex } from "viem";

import { modelCardAbi } from "../abi.js";
import { failure } from "./http.js";
import { readAllLogs, type LogOptions } from "./logs.js";
import type { BlockRange } from "./reports.js";
import type { Hub } from "./words.js";

/** The hash of the code that every `ModelCard` of this release has. */
export const MODEL_CARD_CODE_HASH: Hex = "0x40eecdc7aab8a8c6d66e51f46ccab98e2829764335ce4775578dfdbd59f734e4";

/** A model's verdicts on a public benchmark, counted from proofs by the contract `ModelCard`. */
export interface ProvenCard {
  readonly id: Hex;
  readonly modelNumber: number;
  /** Windows of a proof, and the verifier of this circuit. */
  readonly batchSize: number;
  readonly verifier: Address;
  /** Poseidon hash of the weights; 0 if the verifying key holds them. */
  readonly modelHash: bigint;
  /** The benchmark's root: whoever builds the benchmark again compares it. */
  readonly root: Hex;
  /** Batches of the benchmark, and those that were proven. */
  readonly batches: number;
  readonly counted: number;
  /** Faulty windows in the counted batches, and how many of them the model holds. */
  readonly faults: number;
  readonly caught: number;
  /** Normal windows in the counted batches, and how many of them the model holds. */
  readonly normals: number;
  readonly falseHolds: number;
  /** False as long as whoever submits batches chooses what the counts show. */
  readonly complete: boolean;
}

/** The cards of a contract, and whether its code is that of this release. */
export interface CardContract {
  readonly address: Address;
  /** "cards": the release's code. "other": another contract's, whose counts mean nothing. "none": there is no contract. */
  readonly code: "cards" | "other" | "none";
  readonly cards: readonly ProvenCard[];
}

/**
 * Return the cards that were opened for a hub's model, the oldest first.
 *
 * Other creation code can leave counts in the storage of the release's code: the cards are believed only if the contract is
 * where its creation says, which `oracle card show` checks.
 *
 * @param address The contract `ModelCard`.
 * @param modelNumber The model; null: all models of the hub.
 */
export async function readCards(
  hub: Hub,
  address: Address,
  modelNumber: number | null,
  range: BlockRange,
  options: LogOptions = {},
): Promise<CardContract> {
  const code = await ask(hub, "eth_getCode", [address, "latest"]);
  if (code === "0x") return { address, code: "none", cards: [] };
  if (keccak256(code) !== MODEL_CARD_CODE_HASH) return { address, code: "other", cards: [] };
  const args = modelNumber === null ? { hub: hub.address } : { hub: hub.address, modelNumber };
  const wanted = encodeEventTopics({ abi: modelCardAbi, eventName: "CardOpened", args });
  const topics = wanted.map((topic) => topic ?? null);
  const opened = await readAllLogs(hub.endpoint, { address, topics }, range.first, range.last, options);
  const ids = [...new Set(opened.map((log) => log.topics[1]))].filter((id) => id !== undefined);
  return { address, code: "cards", cards: await Promise.all(ids.map((id) => readCard(hub, address, id))) };
}

async function readCard(hub: Hub, address: Address, id: Hex): Promise<ProvenCard> {
  const data = encodeFunctionData({ abi: modelCardAbi, functionName: "card", args: [id] });
  const answer = await ask(hub, "eth_call", [{ to: address, data }, "latest"]);
  try {
    const found = decodeFunctionResult({ abi: modelCardAbi, functionName: "card", data: answer });
    return {
      id,
      modelNumber: found.modelNumber,
      batchSize: found.batchSize,
      verifier: found.verifier,
      modelHash: found.modelHash,
      root: found.root,
      batches: found.batches,
      counted: found.counted,
      faults: found.faults,
      caught: found.caught,
      normals: found.normals,
      falseHolds: found.falseHolds,
      complete: found.complete,
    };
  } catch {
    throw failure(hub.endpoint.name, "eth_call", "nonsense", `the card ${id} is none`);
  }
}

async function ask(hub: Hub, method: string, params: readonly unknown[]): Promise<Hex> {
  const found = await hub.endpoint.request(method, params);
  if (typeof found !== "string" || !/^0x(?:[0-9a-f]{2})*$/i.test(found)) {
    throw failure(hub.endpoint.name, method, "nonsense", "the answer is no bytes");
  }
  return found as Hex;
}
