import { decodeEventLog, encodeEventTopics, numberToHex, type Hex } from "viem";

import { zkOracleAbi } from "../abi.js";
import { blocksAt, readHead } from "./blocks.js";
import { HubError } from "./errors.js";
import { readFeed, readRounds } from "./feeds.js";
import { failure } from "./http.js";
import { readAllLogs, readLogs, type Log, type LogFilter, type LogOptions } from "./logs.js";
import type { AcceptedReport, Feed, FeedChange, HeldReport, Hold, HoldReason, Round } from "./types.js";
import type { Hub } from "./words.js";

const REASONS: readonly (HoldReason | undefined)[] = [undefined, "anomalous", "not positive", "repeated"];

/** Held reports of some blocks, and how far the reading has come. */
export interface HeldPart {
  readonly first: bigint;
  readonly last: bigint;
  readonly reports: readonly HeldReport[];
}

/** Blocks that events are read of. */
export interface BlockRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Give the held reports of a feed in some blocks, part by part, the newest part first. */
export async function* readHeldReports(
  hub: Hub,
  feedId: Hex,
  range: BlockRange,
  options: LogOptions = {},
): AsyncGenerator<HeldPart, void, undefined> {
  const filter = filterOf(hub, ["RoundHeld"], feedId);
  for await (const part of readLogs(hub.endpoint, filter, range.first, range.last, { newestFirst: true, ...options })) {
    yield { first: part.first, last: part.last, reports: part.logs.map((log) => heldOf(hub, log)) };
  }
}

/**
 * Return the holds that held reports make: those for one round belong together, and that round ended them.
 *
 * @param reports In the chain's order.
 */
export async function readHolds(hub: Hub, feed: Feed, reports: readonly HeldReport[]): Promise<Hold[]> {
  const byRound = new Map<number, HeldReport[]>();
  for (const report of reports) byRound.set(report.roundId, [...(byRound.get(report.roundId) ?? []), report]);
  const latest = feed.latest?.id ?? 0;
  const ended = [...byRound.keys()].filter((id) => id <= latest);
  const rounds = new Map((await readRounds(hub, feed.id, ended)).map((round) => [round.id, round]));
  return [...byRound].map(([roundId, held]) => {
    const round = rounds.get(roundId) ?? null;
    return { feedId: feed.id, roundId, reports: held, end: endOf(round), round };
  });
}

function endOf(round: Round | null): Hold["end"] {
  if (round === null) return "open";
  return round.scoreRatio > 0 ? "confirmed" : "accepted";
}

/**
 * Return the report that became a round, by its event. The round's own word says when its block was, so one block's
 * events are enough, whatever range the endpoint gives.
 *
 * @throws HubError if there is no such round, or the endpoint withholds its event.
 */
export async function findRound(hub: Hub, feedId: Hex, roundId: number): Promise<AcceptedReport> {
  const feed = await readFeed(hub, feedId);
  if (feed.latest === null || roundId < 1 || roundId > feed.latest.id) {
    const known = feed.latest === null ? "it has none yet" : `its latest one is ${String(feed.latest.id)}`;
    throw new HubError(`${feed.terms.description} has no round ${String(roundId)}: ${known}.`);
  }
  const [round] = await readRounds(hub, feedId, [roundId]);
  const span = round === undefined ? null : await blocksAt(hub.endpoint, round.publishedAt);
  if (span === null) {
    throw new HubError(`${hub.endpoint.name} has no block of the time of round ${String(roundId)}. Take another endpoint.`);
  }
  const filter = filterOf(hub, ["RoundAccepted"], feedId, roundId);
  const [log] = await readAllLogs(hub.endpoint, filter, span.first, span.last);
  if (log === undefined) {
    throw new HubError(
      `${hub.endpoint.name} withholds the event of round ${String(roundId)}, which the hub's storage has. Take another endpoint.`,
    );
  }
  return acceptedOf(hub, log);
}

/**
 * Return the reports of a feed that a transaction brought: held ones, and those that became a round.
 *
 * @param block The block of the transaction.
 */
export async function readReportsIn(
  hub: Hub,
  feedId: Hex,
  block: bigint,
): Promise<readonly (AcceptedReport | HeldReport)[]> {
  const logs = await readAllLogs(hub.endpoint, filterOf(hub, ["RoundAccepted", "RoundHeld"], feedId), block, block);
  const accepted = topicOf("RoundAccepted");
  return logs.map((log) => (log.topics[0] === accepted ? acceptedOf(hub, log) : heldOf(hub, log)));
}

