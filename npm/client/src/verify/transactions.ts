/** A transaction's bytes, checked by its hash, and the submissions that may be behind an event on a report. */
import {
  type Address,
  type Hex,
  hexToBytes,
  keccak256,
  serializeTransaction,
  type TransactionSerializable,
} from "viem";

import { asBytes, asNumber, asQuantity, asRecord } from "./bytes.js";
import {
  agrees,
  findSubmissions,
  MalformedSubmission,
  readSubmission,
  REPORT_CALLS,
  type Submission,
  type SubmitCall,
  type WantedReport,
} from "./calldata.js";
import type { PinnedChain } from "./chain.js";
import { Unknown, Unproven } from "./errors.js";

/** Submissions of one input that are tried: whoever made it may have put any number there. */
const MOST_CANDIDATES = 8;
/** Calls within calls that a trace may have: the EVM allows no more. */
const DEEPEST = 1_024;

/** A transaction, as far as it is looked at. */
export interface CheckedTransaction {
  readonly to: Address | null;
  readonly input: Uint8Array;
  /** True if what was told hashes to the transaction's hash; false if it is of a form that is not known here. */
  readonly isHashed: boolean;
}

/** The submissions that may be behind an event. */
export interface FoundSubmissions {
  readonly way: "direct" | "relayed";
  readonly candidates: readonly Submission[];
  readonly isHashed: boolean;
  /** True if a trace told them: an endpoint's word. */
  readonly isTraced: boolean;
}

/**
 * Return a transaction whose hash was computed again from what endpoints say of it. Who tells another one is named.
 *
 * @throws Unproven if nobody tells the right one. Unknown if nobody has it.
 */
export async function checkedTransaction(
  chain: Pick<PinnedChain, "transactions" | "lies">,
  hash: Hex,
): Promise<CheckedTransaction> {
  const answers = await chain.transactions(hash);
  const read = answers.map(({ name, answer }) => ({ name, ...readTransaction(answer, hash) }));
  const right = read.find((each) => each.isHashed === true);
  for (const each of read) {
    if (each.isHashed === false) chain.lies.set(each.name, `it alters transaction ${hash}`);
  }
  const found = right ?? read.find((each) => each.isHashed === null && each.input !== null);
  if (found?.input !== undefined && found.input !== null) {
    return { to: found.to, input: found.input, isHashed: found.isHashed === true };
  }
  const liars = read.filter((each) => each.isHashed === false).map((each) => each.name);
  if (liars.length > 0) {
    throw new Unproven(
      `${liars.join(" and ")} altered transaction ${hash}: what is told does not have this hash. Take another endpoint`,
      liars,
    );
  }
  throw new Unknown(`no endpoint has transaction ${hash}: take an archive node`);
}

/**
 * Return the submissions that may be behind an event.
 *
 * @throws Unproven if the transaction called the hub itself with something else. Unknown if nothing shows it.
 */
export async function submissionsOf(
  chain: PinnedChain,
  hash: Hex,
  wanted: WantedReport,
  calls: readonly SubmitCall[] = REPORT_CALLS,
): Promise<FoundSubmissions> {
  const transaction = await checkedTransaction(chain, hash);
  const { input, isHashed } = transaction;
  const outputs = calls === REPORT_CALLS ? undefined : wanted.scores.length;
  if (transaction.to?.toLowerCase() === chain.hub.toLowerCase()) {
    try {
      return { way: "direct", candidates: [readSubmission(input, calls, 0, outputs)], isHashed, isTraced: false };
    } catch (error) {
      if (!(error instanceof MalformedSubmission)) throw error;
      throw new Unproven(`transaction ${hash} called the hub, but not with a submission: ${error.message}`);
    }
  }
  const candidates = findSubmissions(input, wanted, calls);
  if (candidates.length === 1) return { way: "relayed", candidates, isHashed, isTraced: false };
  // Several may fit, or none: the calls themselves tell.
  const traced = await tracedSubmissions(chain, hash, wanted, calls);
  if (traced.length > 0) return { way: "relayed", candidates: traced, isHashed, isTraced: true };
  if (candidates.length > 0) return { way: "relayed", candidates, isHashed, isTraced: false };
  throw new Unknown(
    `the report came through another contract, its submission is not in the input of transaction ${hash}, and no ` +
      "endpoint can trace it: take one with debug_traceTransaction",
  );
}

/** Return the submissions behind an event that a trace shows; none if no endpoint has one. */
async function tracedSubmissions(
  chain: PinnedChain,
  hash: Hex,
  wanted: WantedReport,
  calls: readonly SubmitCall[],
): Promise<readonly Submission[]> {
  const outputs = calls === REPORT_CALLS ? undefined : wanted.scores.length;
  return tracedCalls(await chain.trace(hash), chain.hub).flatMap((data) => {
    try {
      const found = readSubmission(data, calls, 0, outputs);
      return agrees(found, wanted) ? [found] : [];
    } catch (error) {
      if (error instanceof MalformedSubmission) return [];
      throw error;
    }
  });
}

/**
 * Return what `read` makes of the first of the submissions that may be behind an event. Whoever made a relay's input may
 * have put anything in it that agrees with the event. So if `read` refuses all that the input shows, a trace decides.
 *
 * @param read Raises Unproven if a submission is not the one.
 * @throws Unproven if the submission was found, and is refused. Unknown if nothing but decoys was found.
 */
