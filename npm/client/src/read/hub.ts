import { decodeFunctionResult, encodeFunctionData, type Address } from "viem";

import { zkOracleAbi } from "../abi.js";
import type { Endpoint } from "./endpoint.js";
import { EndpointError, HubError } from "./errors.js";
import { failure } from "./http.js";
import { callContract, type Hub } from "./words.js";

/** The name and the version of the EIP-712 domain of hubs that this package reads. */
export const HUB_DOMAIN = { name: "ZkOracle", version: "2" } as const;

/**
 * Return a hub, after a look that there is one.
 *
 * @param chainId The chain that the endpoint has to serve; any chain, if it is left out.
 * @throws EndpointError, or HubError if there is no hub of this version at the address.
 */
export async function connectHub(endpoint: Endpoint, address: Address, chainId?: number): Promise<Hub> {
  // Both at once: a page waits for them before it shows anything.
  const data = encodeFunctionData({ abi: zkOracleAbi, functionName: "eip712Domain" });
  const called = callContract({ endpoint, chainId: 0, address }, address, data).catch((error: unknown) => new Failed(error));
  const served = await readChainId(endpoint);
  if (chainId !== undefined && served !== chainId) {
    throw failure(endpoint.name, "eth_chainId", "wrong chain", `chain ${String(served)}, and not ${String(chainId)}`);
  }
  const hub: Hub = { endpoint, chainId: served, address };
  const result = await called;
  if (result instanceof Failed) {
    if (result.reason instanceof EndpointError && result.reason.meaning === "reverted") throw noHub(hub);
    throw result.reason;
  }
  if (result === "0x") {
    throw new HubError(
      `There is no contract at ${address} on chain ${String(served)}, says ${endpoint.name}. ` +
        "Check the hub's address, and that the endpoint is of its chain.",
    );
  }
  try {
    const [, name, version] = decodeFunctionResult({ abi: zkOracleAbi, functionName: "eip712Domain", data: result });
    if (name === HUB_DOMAIN.name && version === HUB_DOMAIN.version) return hub;
  } catch {
    // another contract, with a function of the same selector
  }
  throw noHub(hub);
}

/** Return the id of the chain that an endpoint serves. */
export async function readChainId(endpoint: Endpoint): Promise<number> {
  return Number(quantity(endpoint, "eth_chainId", await endpoint.request("eth_chainId", [])));
}

/**
 * Return a number of an answer.
 *
 * @throws EndpointError if it is none, as JSON-RPC writes them.
 */
export function quantity(endpoint: Endpoint, method: string, value: unknown): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === "string" && /^0x[0-9a-f]{1,64}$/i.test(value)) return BigInt(value);
  throw failure(endpoint.name, method, "nonsense", "there is something else where a number has to be");
}

/** A failure that is looked at later. */
class Failed {
  constructor(readonly reason: unknown) {}
}

function noHub(hub: Hub): HubError {
  return new HubError(
    `The contract at ${hub.address} on chain ${String(hub.chainId)} is no hub of this version. Check the address: an adapter ` +
      "(what consumers read) names its hub in hub().",
  );
}
