/** Submissions, read from calldata in every encoding that the hub takes: `oracle/audit/calldata.py` in TypeScript. */
import { bytesToHex, type Hex, toFunctionSelector } from "viem";

import { int128s, toBigInt } from "./bytes.js";
import { NO_ANSWER } from "./features.js";

/** The hub reads at most so many feeds of one report, references included. */
const MAX_FEEDS = 96;
const MAX_REPORTERS = 31;
const MAX_PROOF_BYTES = 16_384;
const WORD = 32;
const HEAD_WORDS = 11;
const UINT32_MAX = 2n ** 32n - 1n;
/** The most places of an input that are read as submissions of one event's report. */
const MOST_FOUND = 5_000;

const SUBMISSION =
  "((uint16,uint32,uint32,uint32,bytes32[],uint32[],(bytes32,bytes32,bytes32)[],bytes,bytes,bytes,bytes))";

/** A function of the hub that takes a submission. */
export type SubmitCall = "submit" | "submitIfNewer" | "submitShadow";

const SELECTORS: ReadonlyMap<SubmitCall, Hex> = new Map(
  (["submit", "submitIfNewer", "submitShadow"] as const).map((name) => [
    name,
    toFunctionSelector(`function ${name}${SUBMISSION}`),
  ]),
);

/** The calls of which reports become rounds or are held. */
export const REPORT_CALLS: readonly SubmitCall[] = ["submit", "submitIfNewer"];
export const SHADOW_CALLS: readonly SubmitCall[] = ["submitShadow"];

/** One reporter's answers to a report, with its signature over both. */
export interface SubmittedRow {
  /** An answer for each feed of the report; NO_ANSWER where there is none. */
  readonly answers: readonly bigint[];
  /** Keccak-256 of the hashes of the reporter's readings. */
  readonly readings: Hex;
  readonly r: Hex;
  /** The signature's s, with the parity in the highest bit (EIP-2098). */
  readonly vs: bigint;
}

/** A signed report with what the model says of it, and the proof. */
export interface Submission {
  readonly modelNumber: number;
  readonly committee: number;
  readonly epoch: number;
  readonly observedAt: number;
  /** Ascending. */
  readonly feedIds: readonly Hex[];
  /** The next round of each feed; 0 for a reference. */
  readonly roundIds: readonly number[];
  readonly rows: readonly SubmittedRow[];
  /** For each feed, the row that has its median answer. */
  readonly medians: readonly number[];
  /** For each feed that is judged, in the report's order, the model's scores. */
  readonly scores: readonly (readonly bigint[])[];
  readonly proof: Uint8Array;
}

/** The calldata is of no submission that the hub can have taken. */
export class MalformedSubmission extends Error {
  override readonly name = "MalformedSubmission";
}

/** Return the positions of the feeds that are due, ascending. */
export function duePositions(submission: Pick<Submission, "roundIds">): readonly number[] {
  return submission.roundIds.flatMap((round, at) => (round === 0 ? [] : [at]));
}

/** Return the answers to one feed that are there, ascending, each with its row. */
export function ranked(submission: Submission, position: number): readonly { answer: bigint; row: number }[] {
  return submission.rows
    .map((row, at) => ({ answer: row.answers[position] ?? NO_ANSWER, row: at }))
    .filter(({ answer }) => answer !== NO_ANSWER)
    .sort((one, other) => (one.answer < other.answer ? -1 : one.answer > other.answer ? 1 : one.row - other.row));
}

/**
 * Return the submission that calldata carries, as the hub reads it. A transmitter chooses the encoding, and Solidity takes
 * more than ABI libraries do: a list may refer to elements that stand before it.
 *
 * @param start The position of the calldata in `data`.
 * @param outputs The number of a feed's scores. Only for a shadow it can't be told from the number of feeds.
 * @throws MalformedSubmission
 */
export function readSubmission(
  data: Uint8Array,
  calls: readonly SubmitCall[] = REPORT_CALLS,
  start = 0,
  outputs?: number,
): Submission {
  if (!calls.some((call) => matches(data, start, selectorOf(call)))) {
    throw new MalformedSubmission(`the call is not of ${calls.join(" or ")}`);
  }
  return new Reader(data, start).submission(outputs);
}

