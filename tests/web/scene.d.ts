/** The line that `python -m tests.web.scene` prints: where a chain with a history is, and what happened on it. */
export interface Scene {
  rpcUrl: string;
  chainId: number;
  hub: `0x${string}`;
  lens: `0x${string}`;
  /** The block in which the hub was deployed. */
  fromBlock: number;
  /** The feeds' Chainlink adapters. */
  aggregators: Record<SceneFeed, `0x${string}`>;
  modelCards: `0x${string}`;
  claimRegistry: `0x${string}`;
  /** A folder with a folder of public files for each circuit, as `oracle model publish` writes them. */
  publicFiles: string;
  feeds: Record<SceneFeed, { id: `0x${string}`; description: string; committee: number }>;
  rounds: Record<SceneReport, SceneRound>;
  models: Record<"private" | "other" | "public" | "verdict", { number: number; hash: string }>;
  /** Claim files: one that is right, one with a byte of its proof altered, one with other bounds than were proven. */
  claims: Record<"good" | "altered" | "otherBounds", string>;
  /** Files of proven cards: one that is right (it is on `modelCards`, too), and one with a byte of a proof altered. */
  cards: Record<"good" | "altered", string>;
  /** `POST {"report": FEED, "answer": INTEGER AS TEXT}` makes a report, and answers with its `SceneRound`. */
  commands: string;
}

/**
 * `solo`: a day of rounds, an outlier, a confirmed jump, another model and back. `level`: absolute, held now. `trio`:
 * three of five sign. `open`: a public model judges. `paused`, `stale`: as they say. `live`: for tests that report.
 */
export type SceneFeed = "solo" | "level" | "trio" | "open" | "paused" | "stale" | "live";

export type SceneReport =
  | "first"
  | "held"
  | "accepted"
  | "heldFirst"
  | "heldAgain"
  | "confirmed"
  | "shadowed"
  | "otherModel"
  | "rolledBack"
  | "public"
  | "publicHeld"
  | "quorum"
  | "trioHeld"
  | "trioBack"
  | "withReference"
  | "batch"
  | "relayed"
  | "heldNow";

/** What became of a report. */
export interface SceneRound {
  feed: SceneFeed;
  feedId: `0x${string}`;
  roundId: number;
  transaction: `0x${string}`;
  /** The place of its event in the block. */
  logIndex: number;
  kind: "accepted" | "held";
  /** Unix seconds. */
  observedAt: number;
  /** The answer as an integer, in the feed's decimals (8). */
  answer: string;
}