/** Give the changes of a feed's model and pause in some blocks, the oldest first. */
export async function readChanges(
  hub: Hub,
  feedId: Hex,
  range: BlockRange,
  options: LogOptions = {},
): Promise<FeedChange[]> {
  const logs = await readAllLogs(hub.endpoint, filterOf(hub, CHANGES, feedId), range.first, range.last, options);
  return logs.map((log) => changeOf(hub, log));
}

/** Return all blocks up to the newest one. */
export async function wholeRange(hub: Hub, first = 0n): Promise<BlockRange> {
  return { first, last: (await readHead(hub.endpoint)).number };
}

const CHANGES = [
  "FeedAdded",
  "ModelProposed",
  "ModelActivated",
  "ModelProposalCancelled",
  "ModelRolledBack",
  "Paused",
  "UnpauseProposed",
  "Unpaused",
] as const;

type EventName = "RoundAccepted" | "RoundHeld" | (typeof CHANGES)[number];

function topicOf(name: EventName): Hex {
  const [topic] = encodeEventTopics({ abi: zkOracleAbi, eventName: name });
  return topic;
}

function filterOf(hub: Hub, names: readonly EventName[], feedId: Hex, roundId?: number): LogFilter {
  const topics: (Hex | readonly Hex[])[] = [names.map(topicOf), feedId];
  if (roundId !== undefined) topics.push(numberToHex(roundId, { size: 32 }));
  return { address: hub.address, topics };
}

function decoded(hub: Hub, log: Log): ReturnType<typeof decodeEventLog<typeof zkOracleAbi>> {
  try {
    return decodeEventLog({ abi: zkOracleAbi, topics: [...log.topics], data: log.data, strict: true });
  } catch {
    const place = `block ${String(log.place.block)}, transaction ${log.place.transaction}`;
    throw failure(hub.endpoint.name, "eth_getLogs", "nonsense", `an event that the hub can't have emitted, in ${place}`);
  }
}

function acceptedOf(hub: Hub, log: Log): AcceptedReport {
  const event = decoded(hub, log);
  if (event.eventName !== "RoundAccepted") throw failure(hub.endpoint.name, "eth_getLogs", "nonsense", "another event");
  return { ...event.args, place: log.place };
}

function heldOf(hub: Hub, log: Log): HeldReport {
  const event = decoded(hub, log);
  const reason = event.eventName === "RoundHeld" ? REASONS[event.args.reason] : undefined;
  if (event.eventName !== "RoundHeld" || reason === undefined) {
    throw failure(hub.endpoint.name, "eth_getLogs", "nonsense", "a hold without a reason");
  }
  return { ...event.args, reason, place: log.place };
}

function changeOf(hub: Hub, log: Log): FeedChange {
  const event = decoded(hub, log);
  const change = (
    kind: FeedChange["kind"],
    feedId: Hex,
    modelNumber: number | null,
    otherModel: number | null = null,
    from: bigint | null = null,
  ): FeedChange => ({ kind, feedId, modelNumber, otherModel, from: from === null ? null : Number(from), place: log.place });
  switch (event.eventName) {
    case "FeedAdded":
      return change("added", event.args.feedId, event.args.modelNumber);
    case "ModelProposed":
      return change("model proposed", event.args.feedId, event.args.modelNumber, null, event.args.activeFrom);
    case "ModelActivated":
      return change("model activated", event.args.feedId, event.args.modelNumber, event.args.previous);
    case "ModelProposalCancelled":
      return change("model proposal cancelled", event.args.feedId, event.args.modelNumber);
    case "ModelRolledBack":
      return change("model rolled back", event.args.feedId, event.args.modelNumber, event.args.abandoned);
    case "Paused":
      return change("paused", event.args.feedId, null);
    case "UnpauseProposed":
      return change("unpause proposed", event.args.feedId, null, null, event.args.activeFrom);
    case "Unpaused":
      return change("unpaused", event.args.feedId, null);
    default:
      throw failure(hub.endpoint.name, "eth_getLogs", "nonsense", "another event than those asked for");
  }
}