/** The event on a report that a submission is looked for by. */
export interface WantedReport {
  readonly feedId: Hex;
  readonly roundId: number;
  readonly modelNumber: number;
  readonly observedAt: number;
  readonly scores: readonly bigint[];
  readonly answer: bigint;
}

/**
 * Return each distinct submission in some bytes that agrees with an event in every part. Whoever made the bytes may have
 * put anything in them: nothing that is found is believed before its signatures and its proof hold.
 */
export function findSubmissions(
  data: Uint8Array,
  wanted: WantedReport,
  calls: readonly SubmitCall[] = REPORT_CALLS,
): readonly Submission[] {
  const found = new Map<string, Submission>();
  const seen = new Set<number>();
  const outputs = calls === SHADOW_CALLS ? wanted.scores.length : undefined;
  for (const call of calls) {
    const selector = selectorOf(call);
    for (let start = 0; start + 4 <= data.length && seen.size < MOST_FOUND; start++) {
      if (!matches(data, start, selector)) continue;
      try {
        const reader = new Reader(data, start);
        if (seen.has(reader.place) || !reader.isOf(wanted)) continue;
        seen.add(reader.place);
        const submission = reader.submission(outputs);
        if (agrees(submission, wanted)) found.set(keyOf(submission), submission);
      } catch (error) {
        if (!(error instanceof MalformedSubmission)) throw error;
      }
    }
  }
  return [...found.values()];
}

/** True if a submission agrees in every part with an event on a report. */
export function agrees(submission: Submission, wanted: WantedReport): boolean {
  const position = submission.feedIds.indexOf(wanted.feedId);
  const judged = duePositions(submission).indexOf(position);
  const scores = submission.scores[judged];
  const row = submission.rows[submission.medians[position] ?? -1];
  return (
    submission.roundIds[position] === wanted.roundId &&
    submission.modelNumber === wanted.modelNumber &&
    submission.observedAt === wanted.observedAt &&
    row?.answers[position] === wanted.answer &&
    scores?.length === wanted.scores.length &&
    scores.every((score, at) => score === wanted.scores[at])
  );
}

function keyOf(submission: Submission): string {
  return JSON.stringify(submission, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? bytesToHex(value) : value,
  );
}

function selectorOf(call: SubmitCall): Hex {
  const selector = SELECTORS.get(call);
  if (selector === undefined) throw new MalformedSubmission(`no call ${call}`);
  return selector;
}

function matches(data: Uint8Array, start: number, selector: Hex): boolean {
  for (let at = 0; at < 4; at++) {
    if (data[start + at] !== Number.parseInt(selector.slice(2 + 2 * at, 4 + 2 * at), 16)) return false;
  }
  return true;
}

/** Reads the parts of a submission as Solidity does: offsets are signed, and nothing ends beyond the end. */
class Reader {
  /** The position of the submission in the data. */
  readonly place: number;
  private readonly head: bigint;

  constructor(
    private readonly data: Uint8Array,
    private readonly start: number,
  ) {
    this.head = 4n + this.word(4n);
    if (this.head + BigInt(HEAD_WORDS * WORD) > BigInt(data.length - start)) {
      throw new MalformedSubmission("the calldata ends before the submission");
    }
    this.place = start + Number(this.head);
  }

  /** True if the submission may be of an event. Only parts that cost little are read. */
  isOf(wanted: WantedReport): boolean {
    if (this.field(0) !== BigInt(wanted.modelNumber) || this.field(3) !== BigInt(wanted.observedAt)) return false;
    const at = this.feedIds().indexOf(wanted.feedId);
    const round = this.elements(5, MAX_FEEDS, 1)[at];
    return round !== undefined && this.word(round) === BigInt(wanted.roundId);
  }

