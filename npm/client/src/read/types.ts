import type { Address, Hex } from "viem";

/** The stored status of a feed. Staleness follows from the time (`isStale`), a pause is a flag of its own. */
export type FeedStatus = "empty" | "ok" | "held";

/** The measure of a move: against the smaller of two answers, or in the answer's own units. */
export type FeedKind = "relative" | "absolute";

/** The reason why an answer is held. */
export type HoldReason = "anomalous" | "not positive" | "repeated";

/** An accepted round, as the hub keeps it in one word of its storage. */
export interface Round {
  /** Ids of a feed begin at 1 and have no gaps. */
  readonly id: number;
  /** The answer, in units of 10^-decimals. */
  readonly answer: bigint;
  /** The time of the report, unix seconds. */
  readonly observedAt: number;
  /** The time of the block, unix seconds. */
  readonly publishedAt: number;
  readonly modelNumber: number;
  /** The largest score in thousandths of the model's score unit. Above zero: a jump that was confirmed after a hold. */
  readonly scoreRatio: number;
  /** The distance between the lowest and the highest answer, in thousandths of sigma. */
  readonly spread: number;
  /** The number of reporters that had an answer. */
  readonly count: number;
  /** Reports in a row, this one included, that repeated the answer exactly. */
  readonly repeats: number;
}

/** The answer that a feed holds back now. Times are unix seconds. */
export interface HeldAnswer {
  readonly reason: HoldReason;
  readonly answer: bigint;
  readonly firstAnswer: bigint;
  readonly firstObservedAt: number;
  /** The time of the block of the first held report. */
  readonly firstSeenAt: number;
  readonly observedAt: number;
  /** Reports that have confirmed it so far. */
  readonly confirmations: number;
  readonly modelNumber: number;
  readonly scoreRatio: number;
  /** Anomalous reports, at any level, since the last accepted one. */
  readonly anomalies: number;
  readonly anomalousSince: number;
  readonly anomalousSeenAt: number;
  /** The gap with which the first held report was judged, in thousandths of the heartbeat. */
  readonly firstGap: number;
}

/** The terms of a feed. They are fixed when the feed is made. Durations are seconds. */
export interface FeedTerms {
  /** For instance "ETH / USD". The feed's id is its keccak256. */
  readonly description: string;
  readonly kind: FeedKind;
  readonly decimals: number;
  /** Further reports near a held answer that confirm it. */
  readonly confirmations: number;
  /** Reports in a row that may repeat the last answer exactly; 0: any number. */
  readonly maxRepeats: number;
  readonly heartbeat: number;
  readonly maxAge: number;
  readonly maxSkew: number;
  readonly confirmDelay: number;
  /** The distance from the held answer within which a report confirms it, in thousandths of sigma. */
  readonly tolerance: number;
  /** The largest spread of a report, in thousandths of sigma; 0: any. */
  readonly maxSpread: number;
  /** One standard deviation of a move over one heartbeat: ppm (relative), or answer units (absolute). */
  readonly sigma: bigint;
  readonly committee: number;
  /** Feeds that are signed together with this one in every report: at most two. */
  readonly peers: readonly Hex[];
}

/** What is proposed for a feed. Times are unix seconds from which a change may be activated. */
export interface Proposals {
  readonly model: { readonly number: number; readonly from: number } | null;
  readonly unpauseFrom: number | null;
  /** The model that a rollback returns to, until a time. */
  readonly previous: { readonly number: number; readonly until: number } | null;
}

/** The proposed model's verdicts, compared with the active one's. */
export interface ShadowTally {
  readonly modelNumber: number;
  readonly reports: number;
  readonly compared: number;
  readonly disagreements: number;
  readonly minCompared: number;
  readonly maxDisagreements: number;
}

