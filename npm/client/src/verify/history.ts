/** A feed's history, replayed from the hub's own rounds and the events of its holds, and compared with its storage. */
import type { Address, Hex } from "viem";

import { FEED, feedSlot, roundSlot } from "../read/layout.js";
import { readFeed, readRounds } from "../read/feeds.js";
import { readCommittee } from "../read/models.js";
import type { Feed, HeldAnswer, HoldReason, Round } from "../read/types.js";
import type { RawLog } from "./answers.js";
import type { PinnedChain } from "./chain.js";
import { Unknown, Unproven } from "./errors.js";
import { type ChangeEvent, changeEvent, epochEvent, type ReportEvent, reportEvent, topicsOf } from "./events.js";
import { RING_SIZE } from "./features.js";
import { accept, emptyFeed, type FeedState, hold, reasonToHold } from "./gate.js";

/** Rounds that one request reads. */
const ROUNDS_AT_ONCE = 2_000;
/** The most rounds that are read: an endpoint can say that there are billions. */
const MOST_ROUNDS = 1_000_000;
/** Held reports are counted modulo this. */
const HELD_REPORTS = 256;

/** The reporters of a committee in one epoch. */
export interface Epoch {
  readonly committee: number;
  readonly epoch: number;
  readonly reporters: readonly Address[];
  readonly quorum: number;
  /** True if they are in the hub's storage; false if only an event names them. */
  readonly isStored: boolean;
}

/** A place in the order of the chain. */
export type Place = Pick<RawLog, "block" | "index">;

/** A feed's history up to the pinned block. Nothing in it is believed before `check` has passed. */
export class FeedHistory {
  private constructor(
    readonly feed: Feed,
    /** By their numbers, from 1. */
    private readonly rounds: readonly Round[],
    /** Held reports by the round that they were for, in their order. */
    private readonly holds: ReadonlyMap<number, readonly ReportEvent[]>,
    private readonly changes: readonly ChangeEvent[],
    /** The state after each round; the first is that of an empty feed. */
    private readonly states: readonly FeedState[],
    /** What contradicts what; empty if nothing does. */
    readonly problems: readonly string[],
  ) {}

  /** Read and replay a feed's history. */
  static async read(chain: PinnedChain, feedId: Hex, from: bigint): Promise<FeedHistory> {
    const feed = await readFeed(chain.reader, feedId, chain.head.number);
    const [rounds, logs] = await Promise.all([
      roundsOf(chain, feed),
      chain.logs(from, [
        topicsOf(["FeedAdded", "RoundHeld", "ModelActivated", "ModelRolledBack", "Paused", "Unpaused"]),
        [feedId],
      ]),
    ]);
    const problems: string[] = [];
    const changes: ChangeEvent[] = [];
    const holds = new Map<number, ReportEvent[]>();
    let held = 0;
    for (const log of logs) {
      const event = reportEvent(log);
      const change = event === null ? changeEvent(log) : null;
      if (change !== null) changes.push(change);
      if (event === null) continue;
      held += 1;
      holds.set(event.roundId, [...(holds.get(event.roundId) ?? []), event]);
    }
    if ((held - feed.heldReports) % HELD_REPORTS !== 0) {
      problems.push(
        `the hub has counted ${String(feed.heldReports)} held reports of ${feed.terms.description} (modulo ` +
          `${String(HELD_REPORTS)}), but there are ${String(held)} in the logs`,
      );
    }
    problems.push(...changesProblems(feed, changes));
    const states = replayed(feed, rounds, holds, problems);
    return new FeedHistory(feed, rounds, holds, changes, states, problems);
  }

