/** The gate and the hold as the hub applies them: `oracle/core/gate.py` in TypeScript. It checks no proof and no signature. */
import type { FeedTerms, HeldAnswer, HoldReason } from "../read/types.js";
import {
  CLIP,
  GAP_ONE,
  gap,
  ImpossibleValue,
  largest,
  type Measure,
  move,
  near,
  nextVariance,
  peerMove,
  RING_SIZE,
  scoreRatio,
  VARIANCE_BITS,
  VARIANCE_START,
} from "./features.js";

/** A hold ends after this many times the reports and the time of a confirmation, even if no level is agreed on. */
const PATIENCE = 4;
const UINT8_MAX = 255;
const UINT16_MAX = 65_535;

/** A feed as its history has led it so far. Times are unix seconds. */
export interface FeedState {
  readonly roundId: number;
  readonly answer: bigint;
  readonly observedAt: number;
  /** The time of the latest report, accepted or held. */
  readonly lastReportAt: number;
  readonly modelNumber: number;
  readonly repeats: number;
  readonly variance: number;
  /** Accepted moves, newest first: RING_SIZE of them. */
  readonly moves: readonly number[];
  /** The peers' answers in the report of the latest round; null if they are not known. */
  readonly peerAnswers: readonly bigint[] | null;
  /** Held reports so far. */
  readonly heldReports: number;
  readonly held: HeldAnswer | null;
}

/** A report for one feed, as far as the gate looks at it. */
export interface JudgedAnswer {
  readonly answer: bigint;
  readonly observedAt: number;
  /** The block's time. */
  readonly publishedAt: number;
  readonly scores: readonly bigint[];
  readonly modelNumber: number;
  readonly peerAnswers: readonly bigint[] | null;
}

/** The outcome of a report, as the hub decides it. */
export interface Verdict {
  readonly state: FeedState;
  readonly outcome: "accepted" | "held";
  /** Why it is held, or, of a confirmed report, why it would be. Null if the model accepts it. */
  readonly reason: HoldReason | null;
  readonly isConfirmed: boolean;
  /** Confirmations of the hold that the report started or continued; 0 if it was accepted. */
  readonly confirmations: number;
  readonly scoreRatio: number;
}

/** Return the state of a feed that was just added. */
export function emptyFeed(modelNumber: number): FeedState {
  return {
    roundId: 0,
    answer: 0n,
    observedAt: 0,
    lastReportAt: 0,
    modelNumber,
    repeats: 0,
    variance: VARIANCE_START,
    moves: Array<number>(RING_SIZE).fill(0),
    peerAnswers: [],
    heldReports: 0,
    held: null,
  };
}

/** Return the gap with which the hub judges a candidate: while an anomalous answer is held, one near it keeps its gap. */
export function gapOf(state: FeedState, terms: FeedTerms, answer: bigint, observedAt: number): number {
  if (state.roundId === 0) return GAP_ONE;
  const held = state.held?.reason === "anomalous" ? state.held : null;
  if (held !== null && near(terms, answer, held.firstAnswer, terms.tolerance)) return held.firstGap;
  return gap(observedAt, state.observedAt, terms.heartbeat);
}

/** Return the move of a candidate from the feed's last round. */
export function moveOf(state: FeedState, terms: Measure, answer: bigint): number {
  return state.roundId === 0 ? 0 : move(terms, answer, state.answer);
}

/** What a window of features is made of, besides the feed's state. */
export interface Candidate {
  readonly answer: bigint;
  readonly observedAt: number;
  readonly spread: number;
  readonly count: number;
  /** The peers' measures, with their answers in the same report, in the order of the feed's peers. */
  readonly peers: readonly { readonly measure: Measure; readonly answer: bigint }[];
}

/**
 * Return the feature vector by which the hub judges a candidate, in the order of the list.
 *
 * @throws ImpossibleValue if the list sees peers, and what the feed kept of them is not known.
 */
export function window(
  names: readonly string[],
  state: FeedState,
  terms: FeedTerms,
  candidate: Candidate,
): readonly number[] {
  const values = new Map<string, number>([
    ["move", moveOf(state, terms, candidate.answer)],
    ["gap", gapOf(state, terms, candidate.answer, candidate.observedAt)],
    ["spread", candidate.spread],
    ["count", candidate.count],
    ["variance", Math.floor(state.variance / 2 ** VARIANCE_BITS)],
    ...state.moves.map((moved, age): [string, number] => [`past_${String(age)}`, moved]),
  ]);
  if (state.roundId > 0) {
    candidate.peers.forEach(({ measure, answer }, at) => {
      const kept = state.peerAnswers?.[at];
      if (kept === undefined) return;
      const [moved, seen] = peerMove(measure, answer, kept);
      values.set(`peer_move_${String(at)}`, moved).set(`peer_seen_${String(at)}`, seen);
    });
  }
  return names.map((name) => {
    const value = values.get(name);
    if (value !== undefined) return value;
    const isKnown = state.roundId === 0 || Number(name.slice(-1)) >= candidate.peers.length;
    if (name.startsWith("peer_") && isKnown) return 0;
    throw new ImpossibleValue(`the feature ${name} is not known`);
  });
}

