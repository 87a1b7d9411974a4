/** The hub's events on a feed and on committees, decoded strictly. */
import { type Address, decodeEventLog, type Hex, toEventSelector } from "viem";

import { zkOracleAbi } from "../abi.js";
import type { HoldReason } from "../read/types.js";
import type { RawLog } from "./answers.js";
import { Unproven } from "./errors.js";

const REASONS: readonly (HoldReason | null)[] = [null, "anomalous", "not positive", "repeated"];

/** The topics of events, by their names. */
export const TOPICS = Object.fromEntries(
  zkOracleAbi.filter((each) => each.type === "event").map((event) => [event.name, toEventSelector(event)]),
);

/** Return the topics of some events. */
export function topicsOf(names: readonly string[]): readonly Hex[] {
  return names.map((name) => {
    const topic = TOPICS[name];
    if (topic === undefined) throw new Error(`the hub has no event ${name}`);
    return topic;
  });
}

/** An event on a report for one feed. */
export interface ReportEvent {
  readonly kind: "accepted" | "held";
  readonly feedId: Hex;
  readonly roundId: number;
  readonly answer: bigint;
  readonly observedAt: number;
  readonly modelNumber: number;
  readonly scores: readonly bigint[];
  /** Of an accepted report: true if the model calls it anomalous, and it was confirmed. */
  readonly isConfirmed: boolean;
  /** Of a held report. */
  readonly reason: HoldReason | null;
  readonly confirmations: number;
  readonly submitter: Address;
  readonly log: RawLog;
}

/** A change of a feed's model or pause. */
export interface ChangeEvent {
  readonly kind: "added" | "activated" | "rolled back" | "paused" | "unpaused";
  /** The model from then on; null if it stays. */
  readonly modelNumber: number | null;
  /** The model before; null if it is not told. */
  readonly before: number | null;
  readonly log: RawLog;
}

/** The reporters of a committee from one epoch on. */
export interface EpochEvent {
  readonly epoch: number;
  readonly reporters: readonly Address[];
  readonly quorum: number;
}

/** Return the event on a report of a log; null if it is another one. */
export function reportEvent(log: RawLog): ReportEvent | null {
  const { eventName, args } = decoded(log);
  if (eventName === "RoundAccepted") {
    const { answer, confirmed, feedId, modelNumber, observedAt, roundId, scores, submitter } = args;
    return {
      ...{ kind: "accepted", feedId, roundId, answer, observedAt, modelNumber, scores, submitter, log },
      ...{ isConfirmed: confirmed, reason: null, confirmations: 0 },
    };
  }
  if (eventName === "RoundHeld") {
    const { answer, confirmations, feedId, modelNumber, observedAt, roundId, scores, submitter } = args;
    const reason = REASONS[args.reason] ?? null;
    if (reason === null) throw new Unproven("an event tells of a held report without a reason");
    return {
      ...{ kind: "held", feedId, roundId, answer, observedAt, modelNumber, scores, submitter, log },
      ...{ isConfirmed: false, reason, confirmations },
    };
  }
  return null;
}

/** Return the change of a feed that a log tells; null if it tells another thing. */
export function changeEvent(log: RawLog): ChangeEvent | null {
  const { eventName, args } = decoded(log);
  switch (eventName) {
    case "FeedAdded":
      return { kind: "added", modelNumber: args.modelNumber, before: null, log };
    case "ModelActivated":
      return { kind: "activated", modelNumber: args.modelNumber, before: args.previous, log };
    case "ModelRolledBack":
      return { kind: "rolled back", modelNumber: args.modelNumber, before: args.abandoned, log };
    case "Paused":
      return { kind: "paused", modelNumber: null, before: null, log };
    case "Unpaused":
      return { kind: "unpaused", modelNumber: null, before: null, log };
    default:
      return null;
  }
}

/** Return the reporters that a log names; null if it names none. */
export function epochEvent(log: RawLog): EpochEvent | null {
  const { eventName, args } = decoded(log);
  if (eventName === "CommitteeAdded") return { epoch: 1, reporters: args.reporters, quorum: args.quorum };
  if (eventName === "ReportersActivated") return { epoch: args.epoch, reporters: args.reporters, quorum: args.quorum };
  return null;
}

function decoded(log: RawLog): ReturnType<typeof decodeEventLog<typeof zkOracleAbi, undefined, Hex[], Hex, true>> {
  try {
    const [first, ...others] = log.topics;
    if (first === undefined) throw new Unproven("a log has no topics");
    return decodeEventLog({ abi: zkOracleAbi, data: log.data, topics: [first, ...others], strict: true });
  } catch {
    throw new Unproven(`log ${String(log.index)} of block ${String(log.block)} is no event of this release's hub`);
  }
}
