// The meaning of an endpoint's error. No standard says how errors are worded, and codes mean one thing here and another
// there. So the method that was asked and the words decide first, and codes where words say nothing. The rules are those
// of the oracle itself: docs/chains.md.

import type { Meaning } from "./errors.js";

/** An error as an endpoint answered it, understood. */
export interface Refusal {
  readonly meaning: Meaning;
  /** The endpoint's words, as one line. */
  readonly said: string;
  /** What the contract returned, if the meaning is "reverted": hexadecimal, or empty. */
  readonly data: string;
  /** The most blocks that it says it gives the events of; null if it names no number. */
  readonly blocks: number | null;
  /** Seconds that it asks to wait; null if it does not say. */
  readonly pause: number | null;
}

const SHOWN = 300;
const RATE_CODES = new Set([429, 15, -32007, -32016, -32029, -32090]);
const LIMIT = -32005;
const RANGE_CODES = new Set([LIMIT, -32008, -32614]);

const RATE = words(
  "rate.?limit",
  "limits? the rate",
  "over rate",
  "too many (?:requests|connections)",
  "compute units",
  "\\bcapacity\\b",
  "throughput",
  "throttl",
  "per (?:second|minute|day)",
  "\\brps\\b",
  "requests? (?:limit|count)",
  "slow down",
  "\\bquota\\b",
  "overloaded|server (?:is )?(?:too )?busy",
);
const TOO_MUCH = words(
  "\\brange\\b",
  "\\bresults\\b",
  "\\blogs (?:size|count|limit|exceed)|(?:many|more|max\\w*) (?:\\S+ )?logs",
  "[\\d,]k? blocks|blocks per|many blocks|blocks limit",
  "too (?:large|big|wide|high|complex|expensive|heavy)",
  "size (?:limit )?exceed|exceed\\w* (?:the )?(?:max\\w* )?(?:response |result )?size",
  "time(?:d |d-|d)?\\s?out",
  "deadline|too long",
  "duration",
  "limit exceeded|exceed\\w* limit",
);
const HISTORY = words(
  "missing trie node",
  "state (?:data )?(?:is )?(?:not available|unavailable|missing|not found|pruning|recreation)",
  "no state available",
  "historical state",
  "world state",
  "prun(?:ed|ing)",
  "archive",
  "old data not available",
  "proof window",
  "history (?:is |has been )?(?:not available|unavailable|expired)",
  "lookbacks of more than",
);
const METHOD = words(
  "method.*(?:not (?:found|exist|available|supported|allowed|enabled|implemented|whitelisted)|unavailable|unsupported)",
  "method.*disabled",
  "(?:unknown|unsupported|unrecognized|disallowed|restricted|no such)(?: json-rpc| rpc)? method",
  "unsupported json-rpc",
  "not (?:yet )?implemented",
  "is not available on",
  "not available (?:in|for|on|with) (?:the |your )?(?:free|current|this)",
  "namespace.*(?:disabled|not )",
  "tracer.*not (?:found|supported|defined)",
  "upgrade your",
);
const BLOCK = words(
  "null (?:round|epoch|tipset)",
  "header (?:for hash )?not found",
  "(?:unknown|invalid|missing) block\\b(?! range)",
  "blocks? specified",
  "block.*(?:not (?:found|available|yet|exist|known)|not be found)",
  "beyond (?:the )?(?:current )?head",
  "after last accepted",
  "unfinalized",
  "(?:greater|higher) than (?:the )?(?:latest|head|current)",
  "(?<!too far )(?:in|from) (?:the|a) future",
  "block tag",
  "(?:safe|finalized|pending) (?:block|header)",
);
const DENIED = words(
  "unauthori[sz]ed",
  "authenticat",
  "api.?key",
  "project id",
  "forbidden",
  "access denied",
  "payment required",
  "not whitelisted",
);
const PASSING = words(
  "time(?:d |d-|d)?\\s?out",
  "temporar",
  "try again|retry",
  "unavailable",
  "deadline",
  "connection (?:reset|refused|closed)",
);
const REVERTED = words("revert", "vm execution error", "invalid opcode|bad instruction|stack (?:over|under)flow");
const SIZE = /(?<![\w.[-])(\d[\d,]*)(k?)\b(?! ?(?:\w+ )?(?:results|logs|events|bytes|seconds?|days?|mb\b|ms\b|s\b))/g;
const OF_RESULTS = /(?:results|logs|events|size)\W+(?:\w+ )?[\d,]+k?/g;
const HEX = /^0x(?:[0-9a-f]{2})*$/i;

/**
 * Return the meaning of an error.
 *
 * @param method The method that was asked.
 * @param failure The value of "error" in the answer.
 * @param status The HTTP status that it came with.
 * @param retryAfter Seconds of a Retry-After header, if there was one.
 */
export function readRefusal(
  method: string,
  failure: unknown,
  status = 200,
  retryAfter: number | null = null,
): Refusal {
  const code = codeOf(failure);
  const said = wordsOf(failure);
  const heard = said.toLowerCase();
  const refusal = (meaning: Meaning): Refusal => ({
    meaning,
    said: said.length > SHOWN ? `${said.slice(0, SHOWN)}…` : said,
    data: meaning === "reverted" ? revertData(failure) : "",
    blocks: meaning === "too much" ? blocksOf(heard) : null,
    pause: meaning === "rate" ? retryAfter : null,
  });
  if (method === "eth_call" || method === "eth_estimateGas") {
    if (code === 3 || revertData(failure) !== "" || REVERTED.test(heard)) return refusal("reverted");
  }
  if (method === "eth_getLogs" && isTooMuch(code, heard, status)) return refusal("too much");
  if (status === 429 || (code !== null && RATE_CODES.has(code)) || code === LIMIT || RATE.test(heard)) {
    return refusal("rate");
  }
  if (code === -32601 || METHOD.test(heard)) return refusal("method");
  if (HISTORY.test(heard)) return refusal("history");
  if (code === -39001 || BLOCK.test(heard)) return refusal("block");
  if (status === 401 || status === 402 || status === 403 || DENIED.test(heard)) return refusal("denied");
  if (status === 408 || status === 425 || status >= 500 || PASSING.test(heard)) return refusal("passing");
  return refusal("other");
}

function isTooMuch(code: number | null, heard: string, status: number): boolean {
  if (BLOCK.test(heard)) return false;
  const isAboutRange = heard.includes("range") || heard.includes("results");
  if (!isAboutRange && (RATE.test(heard) || HISTORY.test(heard) || METHOD.test(heard))) return false;
  return status === 413 || (code !== null && RANGE_CODES.has(code) && status !== 429) || TOO_MUCH.test(heard);
}

function codeOf(failure: unknown): number | null {
  const code = field(failure, "code");
  if (typeof code === "string" && /^-?\d{1,9}$/.test(code)) return Number(code);
  return typeof code === "number" && Number.isInteger(code) ? code : null;
}

function wordsOf(failure: unknown): string {
  if (typeof failure === "string") return oneLine(failure);
  const data = field(failure, "data");
  const parts = [field(failure, "message")];
  for (const key of ["message", "payload", "details", "reason"]) parts.push(field(data, key));
  if (typeof data === "string" && !data.toLowerCase().startsWith("0x")) parts.push(data);
  const lines = parts.filter((part) => typeof part === "string").map(oneLine);
  return [...new Set(lines.filter((line) => line !== ""))].join(": ");
}

function revertData(failure: unknown): string {
  const data = field(failure, "data");
  for (const found of [data, field(data, "data"), field(data, "result"), field(data, "output")]) {
    if (typeof found !== "string") continue;
    const hex = found.replace(/^Reverted /, "");
    if (HEX.test(hex) && hex.length > 2) return hex.toLowerCase();
  }
  return "";
}

/** The largest number of blocks that a refusal names. Ranges that it offers are left out: they are block numbers. */
function blocksOf(heard: string): number | null {
  const offer = Math.max(...["should work", "try with", "retry with", "try again with"].map((each) => heard.indexOf(each)));
  const named = (offer < 0 ? heard : heard.slice(0, offer)).replace(OF_RESULTS, " ");
  const sizes = [...named.matchAll(SIZE)]
    .map(([, digits = "", thousands]) => Number(digits.replaceAll(",", "")) * (thousands === "k" ? 1_000 : 1))
    .filter((size) => size > 0);
  return sizes.length === 0 ? null : Math.min(...sizes);
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? new Map<string, unknown>(Object.entries(value)).get(key) : undefined;
}

function oneLine(text: string): string {
  return text.slice(0, 1_200).replace(/\s+/g, " ").trim();
}

function words(...patterns: readonly string[]): RegExp {
  return new RegExp(patterns.join("|"));
}