/** Apply one proven report to a feed. */
export function judge(state: FeedState, terms: FeedTerms, judged: JudgedAnswer, scoreUnit: bigint): Verdict {
  const { answer, observedAt, publishedAt, scores } = judged;
  const ratio = scoreRatio(scores, scoreUnit);
  const reason = reasonToHold(state, terms, answer, scores);
  if (reason !== null) {
    const held = hold(state, terms, judged, reason, ratio);
    if (!isConfirmed(held, terms, publishedAt)) {
      return {
        state: { ...state, held, lastReportAt: observedAt, heldReports: state.heldReports + 1 },
        outcome: "held",
        reason,
        isConfirmed: false,
        confirmations: held.confirmations,
        scoreRatio: ratio,
      };
    }
  }
  return {
    state: accept(state, terms, judged),
    outcome: "accepted",
    reason,
    isConfirmed: reason !== null,
    confirmations: 0,
    scoreRatio: ratio,
  };
}

/** Return a feed's state after a report that became a round. */
export function accept(
  state: FeedState,
  terms: FeedTerms,
  judged: Pick<JudgedAnswer, "answer" | "observedAt" | "peerAnswers">,
): FeedState {
  const { answer, observedAt } = judged;
  const moved = moveOf(state, terms, answer);
  const between = gapOf(state, terms, answer, observedAt);
  return {
    ...state,
    roundId: state.roundId + 1,
    answer,
    observedAt,
    lastReportAt: observedAt,
    repeats: repeatsOf(state, answer),
    variance: state.roundId === 0 ? VARIANCE_START : nextVariance(state.variance, moved, between),
    moves: [moved, ...state.moves].slice(0, RING_SIZE),
    peerAnswers: judged.peerAnswers,
    held: null,
  };
}

/** Return how many reports in a row repeat the latest answer exactly, the candidate included; 255 at most. */
export function repeatsOf(state: FeedState, answer: bigint): number {
  return state.roundId !== 0 && answer === state.answer ? Math.min(UINT8_MAX, state.repeats + 1) : 0;
}

/** Return why a report is held; null if it is not. */
export function reasonToHold(
  state: FeedState,
  terms: FeedTerms,
  answer: bigint,
  scores: readonly bigint[],
): HoldReason | null {
  if (terms.kind === "relative" && answer <= 0n) return "not positive";
  if (terms.maxRepeats !== 0 && repeatsOf(state, answer) > terms.maxRepeats) return "repeated";
  return Math.abs(moveOf(state, terms, answer)) === CLIP || largest(scores) > 0n ? "anomalous" : null;
}

/** Return the hold after a report: a new one, or the same if its reason is the same and its first answer is near. */
export function hold(
  state: FeedState,
  terms: FeedTerms,
  judged: JudgedAnswer,
  reason: HoldReason,
  ratio: number,
): HeldAnswer {
  const before = state.held;
  const { answer, observedAt, publishedAt } = judged;
  const isAnomalous = reason === "anomalous";
  const isFirst = isAnomalous && (before?.anomalies ?? 0) === 0;
  const started: HeldAnswer = {
    reason,
    answer,
    firstAnswer: answer,
    firstObservedAt: observedAt,
    firstSeenAt: publishedAt,
    observedAt,
    confirmations: 0,
    modelNumber: judged.modelNumber,
    scoreRatio: ratio,
    anomalies: Math.min(UINT16_MAX, (before?.anomalies ?? 0) + (isAnomalous ? 1 : 0)),
    anomalousSince: isFirst ? observedAt : (before?.anomalousSince ?? 0),
    anomalousSeenAt: isFirst ? publishedAt : (before?.anomalousSeenAt ?? 0),
    firstGap: gapOf(state, terms, answer, observedAt),
  };
  if (before?.reason !== reason || !near(terms, answer, before.firstAnswer, terms.tolerance)) return started;
  return {
    ...started,
    firstAnswer: before.firstAnswer,
    firstObservedAt: before.firstObservedAt,
    firstSeenAt: before.firstSeenAt,
    confirmations: Math.min(UINT8_MAX, before.confirmations + 1),
    firstGap: before.firstGap,
  };
}

/** True if a hold is confirmed at the chain's time `now`. Only anomalous answers can be a new level. */
function isConfirmed(held: HeldAnswer, terms: FeedTerms, now: number): boolean {
  if (held.reason !== "anomalous") return false;
  const needed = Math.max(1, terms.confirmations);
  const span = Math.min(held.observedAt - held.firstObservedAt, now - held.firstSeenAt);
  if (held.confirmations >= needed && span >= terms.confirmDelay) return true;
  const outlasted = Math.min(held.observedAt - held.anomalousSince, now - held.anomalousSeenAt);
  return held.anomalies >= PATIENCE * (needed + 1) && outlasted >= PATIENCE * terms.confirmDelay;
}