export async function firstThat<T>(
  chain: PinnedChain,
  hash: Hex,
  wanted: WantedReport,
  found: FoundSubmissions,
  read: (submission: Submission) => Promise<T>,
): Promise<T> {
  const reasons: Unproven[] = [];
  const tried = async (candidates: readonly Submission[]): Promise<{ readonly value: T } | null> => {
    for (const candidate of candidates.slice(0, MOST_CANDIDATES)) {
      try {
        return { value: await read(candidate) };
      } catch (error) {
        if (!(error instanceof Unproven)) throw error;
        reasons.push(error);
      }
    }
    return null;
  };
  const first = await tried(found.candidates);
  if (first !== null) return first.value;
  const refused = reasons[0] ?? new Unproven(`transaction ${hash} has no submission of the report`);
  if (found.way === "direct" || found.isTraced) throw refused;
  const traced = await tracedSubmissions(chain, hash, wanted, REPORT_CALLS);
  const second = await tried(traced);
  if (second !== null) return second.value;
  if (traced.length > 0) throw reasons.at(-1) ?? refused;
  throw new Unknown(
    `what stands in the input of transaction ${hash} is not what the hub was called with (${refused.message}), or the hub took ` +
      "what it should not have taken: only a trace tells, and no endpoint has one. Take one with debug_traceTransaction",
  );
}

/** Return the calldata of each call of the hub in a trace that lasted, in their order. */
function tracedCalls(trace: unknown, hub: Address, depth = 0): readonly Uint8Array[] {
  const frame = asRecord(trace);
  if (frame === null || depth > DEEPEST || (frame.error !== undefined && frame.error !== null)) return [];
  const input = asBytes(frame.input);
  const isOurs =
    input !== null && String(frame.type).toUpperCase() === "CALL" && String(frame.to).toLowerCase() === hub.toLowerCase();
  const calls: readonly unknown[] = Array.isArray(frame.calls) ? frame.calls : [];
  return [...(isOurs ? [hexToBytes(input)] : []), ...calls.flatMap((each) => tracedCalls(each, hub, depth + 1))];
}

interface ReadTransaction {
  readonly to: Address | null;
  readonly input: Uint8Array | null;
  /** Null if the form is not known here. */
  readonly isHashed: boolean | null;
}

function readTransaction(answer: unknown, hash: Hex): ReadTransaction {
  const told = asRecord(answer);
  const input = asBytes(told?.input ?? told?.data);
  const to = asBytes(told?.to, 20);
  if (told === null || input === null) return { to: null, input: null, isHashed: false };
  const found = { to, input: hexToBytes(input) };
  const serializable = serializableOf(told, to, input);
  if (serializable === null) return { ...found, isHashed: null };
  const [r, s] = [asQuantity(told.r), asQuantity(told.s)];
  const v = asQuantity(told.v) ?? asQuantity(told.yParity);
  if (r === null || s === null || v === null) return { ...found, isHashed: null };
  const size = (value: bigint): Hex => `0x${value.toString(16).padStart(64, "0")}`;
  const parity = asNumber(told.yParity) ?? Number(v >= 35n ? (v - 35n) % 2n : v >= 27n ? v - 27n : v);
  const signature = { r: size(r), s: size(s), v: v > 1n ? v : 27n + v, yParity: parity };
  try {
    return { ...found, isHashed: keccak256(serializeTransaction(serializable, signature)) === hash };
  } catch {
    return { ...found, isHashed: null };
  }
}

/** Return a transaction as it is hashed; null if its type is not known here. */
function serializableOf(told: Readonly<Record<string, unknown>>, to: Hex | null, data: Hex): TransactionSerializable | null {
  const quantity = (value: unknown): bigint => asQuantity(value) ?? 0n;
  const common = { to, data, gas: quantity(told.gas), nonce: asNumber(told.nonce) ?? 0, value: quantity(told.value) };
  const chainId = asNumber(told.chainId);
  const accessList = Array.isArray(told.accessList)
    ? told.accessList.map((each: unknown) => {
        const entry = asRecord(each);
        const keys: readonly unknown[] = Array.isArray(entry?.storageKeys) ? entry.storageKeys : [];
        return { address: asBytes(entry?.address, 20) ?? "0x", storageKeys: keys.map((key) => asBytes(key, 32) ?? "0x") };
      })
    : [];
  const fees = { maxFeePerGas: quantity(told.maxFeePerGas), maxPriorityFeePerGas: quantity(told.maxPriorityFeePerGas) };
  switch (asNumber(told.type ?? "0x0")) {
    case 0: {
      const v = quantity(told.v);
      const legacy = { type: "legacy" as const, ...common, gasPrice: quantity(told.gasPrice) };
      return v >= 35n ? { ...legacy, chainId: Number((v - 35n) / 2n) } : legacy;
    }
    case 1:
      return chainId === null ? null : { type: "eip2930", ...common, chainId, accessList, gasPrice: quantity(told.gasPrice) };
    case 2:
      return chainId === null ? null : { type: "eip1559", ...common, chainId, accessList, ...fees };
    case 4: {
      const list: readonly unknown[] = Array.isArray(told.authorizationList) ? told.authorizationList : [];
      const authorizationList = list.map((each) => {
        const entry = asRecord(each);
        return {
          address: asBytes(entry?.address, 20) ?? "0x",
          chainId: asNumber(entry?.chainId) ?? 0,
          nonce: asNumber(entry?.nonce) ?? 0,
          r: asHexWord(entry?.r),
          s: asHexWord(entry?.s),
          yParity: asNumber(entry?.yParity) ?? 0,
        };
      });
      return chainId === null ? null : { type: "eip7702", ...common, chainId, accessList, ...fees, authorizationList };
    }
    default:
      return null;
  }
}

function asHexWord(value: unknown): Hex {
  return `0x${(asQuantity(value) ?? 0n).toString(16).padStart(64, "0")}`;
}
