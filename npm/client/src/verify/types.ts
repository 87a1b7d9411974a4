import type { Address, Hex } from "viem";

import type { Endpoint } from "../read/endpoint.js";
import type { HoldReason } from "../read/types.js";

/**
 * The result of a step, and of a check.
 *
 * "holds": it was verified here. "fails": it is shown to be wrong. "unchecked": neither; the detail says what is missing.
 */
export type StepState = "holds" | "fails" | "unchecked";

/** The steps of the check of a report, in their order. */
export type RoundStepId =
  | "endpoints"
  | "state"
  | "history"
  | "submission"
  | "signatures"
  | "answer"
  | "turn"
  | "features"
  | "statement"
  | "verifier"
  | "proof"
  | "setup"
  | "key"
  | "outcome";

/** The steps of the check of a claim, in their order. */
export type ClaimStepId = "file" | "endpoints" | "model" | "attestation" | "statement" | "verifier" | "proof" | "setup" | "key" | "registry";

/** One step of a check. It is final: a step is told once, when it is known. */
export interface Step<Id extends string = RoundStepId> {
  readonly id: Id;
  /** What the step shows if it holds, as a short sentence: "A quorum signed the report". */
  readonly title: string;
  readonly state: StepState;
  /** What was found, in a sentence or two. Of a step that does not hold: what is wrong, where, and what to do. */
  readonly detail: string;
  /** True if the check's verdict does not depend on this step as long as it does not fail. */
  readonly optional: boolean;
  /** Names of endpoints that this step shows to have lied or withheld something; empty if there is none. */
  readonly liars: readonly string[];
  /** Milliseconds that the step took. */
  readonly milliseconds: number;
}

/** A step that is beginning, for a page that shows progress. */
export interface StepBegun<Id extends string = RoundStepId> {
  readonly id: Id;
  readonly title: string;
}

/** Is told how a check goes. */
export interface Watcher<Id extends string = RoundStepId> {
  /** A step begins. */
  onBegin?(begun: StepBegun<Id>): void;
  /** A step has ended. */
  onStep?(step: Step<Id>): void;
}

/** What one reporter signed. */
export interface SignedRow {
  readonly reporter: Address;
  /** The answer for the checked feed; null where the reporter had none. In units of 10^-decimals. */
  readonly answer: bigint | null;
  /** True if this row's answer is the median. */
  readonly isMedian: boolean;
  /** Hash of what the reporter's sources said, for all feeds of the report. Zero: it keeps none. */
  readonly readings: Hex;
}

/** One feature of a window, by the name that the glossary has for it ("move", "past_0", "gap", "peer_move_0"). */
export interface FeatureValue {
  readonly name: string;
  /** As it is in the circuit: an integer. Moves are in thousandths of sigma, the gap in thousandths of the heartbeat. */
  readonly value: number;
}

/** What a check found out about a report. Parts that it did not come to are null. */
export interface RoundFacts {
  readonly feedId: Hex;
  readonly roundId: number;
  /** "accepted" (a round), "confirmed" (a round that the model calls anomalous), or "held". */
  readonly outcome: "accepted" | "confirmed" | "held" | null;
  readonly reason: HoldReason | null;
  readonly answer: bigint | null;
  readonly observedAt: number | null;
  readonly transaction: Hex | null;
  /** The transaction's block, and its time in unix seconds. */
  readonly block: bigint | null;
  readonly blockTime: number | null;
  /** Who called the hub. */
  readonly submitter: Address | null;
  /** "direct": the transaction called the hub. "relayed": another contract did. */
  readonly way: "direct" | "relayed" | null;
  readonly committee: number | null;
  readonly epoch: number | null;
  readonly quorum: number | null;
  readonly signed: readonly SignedRow[];
  /** Distance between the lowest and the highest answer, in thousandths of sigma. */
  readonly spread: number | null;
  readonly features: readonly FeatureValue[];
  readonly scores: readonly bigint[];
  readonly modelNumber: number | null;
  /** Feeds that one proof judged together, and windows of the circuit. */
  readonly judged: number | null;
  readonly batch: number | null;
  readonly instances: number | null;
  readonly proofBytes: number | null;
  readonly verifier: Address | null;
  /** Gas that the verifier took in the local EVM. */
  readonly verifierGas: bigint | null;
  /** "public ceremony" or "local": who knew the secret of the reference string. */
  readonly setup: "public ceremony" | "local" | null;
}

