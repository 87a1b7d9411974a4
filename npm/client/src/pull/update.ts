import { decodeFunctionData, getAddress, isAddress, isAddressEqual, isHex, type Address, type Hex } from "viem";

import { zkOracleAbi } from "../abi.js";
import { ask, hostOf, pause, serverUrl, type ServerOptions } from "../http.js";
import { isObject, parseJson, type Json, JsonError } from "../json.js";
import { UpdateError } from "./errors.js";

/** A report of a pulled feed that an operator serves, and the call that brings it to the hub. */
export interface Update {
  readonly feedId: Hex;
  /** The round that it becomes. */
  readonly roundId: number;
  /** The answer, an integer in the feed's decimals. */
  readonly answer: bigint;
  /** Unix seconds. */
  readonly observedAt: number;
  /** The last block time at which the hub takes it, unix seconds, as far as the server knows. */
  readonly goodUntil: number;
  readonly hub: Address;
  readonly chainId: number;
  /** A call of the hub's `submitIfNewer`: also what `IErc7412.fulfillOracleQuery` takes. */
  readonly calldata: Hex;
}

/**
 * Fetch a pulled feed's newest report; null if the chain has it, or a newer one.
 *
 * The server is not believed: what it says of the report is compared with the report. Whether signatures and proof hold,
 * the hub checks when it is brought.
 *
 * @param url Where an operator serves updates: its `[updates] listen`.
 * @param feed The feed's id; or its name at that operator, if you take whatever feed that is.
 * @throws UpdateError by its `meaning`; Unreachable if nobody answers.
 */
export async function fetchUpdate(url: string, feed: string, options: ServerOptions = {}): Promise<Update | null> {
  const server = serverUrl(url, (problem) => new UpdateError("refused", `${problem}: write https://host`));
  const target = `${server}/v1/update/${encodeURIComponent(feed)}`;
  const answer = await ask(target, options);
  const host = hostOf(server);
  if (answer.status === 204) return null;
  if (answer.status !== 200) {
    const said = errorOf(answer.text);
    const wait = answer.status === 429 || answer.status === 503;
    const advice = wait ? "Ask again later." : answer.status === 401 ? "Give its token." : "Check the feed's name and the URL.";
    throw new UpdateError(
      wait ? "not now" : "refused",
      `${host} serves no update of ${feed} (HTTP ${String(answer.status)})${said === "" ? "" : `: ${said}`}. ${advice}`,
      answer.retryAfter,
    );
  }
  const update = readUpdate(answer.text, host);
  if (isHex(feed) && feed.length === 66 && update.feedId !== feed.toLowerCase()) {
    throw new UpdateError("nonsense", `${host} serves a report of ${update.feedId}, not of ${feed}. Don't use this server.`);
  }
  return update;
}

/** Options of `awaitUpdate`. */
export interface AwaitOptions extends ServerOptions {
  /** The report has to be observed after this time, unix seconds. */
  readonly after: number;
  /** Milliseconds to wait for it at most; default: 180,000. */
  readonly patience?: number;
}

/**
 * Fetch a pulled feed's reports until one is young enough. Servers that have none now are asked again.
 *
 * @throws UpdateError with the meaning "late" if there is none in time.
 */
export async function awaitUpdate(url: string, feed: string, options: AwaitOptions): Promise<Update> {
  const sleep = options.sleep ?? pause;
  let left = options.patience ?? 180_000;
  for (;;) {
    let wait = 1_000;
    try {
      const update = await fetchUpdate(url, feed, options);
      if (update !== null && update.observedAt > options.after) return update;
    } catch (error) {
      if (!(error instanceof UpdateError) || error.meaning !== "not now") throw error;
      wait = 1_000 * Math.max(1, error.retryAfter ?? 2);
    }
    if (wait > left) throw new UpdateError("late", `no update of ${feed} after ${String(options.after)} came in time. Try again later.`);
    left -= wait;
    await sleep(wait);
  }
}