  submission(outputs: number | undefined): Submission {
    const feedIds = this.feedIds();
    const roundIds = this.elements(5, MAX_FEEDS, 1).map((at) => this.word(at));
    const signatures = this.elements(6, MAX_REPORTERS, 3);
    const [packed, proof, medians] = [this.text(7), this.text(10), [...this.text(8)]];
    const [feeds, rows] = [feedIds.length, signatures.length];
    if (packed.length !== 16 * feeds * rows) {
      throw new MalformedSubmission(
        `${String(rows)} rows of ${String(feeds)} answers are not ${String(packed.length)} bytes`,
      );
    }
    if (feeds === 0 || rows === 0) throw new MalformedSubmission("it has no feeds, or no signatures");
    if (BigInt(feedIds[0] ?? 0) === 0n) throw new MalformedSubmission("no feed has the id 0");
    if (feedIds.some((id, at) => at > 0 && id <= (feedIds[at - 1] ?? id))) {
      throw new MalformedSubmission("the report's feeds do not ascend by their ids, or one is there twice");
    }
    if (proof.length > MAX_PROOF_BYTES) throw new MalformedSubmission(`a proof of ${String(proof.length)} bytes`);
    if (roundIds.length !== feeds) throw new MalformedSubmission("there are not as many rounds as feeds");
    if (medians.length !== feeds || medians.some((row) => row >= rows)) {
      throw new MalformedSubmission("the medians do not name a row for each feed");
    }
    const rounds = roundIds.map((round) => bounded(round, 0n, UINT32_MAX, "a round"));
    const answers = int128s(packed);
    return {
      modelNumber: bounded(this.field(0), 0n, 65_535n, "the model"),
      committee: bounded(this.field(1), 1n, UINT32_MAX, "the committee"),
      epoch: bounded(this.field(2), 1n, UINT32_MAX, "the epoch"),
      observedAt: bounded(this.field(3), 0n, UINT32_MAX, "the report's time"),
      feedIds,
      roundIds: rounds,
      rows: signatures.map((at, row) => ({
        answers: answers.slice(row * feeds, (row + 1) * feeds),
        readings: bytesToHex(this.bytes(at, WORD)),
        r: bytesToHex(this.bytes(at + 32n, WORD)),
        vs: this.word(at + 64n),
      })),
      medians,
      scores: divided(this.text(9), rounds.filter((round) => round !== 0).length, outputs),
      proof,
    };
  }

  private feedIds(): readonly Hex[] {
    return this.elements(4, MAX_FEEDS, 1).map((at) => bytesToHex(this.bytes(at, WORD)));
  }

  private field(index: number): bigint {
    return this.word(this.head + BigInt(WORD * index));
  }

  private bytes(at: bigint, length: number): Uint8Array {
    if (at + BigInt(length) > BigInt(this.data.length - this.start)) {
      throw new MalformedSubmission("the calldata ends before the submission does");
    }
    const first = this.start + Number(at);
    return this.data.subarray(first, first + length);
  }

  private word(at: bigint): bigint {
    return toBigInt(this.bytes(at, WORD));
  }

  /** Return the position and the length of a list. */
  private list(field: number): readonly [bigint, bigint] {
    const at = this.head + BigInt.asIntN(256, this.field(field));
    return at < 0n ? [0n, 0n] : [at + 32n, this.word(at)]; // before the calldata there is nothing but zeros
  }

  private elements(field: number, most: number, words: number): readonly bigint[] {
    const [first, length] = this.list(field);
    if (length > BigInt(most)) throw new MalformedSubmission(`a list of ${String(length)} elements`);
    return Array.from({ length: Number(length) }, (_, at) => first + BigInt(WORD * words * at));
  }

  private text(field: number): Uint8Array {
    const [first, length] = this.list(field);
    if (length > BigInt(this.data.length)) throw new MalformedSubmission("the calldata ends before the submission does");
    return this.bytes(first, Number(length));
  }
}

function bounded(value: bigint, least: bigint, most: bigint, what: string): number {
  if (value < least || value > most) throw new MalformedSubmission(`${what} is ${String(value)}`);
  return Number(value);
}

/** Return the scores, feed by feed. A report's submission has scores of all feeds that are due. */
function divided(packed: Uint8Array, due: number, outputs: number | undefined): readonly (readonly bigint[])[] {
  const scores = int128s(packed);
  const each = outputs ?? (due === 0 ? 0 : Math.floor(scores.length / due));
  const isWhole = packed.length % 16 === 0 && scores.length > 0 && each > 0 && scores.length % each === 0;
  if (!isWhole || (outputs === undefined && scores.length !== due * each)) {
    throw new MalformedSubmission(`${String(scores.length)} scores of ${String(due)} feeds`);
  }
  return Array.from({ length: scores.length / each }, (_, at) => scores.slice(at * each, (at + 1) * each));
}