/** A feed: its terms, and what the hub stores of it at one block. */
export interface Feed {
  readonly id: Hex;
  readonly terms: FeedTerms;
  readonly status: FeedStatus;
  readonly paused: boolean;
  /** True if the plain adapter is linked, and emits Chainlink's events. */
  readonly linked: boolean;
  readonly modelNumber: number;
  /** The latest accepted round; null before the first one. */
  readonly latest: Round | null;
  /** The held answer; null unless the status is "held". */
  readonly held: HeldAnswer | null;
  /** Held reports so far, modulo 256. */
  readonly heldReports: number;
  /** The last accepted moves, newest first, in thousandths of sigma: twelve of them. */
  readonly moves: readonly number[];
  /** The running variance, in thousandths of sigma² per heartbeat, with 17 binary digits after the point. */
  readonly variance: number;
  /** The peers' answers in the report of the latest round, in the order of `terms.peers`. */
  readonly peerAnswers: readonly bigint[];
  readonly proposals: Proposals;
  /** Null if no model is proposed. */
  readonly shadow: ShadowTally | null;
}

/** The reporters of feeds. */
export interface Committee {
  readonly id: number;
  readonly epoch: number;
  readonly quorum: number;
  readonly reporters: readonly Address[];
  readonly proposed: { readonly from: number; readonly quorum: number; readonly reporters: readonly Address[] } | null;
}

/** One circuit of an architecture. */
export interface Circuit {
  /** Windows per proof. */
  readonly batchSize: number;
  readonly verifier: Address;
  /** The hash that the verifier's code had when the hub took it. */
  readonly codeHash: Hex;
}

/** Circuits that share a shape. */
export interface Architecture {
  readonly id: number;
  /** Codes of the features of a window, in order: see `FEATURES`. */
  readonly features: readonly number[];
  readonly outputs: number;
  /** True if the circuit hashes private weights; otherwise they are in the verifying key, and public. */
  readonly bindsModel: boolean;
  readonly circuits: readonly Circuit[];
}

/** A model that feeds can use. */
export interface Model {
  readonly number: number;
  /** Poseidon hash of the weights; 0 if the verifying key holds them. */
  readonly hash: bigint;
  readonly artifactHash: Hex;
  readonly scoreUnit: bigint;
  readonly architecture: Architecture;
}

/** The place of an event on the chain. */
export interface Place {
  readonly block: bigint;
  readonly blockHash: Hex;
  readonly transaction: Hex;
  readonly logIndex: number;
}

/** A report that was held: one event `RoundHeld`. */
export interface HeldReport {
  readonly feedId: Hex;
  /** The round that the report was for. */
  readonly roundId: number;
  readonly answer: bigint;
  readonly observedAt: number;
  readonly modelNumber: number;
  readonly scores: readonly bigint[];
  readonly reason: HoldReason;
  /** Reports that had confirmed the held answer by then. */
  readonly confirmations: number;
  readonly submitter: Address;
  readonly place: Place;
}

/** A report that became a round: one event `RoundAccepted`. */
export interface AcceptedReport {
  readonly feedId: Hex;
  readonly roundId: number;
  readonly answer: bigint;
  readonly observedAt: number;
  readonly modelNumber: number;
  readonly scores: readonly bigint[];
  readonly confirmed: boolean;
  readonly submitter: Address;
  readonly place: Place;
}

/** A hold: the held reports that were for one round, and how it ended. */
export interface Hold {
  readonly feedId: Hex;
  /** The round that ends it. */
  readonly roundId: number;
  /** In the chain's order; at least one. */
  readonly reports: readonly HeldReport[];
  /** "accepted": the model accepted a report. "confirmed": reports over time confirmed it. "open": it goes on. */
  readonly end: "accepted" | "confirmed" | "open";
  /** The round that ended it; null while it goes on. */
  readonly round: Round | null;
}

/** A change of a feed's model or pause, from the hub's events. */
export interface FeedChange {
  readonly kind:
    | "added"
    | "model proposed"
    | "model activated"
    | "model proposal cancelled"
    | "model rolled back"
    | "paused"
    | "unpause proposed"
    | "unpaused";
  readonly feedId: Hex;
  /** The model that it is about; null for pauses. */
  readonly modelNumber: number | null;
  /** The model before an activation, or the one that a rollback abandoned. */
  readonly otherModel: number | null;
  /** The time from which a proposal may be activated, unix seconds. */
  readonly from: number | null;
  readonly place: Place;
}