  /** The slots of the hub's storage on which a report for a round rests. */
  slots(roundId: number): readonly bigint[] {
    const start = feedSlot(this.feed.id);
    const first = Math.max(1, roundId - RING_SIZE - 1);
    const last = Math.min(this.rounds.length, roundId);
    const own = [FEED.config, FEED.track, FEED.heldAnswers, FEED.heldRest, FEED.peers, FEED.peers + 1n, FEED.peerRests];
    return [
      ...own.map((each) => start + each),
      ...Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => roundSlot(this.feed.id, first + at)),
    ];
  }

  /** Return a round; null if there is none. */
  round(roundId: number): Round | null {
    return this.rounds[roundId - 1] ?? null;
  }

  /** Return why the hub would have held a round's report, if it was confirmed; null if the model accepted it. */
  reason(round: Round): HoldReason | null {
    // The ratio of a score is above zero exactly if the score is.
    return reasonToHold(this.before(round.id, round.observedAt), this.feed.terms, round.answer, [BigInt(round.scoreRatio)]);
  }

  /** Return the held reports for a round, in their order. */
  holdsFor(roundId: number): readonly ReportEvent[] {
    return this.holds.get(roundId) ?? [];
  }

  /** Return the held report of a transaction; null if it has none. */
  heldIn(transaction: Hex, logIndex: number | undefined): ReportEvent | null {
    for (const events of this.holds.values()) {
      const found = events.find(
        ({ log }) => log.transaction === transaction.toLowerCase() && (logIndex ?? log.index) === log.index,
      );
      if (found !== undefined) return found;
    }
    return null;
  }

  /**
   * Return the feed's state before a report.
   *
   * @param seenAt The times of the blocks of held reports, by their numbers, as far as they matter.
   */
  before(roundId: number, observedAt: number, seenAt: ReadonlyMap<bigint, number> = new Map()): FeedState {
    const state = this.states[roundId - 1];
    if (state === undefined) {
      throw new Unproven(`round ${String(roundId)} of ${this.feed.terms.description} has no round before it on the hub`);
    }
    return this.holdsFor(roundId)
      .filter((event) => event.observedAt < observedAt)
      .reduce((before, event) => held(before, this.feed, event, seenAt.get(event.log.block) ?? 0), state);
  }

  /** Return the model that was active at a place of the chain, and whether the feed was paused there. */
  at(place: Place): { readonly modelNumber: number | null; readonly isPaused: boolean } {
    const earlier = this.changes.filter(({ log }) => log.block < place.block || (log.block === place.block && log.index < place.index));
    const models = earlier.map((each) => each.modelNumber).filter((each) => each !== null);
    const pauses = earlier.filter(({ kind }) => kind === "paused" || kind === "unpaused");
    return { modelNumber: models.at(-1) ?? null, isPaused: pauses.at(-1)?.kind === "paused" };
  }
}

/** Return the reporters of a committee in an epoch. The present ones are in the storage, earlier ones in events. */
export async function epochOf(chain: PinnedChain, committee: number, epoch: number, from: bigint): Promise<Epoch> {
  const stored = await readCommittee(chain.reader, committee, chain.head.number);
  if (stored.epoch === epoch) return { committee, epoch, reporters: stored.reporters, quorum: stored.quorum, isStored: true };
  if (epoch > stored.epoch || epoch < 1) {
    throw new Unproven(`signed for epoch ${String(epoch)} of committee ${String(committee)}, which is in ${String(stored.epoch)}`);
  }
  const topic: Hex = `0x${committee.toString(16).padStart(64, "0")}`;
  const logs = await chain.logs(from, [topicsOf(["CommitteeAdded", "ReportersActivated"]), [topic]]);
  const events = logs.map(epochEvent).filter((each) => each !== null);
  const missing = Array.from({ length: stored.epoch }, (_, at) => at + 1).filter(
    (each) => events.filter((event) => event.epoch === each).length !== 1,
  );
  const last = events.find((each) => each.epoch === stored.epoch);
  if (missing.length > 0 || last?.reporters.join().toLowerCase() !== stored.reporters.join().toLowerCase()) {
    throw new Unproven(
      `${chain.names.join(" and ")} withholds or alters the changes of committee ${String(committee)}: the hub has it in ` +
        `epoch ${String(stored.epoch)}. Take another endpoint`,
      chain.names,
    );
  }
  const found = events.find((each) => each.epoch === epoch);
  if (found === undefined) throw new Unproven(`no log shows committee ${String(committee)} in epoch ${String(epoch)}`);
  return { ...found, committee, isStored: false };
}

/** Return the state of a feed after a held report, as its event tells it. */
function held(state: FeedState, { terms }: Feed, event: ReportEvent, seenAt: number): FeedState {
  const judged = {
    answer: event.answer,
    observedAt: event.observedAt,
    publishedAt: seenAt,
    scores: event.scores,
    modelNumber: event.modelNumber,
    peerAnswers: null,
  };
  const { reason } = event;
  if (reason === null) return state;
  return {
    ...state,
    held: hold(state, terms, judged, reason, 0),
    lastReportAt: event.observedAt,
    heldReports: state.heldReports + 1,
  };
}

