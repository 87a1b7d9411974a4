import { decodeAbiParameters, decodeErrorResult, getAddress, isHex, type Address, type Hex } from "viem";

import { erc7412UpdatesAbi } from "../abi.js";
import { pause, type ServerOptions } from "../http.js";
import { UpdateError } from "./errors.js";
import { fetchUpdate, requireHub } from "./update.js";

/** What a call lacks, as the error `OracleDataRequired` says (ERC-7412). */
export interface RequiredUpdate {
  /** The contract whose `fulfillOracleQuery` takes the update. */
  readonly updates: Address;
  readonly hub: Address;
  readonly feedId: Hex;
  /** Seconds that the answer may be old. */
  readonly age: bigint;
}

/**
 * Return what a failed call lacks; null if it failed for another reason.
 *
 * @param error What viem (or ethers) threw, or the bytes with which the call reverted.
 */
export function requiredUpdate(error: unknown): RequiredUpdate | null {
  const data = revertData(error);
  if (data === null) return null;
  try {
    const decoded = decodeErrorResult({ abi: erc7412UpdatesAbi, data });
    if (decoded.errorName !== "OracleDataRequired") return null;
    const [updates, query] = decoded.args;
    const [hub, feedId, age] = decodeAbiParameters([{ type: "address" }, { type: "bytes32" }, { type: "uint256" }], query);
    return { updates: getAddress(updates), hub: getAddress(hub), feedId, age };
  } catch {
    return null;
  }
}

/** Options of `callWithUpdate`. */
export interface BringOptions extends ServerOptions {
  /** The hub that the consumer relies on. A consumer that asks for another one's update is refused. */
  readonly hub: Address;
  readonly chainId: number;
  /** Milliseconds to wait for an update that is young enough; default: 180,000. */
  readonly patience?: number;
}

/**
 * Find the update with which a call goes through: try it without, see what it lacks, fetch that, and try again.
 *
 * @param attempt Simulates the call with this update, "0x" for none; rejects if the call would revert.
 * @param url Where an operator serves updates.
 * @returns The update to send: "0x" if the chain's answer is young enough.
 * @throws UpdateError; and whatever `attempt` throws that no update would help.
 */
export async function callWithUpdate(
  attempt: (update: Hex) => Promise<unknown>,
  url: string,
  options: BringOptions,
): Promise<Hex> {
  const sleep = options.sleep ?? pause;
  let left = options.patience ?? 180_000;
  let calldata: Hex = "0x";
  for (let isFirst = true; ; isFirst = false) {
    let required: RequiredUpdate | null;
    try {
      await attempt(calldata);
      return calldata;
    } catch (error) {
      required = requiredUpdate(error);
      if (required === null) throw error;
    }
    if (required.hub !== getAddress(options.hub)) {
      throw new UpdateError("refused", `the consumer relies on hub ${required.hub}, not on ${options.hub}. Check its address.`);
    }
    let wait = isFirst ? 0 : 1_000;
    try {
      const update = await fetchUpdate(url, required.feedId, options);
      if (update !== null) requireHub(update, options.hub, options.chainId);
      const found = update?.calldata ?? "0x";
      if (found === calldata) wait = 1_000;
      calldata = found;
    } catch (error) {
      if (!(error instanceof UpdateError) || error.meaning !== "not now") throw error;
      wait = 1_000 * Math.max(1, error.retryAfter ?? 2);
    }
    if (wait > left) {
      throw new UpdateError("late", `no update of ${required.feedId} came that is at most ${required.age.toString()} s old. Try again later.`);
    }
    left -= wait;
    if (wait > 0) await sleep(wait);
  }
}

/** Return the bytes with which a call reverted, wherever libraries put them; null if there are none. */
function revertData(error: unknown): Hex | null {
  let each = error;
  for (let depth = 0; depth < 12; depth++) {
    if (isHex(each)) return each.length >= 10 ? each : null;
    if (typeof each !== "object" || each === null) return null;
    for (const name of ["raw", "data"]) {
      const found: unknown = Reflect.get(each, name);
      if (isHex(found) && found.length >= 10) return found;
    }
    each = Reflect.get(each, "cause") ?? Reflect.get(each, "error");
  }
  return null;
}
