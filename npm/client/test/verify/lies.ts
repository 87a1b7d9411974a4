/** What an endpoint can make of honest answers. */
import { type Hex, hexToBytes, keccak256 } from "viem";

import { EndpointError } from "../../src/read/errors.js";
import { ranked, readSubmission } from "../../src/verify/calldata.js";
import { TOPICS } from "../../src/verify/events.js";
import { block, type Lie, publicFiles } from "./scene.js";

/** Code that says yes to everything: PUSH1 1, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN. */
export const YES: Hex = "0x60015f5260205ff3";
const headNumber = `0x${(await block).toString(16)}`;

/** The endpoint does not offer `eth_getProof`. */
export const noProofs: Lie = (method, _params, answer) => {
  if (method === "eth_getProof") throw new EndpointError("liar", method, "method", "", "does not offer it", "Take another.");
  return answer;
};

/** Do several things to an answer, one after the other. */
export function all(...lies: Lie[]): Lie {
  return (method, params, answer) => lies.reduce((before, lie) => lie(method, params, before), answer);
}

/** Alter some words of the hub's storage, by their slots. */
export function words(alter: (word: bigint) => bigint, ...slots: bigint[]): Lie {
  return (method, params, answer) => {
    const data = String((params[0] as { data?: string } | undefined)?.data);
    if (method !== "eth_call" || !data.startsWith("0xdbd035ff")) return answer;
    const found = data.slice(10 + 128).match(/.{64}/g) ?? [];
    const values = String(answer).slice(2).match(/.{64}/g) ?? [];
    return `0x${values
      .map((value, at) => {
        const slot = found[at - 2];
        if (slot === undefined || !slots.includes(BigInt(`0x${slot}`))) return value;
        return BigInt.asUintN(256, alter(BigInt(`0x${value}`))).toString(16).padStart(64, "0");
      })
      .join("")}`;
  };
}

/** A log, as an endpoint gives it. */
export interface Log {
  topics: Hex[];
  data: Hex;
  transactionHash: Hex;
  logIndex: Hex;
}

/** Alter the logs that are given. */
export function logs(alter: (log: Log) => Log[]): Lie {
  return (method, _params, answer) => (method === "eth_getLogs" ? (answer as Log[]).flatMap(alter) : answer);
}

/** True if a log is of an event. */
export function isEvent(log: Log, name: string): boolean {
  return log.topics[0] === TOPICS[name];
}

/** Alter what is told of a transaction. */
export function transaction(alter: (told: Record<string, unknown>) => Record<string, unknown>): Lie {
  return (method, _params, answer) =>
    method === "eth_getTransactionByHash" ? alter(answer as Record<string, unknown>) : answer;
}

/** Flip a bit of the byte that is so far from the end. */
export function flipped(data: string, fromEnd: number): string {
  const at = data.length - 2 * fromEnd;
  const byte = Number.parseInt(data.slice(at, at + 2), 16) ^ 1;
  return data.slice(0, at) + byte.toString(16).padStart(2, "0") + data.slice(at + 2);
}

/** Put code that says yes in the place of each verifier's, with its hash in the storage. */
export function codeLie(): Lie {
  return (method, _params, answer) => {
    if (method === "eth_getCode") return YES;
    if (method !== "eth_call") return answer;
    const hashes = publicFiles().map(({ files }) => {
      const { runtime } = JSON.parse(new TextDecoder().decode(files["verifier.json"])) as { runtime: string };
      return keccak256(`0x${runtime.replace(/^0x/, "")}`).slice(2);
    });
    return hashes.reduce((before, each) => before.replaceAll(each, keccak256(YES).slice(2)), String(answer));
  };
}

/** Put another reporter in the place of the first one. */
export function reportersLie(): Lie {
  const reporter = "70997970c51812dc3a010c7d01b50e0d17dc79c8";
  return (method, _params, answer) =>
    method === "eth_call" ? String(answer).replaceAll(reporter, "11".repeat(20)) : answer;
}

/** Add one to the first word of some data: the answer of an event. */
export function plusOne(data: Hex): Hex {
  return `0x${(BigInt(data.slice(0, 66)) + 1n).toString(16).padStart(64, "0")}${data.slice(66)}`;
}

/** Alter the answer of a reporter whose answer is not the median, by one unit outwards. */
export function otherAnswer(input: string): string {
  const submission = readSubmission(hexToBytes(input as Hex));
  const [lowest] = ranked(submission, 0);
  const packed = lowest?.answer.toString(16).padStart(32, "0") ?? "none";
  if (lowest === undefined || lowest.row === submission.medians[0] || !input.includes(packed)) throw new Error("no such answer");
  return input.replace(packed, (lowest.answer - 1n).toString(16).padStart(32, "0"));
}

/** True if an answer is a block other than the pinned one. */
export function isBlockOf(method: string, answer: unknown): boolean {
  return method === "eth_getBlockByNumber" && (answer as { hash: string } | null)?.hash !== undefined && !isHead(answer);
}

function isHead(answer: unknown): boolean {
  return (answer as { number: string }).number === headNumber;
}