/** The check of a report. */
export interface RoundCheck {
  /** "fails" if a step fails; "unchecked" if one is unchecked that is not optional; otherwise "holds". */
  readonly verdict: StepState;
  readonly steps: readonly Step[];
  readonly facts: RoundFacts;
  /** The block whose state was read. Compare the hash with what others say of this block. */
  readonly anchor: Anchor | null;
  /** Names of endpoints that were found to lie or to withhold something, set right or not. */
  readonly liars: readonly string[];
  /** What a reader must know although nothing is wrong: a local reference string, one endpoint only. */
  readonly warnings: readonly string[];
  /** What this check can't show, each with the command that does. */
  readonly remains: readonly string[];
  readonly milliseconds: number;
}

/** The block at which everything was read. */
export interface Anchor {
  readonly chainId: number;
  readonly block: bigint;
  readonly hash: Hex;
  /** True if the words that were read are shown to follow from the hash, by `eth_getProof`. */
  readonly isProven: boolean;
  /** Names of the endpoints that agree on the block. */
  readonly endpoints: readonly string[];
}

/** The public files of one artifact, as `oracle model publish` writes them: bytes by file name. Nothing in them is believed. */
export interface PublicFiles {
  /** The folder's name, for messages. */
  readonly name: string;
  readonly files: Readonly<Partial<Record<PublicFileName, Uint8Array>>>;
}

/** The names of public files that a check here can use. */
export type PublicFileName = "manifest.json" | "vk.key" | "settings.json" | "Verifier.sol" | "verifier.json" | "kzg.srs";

/** A compiler of Solidity, release 0.8.20: takes standard JSON, and returns its output. */
export type Compile = (standardInput: string) => string | Promise<string>;

/** What a hub's reports are checked with. */
export interface HubOptions {
  readonly hub: Address;
  /** URLs or endpoints of the hub's chain. With several, logs are united, and whoever lies alone is named. */
  readonly endpoints: readonly (string | Endpoint)[];
  /** The block whose state is taken: a number or a name. Default: "latest". */
  readonly block?: bigint | "latest" | "safe" | "finalized";
  /** A block that is not after the hub's creation. It saves time with endpoints that limit ranges. Default: 0. */
  readonly fromBlock?: bigint;
  /** The public files of the hub's circuits, as far as the caller has them. */
  readonly publicFiles?: readonly PublicFiles[];
  /** Compiles `Verifier.sol` again, so that the code on the chain is shown to be this source's. */
  readonly compile?: Compile;
}

/** Names a report: an accepted round, or any report of a feed in a transaction, held ones included. */
export type ReportTarget =
  | { readonly feedId: Hex; readonly roundId: number }
  | { readonly feedId: Hex; readonly transaction: Hex; readonly logIndex?: number };

/** What a claim is checked with. */
export interface ClaimOptions {
  /** The registry that the claim has to belong to, and the endpoints of its chain. Without it, only the proof is checked. */
  readonly registry?: { readonly address: Address; readonly endpoints: readonly (string | Endpoint)[] };
  /** The public files of the claim's circuit. Needed without a registry. */
  readonly publicFiles?: readonly PublicFiles[];
  readonly compile?: Compile;
  /** The time, unix seconds, for a claim's expiry. Default: this machine's, or the registry's block. */
  readonly now?: number;
}

/** A bound of a claim: an output lies within [lo, hi], both in integers of 1/unit. */
export interface ToldBound {
  readonly output: number;
  readonly lo: bigint;
  readonly hi: bigint;
  /** True if the bound is of the output's change since earlier data. */
  readonly isChange: boolean;
}

/** The check of a claim. */
export interface ClaimCheck {
  readonly verdict: StepState;
  readonly steps: readonly Step<ClaimStepId>[];
  /** What the claim says; null if the file is none. */
  readonly facts: {
    readonly model: string;
    readonly modelId: Hex;
    readonly subject: Address;
    readonly expiresAt: number;
    readonly bounds: readonly ToldBound[];
    readonly unit: bigint;
    readonly issuer: Address | null;
    readonly issuedAt: number | null;
  } | null;
  readonly warnings: readonly string[];
  readonly remains: readonly string[];
  readonly milliseconds: number;
}