async function roundsOf(chain: PinnedChain, feed: Feed): Promise<readonly Round[]> {
  const count = feed.latest?.id ?? 0;
  if (count > MOST_ROUNDS) throw new Unknown(`${feed.terms.description} has ${String(count)} rounds, too many to replay here: use oracle audit`);
  const parts: Promise<readonly Round[]>[] = [];
  for (let from = 1; from <= count; from += ROUNDS_AT_ONCE) {
    const ids = Array.from({ length: Math.min(ROUNDS_AT_ONCE, count - from + 1) }, (_, at) => from + at);
    parts.push(readRounds(chain.reader, feed.id, ids, chain.head.number));
  }
  return (await Promise.all(parts)).flat();
}

/** Replay rounds and holds; return the state after each round, and say what contradicts the storage. */
function replayed(
  feed: Feed,
  rounds: readonly Round[],
  holds: ReadonlyMap<number, readonly ReportEvent[]>,
  problems: string[],
): readonly FeedState[] {
  const { terms } = feed;
  const name = terms.description;
  const wrong = (text: string): void => {
    if (problems.length < 8) problems.push(text);
  };
  let state = emptyFeed(feed.modelNumber);
  const states = [state];
  const playHolds = (roundId: number): void => {
    for (const event of holds.get(roundId) ?? []) {
      const which = `the held report of ${name} for round ${String(roundId)} in block ${String(event.log.block)}`;
      if (event.observedAt <= state.lastReportAt) wrong(`${which} is not newer than the report before it`);
      if (reasonToHold(state, terms, event.answer, event.scores) !== event.reason) wrong(`${which} has no such reason`);
      state = held(state, feed, event, 0);
      if (state.held?.confirmations !== event.confirmations) wrong(`${which} has another number of confirmations`);
    }
  };
  for (const round of rounds) {
    playHolds(round.id);
    if (round.observedAt <= state.lastReportAt) wrong(`round ${String(round.id)} of ${name} is not newer than the report before it`);
    state = accept(state, terms, { answer: round.answer, observedAt: round.observedAt, peerAnswers: null });
    if (state.repeats !== round.repeats) wrong(`round ${String(round.id)} of ${name} has another number of repeats`);
    states.push(state);
  }
  playHolds(rounds.length + 1);
  const beyond = [...holds.keys()].filter((roundId) => roundId > rounds.length + 1 || roundId < 1);
  if (beyond.length > 0) wrong(`there are held reports of ${name} for round ${String(beyond[0])}, which can't be`);
  if (rounds.length > 0 && (state.moves.join() !== feed.moves.join() || state.variance !== feed.variance)) {
    wrong(`the last moves and the variance of ${name} are not those that follow from its rounds and holds`);
  }
  if ((state.held !== null) !== (feed.status === "held") || (feed.held !== null && !isSame(state.held, feed.held))) {
    wrong(`what ${name} holds is not what follows from its held reports`);
  }
  return states;
}

/** True if two holds are the same, besides what events don't tell: block times, and the ratio of the score. */
function isSame(one: HeldAnswer | null, other: HeldAnswer): boolean {
  const told = (each: HeldAnswer): string =>
    [
      ...[each.reason, each.answer, each.firstAnswer, each.firstObservedAt, each.observedAt, each.confirmations],
      ...[each.modelNumber, each.anomalies, each.anomalousSince, each.firstGap],
    ].join();
  return one !== null && told(one) === told(other);
}

function changesProblems(feed: Feed, changes: readonly ChangeEvent[]): readonly string[] {
  const name = feed.terms.description;
  const problems: string[] = [];
  let model: number | null = null;
  let isPaused = false;
  for (const { kind, modelNumber, before, log } of changes) {
    if (kind !== "added" && model === null) break;
    if (before !== null && before !== model) {
      problems.push(`model ${String(before)} of ${name} was replaced in block ${String(log.block)}, but no log shows that it was active`);
    }
    if (kind === "paused" || kind === "unpaused") isPaused = kind === "paused";
    else model = modelNumber;
  }
  if (changes.filter(({ kind }) => kind === "added").length !== 1 || changes[0]?.kind !== "added") {
    problems.push(`${name} is on the hub, but not added in the logs, or not once`);
  } else if (model !== feed.modelNumber) {
    problems.push(`the active model of ${name} is ${String(feed.modelNumber)} on the hub, but ${String(model)} by the logs`);
  }
  if (isPaused !== feed.paused) problems.push(`${name} is ${feed.paused ? "" : "not "}paused on the hub, but the logs say otherwise`);
  return problems;
}