/** Return a served document, if it says of the report in it what is in it. Throws: UpdateError. */
export function readUpdate(text: string, host = "the server"): Update {
  const wrong = (problem: string): UpdateError =>
    new UpdateError("nonsense", `${host} serves something that is no update: ${problem}. Check its URL, or take another server.`);
  let found: Json;
  try {
    found = parseJson(text);
  } catch (error) {
    throw wrong(error instanceof JsonError ? error.message : "it is no JSON");
  }
  if (!isObject(found)) throw wrong("it is no JSON object");
  const { feedId, roundId, answer, observedAt, goodUntil, hub, chainId, calldata, value } = found;
  if (!isHex(feedId) || feedId.length !== 66) throw wrong("feedId is none");
  if (typeof answer !== "string" || !/^-?\d{1,39}$/.test(answer)) throw wrong("answer is no integer");
  if (typeof hub !== "string" || !isAddress(hub, { strict: false })) throw wrong("hub is no address");
  if (!isHex(calldata)) throw wrong("calldata is not hexadecimal");
  if (!isCount(roundId) || !isCount(observedAt) || !isCount(goodUntil) || !isCount(chainId)) throw wrong("a number is none");
  if (value !== "0") throw wrong("it asks for money, and the hub takes none");
  const update = { feedId: lower(feedId), roundId, answer: BigInt(answer), observedAt, goodUntil, hub: getAddress(hub), chainId, calldata };
  const carried = carriedReport(calldata, update.feedId);
  if (carried === null) throw wrong("its calldata is no call of submitIfNewer with that feed");
  if (carried.roundId !== roundId || carried.observedAt !== observedAt || carried.answer !== update.answer) {
    throw wrong(
      `it says answer ${answer} of round ${String(roundId)} at ${String(observedAt)}, and its calldata has ` +
        `${carried.answer.toString()} of ${String(carried.roundId)} at ${String(carried.observedAt)}`,
    );
  }
  return update;
}

/** Throws UpdateError unless an update is for this hub on this chain. */
export function requireHub(update: Update, hub: Address, chainId: number): void {
  if (isAddressEqual(update.hub, hub) && update.chainId === chainId) return;
  throw new UpdateError(
    "nonsense",
    `the update is for hub ${update.hub} on chain ${String(update.chainId)}, not for ${hub} on ${String(chainId)}. Take a server of that hub.`,
  );
}

interface Carried {
  readonly roundId: number;
  readonly observedAt: number;
  readonly answer: bigint;
}

/** Return what calldata reports of a feed; null if it is no call of `submitIfNewer` in which the feed is due. */
function carriedReport(calldata: Hex, feedId: Hex): Carried | null {
  let called;
  try {
    called = decodeFunctionData({ abi: zkOracleAbi, data: calldata });
  } catch {
    return null;
  }
  if (called.functionName !== "submitIfNewer") return null;
  const [submission] = called.args;
  const columns = submission.feedIds.length;
  const column = submission.feedIds.findIndex((each) => each.toLowerCase() === feedId);
  const roundId = submission.roundIds[column];
  const row = Number(`0x${submission.medians.slice(2 + 2 * column, 4 + 2 * column) || "ff"}`);
  const start = 2 + 32 * (row * columns + column);
  const digits = submission.answers.slice(start, start + 32);
  if (roundId === undefined || roundId === 0 || digits.length !== 32) return null;
  return { roundId, observedAt: submission.observedAt, answer: BigInt.asIntN(128, BigInt(`0x${digits}`)) };
}

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function lower(value: Hex): Hex {
  return `0x${value.slice(2).toLowerCase()}`;
}

function errorOf(text: string): string {
  try {
    const found = parseJson(text);
    if (isObject(found) && typeof found.error === "string") return found.error.slice(0, 300);
  } catch {
    // It is no JSON.
  }
  return "";
}
