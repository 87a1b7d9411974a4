/** The steps of a submission that may be the one behind an event on a report: from its signatures to its outcome. */
import { bytesToHex, type Hex } from "viem";

import { feedSlot } from "../read/layout.js";
import type { Model, Round } from "../read/types.js";
import type { BlockHead } from "./answers.js";
import { duePositions, type Submission } from "./calldata.js";
import type { PinnedChain } from "./chain.js";
import { Unknown, Unproven } from "./errors.js";
import type { ReportEvent } from "./events.js";
import { refusesOthers, runVerifier, setupPoint, type VerifierRun } from "./evm.js";
import { featureNames, seesPeers } from "./features.js";
import { judge } from "./gate.js";
import type { Epoch, FeedHistory } from "./history.js";
import { CEREMONY, checkKey, filesOf } from "./key.js";
import { foreignInstruction } from "./opcodes.js";
import type { HubVerifier } from "./round.js";
import { domainSeparator, signersOf } from "./signatures.js";
import {
  checkSigners,
  checkTurn,
  type DerivedAnswer,
  derivedAnswer,
  type JudgedFeed,
  statementOf,
  type Statement,
  type Window,
  windowsOf,
} from "./statement.js";
import type { Recorder } from "./steps.js";
import type { RoundFacts, RoundStepId, SignedRow } from "./types.js";

/** The steps after the history, in their order. */
export const AFTER_HISTORY = ["submission", "signatures", "answer", "turn", "features", "statement", "verifier", "proof", "setup", "key", "outcome"] as const;
/** Chains on which a local reference string is as it should be. */
export const LOCAL_CHAINS = new Set([31_337, 1_337]);

/** What the steps of a candidate rest on. */
export interface Context {
  readonly chain: PinnedChain;
  readonly history: FeedHistory;
  readonly model: Model;
  readonly event: ReportEvent;
  readonly round: Round | null;
  readonly block: BlockHead;
}

/** Takes what the steps find out. */
export interface Notes {
  note(facts: Partial<RoundFacts>): void;
  warn(text: string): void;
  /** Words on which the check rests could not be proven. */
  unproven(): void;
}

/** Takes the steps of one submission. */
export class CandidateCheck {
  constructor(
    private readonly verifier: HubVerifier,
    private readonly recorder: Recorder<RoundStepId>,
    private readonly context: Context,
    private readonly notes: Notes,
  ) {}

  /** Take all steps of a submission, as far as they can be taken. */
  async judged(submission: Submission): Promise<void> {
    const { recorder, context } = this;
    const { chain, model, event } = context;
    const skip = (from: RoundStepId, why: string): void => {
      recorder.skip(AFTER_HISTORY.slice(AFTER_HISTORY.findIndex((each) => each === from)), `It was not looked at, as ${why}.`);
    };
    this.notes.note({
      committee: submission.committee,
      epoch: submission.epoch,
      judged: duePositions(submission).length,
      proofBytes: submission.proof.length,
    });
    const epoch = await recorder.step("signatures", () => this.signatures(context, submission));
    if (epoch === null) {
      skip("answer", "the signatures do not hold");
      return;
    }
    const listed = await recorder.step("answer", () => this.answers(context, submission, epoch));
    if (listed === null) {
      skip("turn", "the answers are not known");
      return;
    }
    const judged = await recorder.step("turn", () => this.turns(context, submission));
    if (judged === null) {
      skip("features", "the feeds' state before the report is not known");
      return;
    }
    const windows = await recorder.step("features", () => this.windows(context, submission, judged, listed));
    if (windows === null) {
      skip("statement", "the features are not known");
      return;
    }
    const statement = await recorder.step("statement", () => this.statement(model, windows));
    if (statement === null) {
      skip("verifier", "there is no statement");
      return;
    }
    const code = await recorder.step("verifier", () => this.code(chain, statement));
    const run = code === null ? null : await recorder.step("proof", () => this.proof(code, submission, statement));
    if (code === null || run === null) {
      recorder.skip(
        code === null ? ["proof", "setup", "key"] : ["setup", "key"],
        "It was not looked at, as nothing is known of what the verifier computes with.",
      );
    } else {
      await recorder.step("setup", () => this.setup(chain, run));
      await recorder.step("key", () => this.key(code, run, submission.proof, statement.instances));
    }
    const own = judged.get(event.feedId);
    const derived = listed.get(event.feedId)?.derived;
    if (own !== undefined && derived !== undefined) {
      await recorder.step("outcome", () => this.outcome(context, own, derived));
    }
  }

  private async signatures(context: Context, submission: Submission): Promise<{ detail: string; value: Epoch }> {
    const { chain, event } = context;
    const epoch = await this.verifier.epoch(submission.committee, submission.epoch);
    const domain = domainSeparator("ZkOracle", "2", chain.chainId, chain.hub);
    const signers = await signersOf(domain, submission);
    checkSigners(signers, epoch);
    if (!epoch.isStored) {
      this.notes.warn(
        `The reporters of epoch ${String(epoch.epoch)} of committee ${String(epoch.committee)} have changed since: only an event of ` +
          "the hub names them.",
      );
    }
    const position = submission.feedIds.indexOf(event.feedId);
    const median = submission.medians[position];
    this.notes.note({
      quorum: epoch.quorum,
      signed: submission.rows.map((row, at): SignedRow => {
        const answer = row.answers[position];
        const isAbsent = answer === undefined || answer === -(2n ** 127n);
        return { reporter: signers[at] ?? chain.hub, answer: isAbsent ? null : answer, isMedian: at === median, readings: row.readings };
      }),
    });
    return {
      detail:
        `${plural(signers.length, "reporter")} of committee ${String(epoch.committee)} in epoch ${String(epoch.epoch)} signed the same report, each its ` +
        "own answers (EIP-712).",
      value: epoch,
    };
  }

  private async answers(
    { event }: Context,
    submission: Submission,
    epoch: Epoch,
  ): Promise<{ detail: string; value: ReadonlyMap<Hex, { feed: JudgedFeed["feed"]; derived: DerivedAnswer }> }> {
    const listed = new Map<Hex, { feed: JudgedFeed["feed"]; derived: DerivedAnswer }>();
    const { chain } = this.context;
    for (const feedId of submission.feedIds) {
      const feed = await this.verifier.feed(feedId);
      if ((await chain.isProven()) && !(await chain.prove([feedSlot(feedId)]))) this.notes.unproven();
      listed.set(feedId, { feed, derived: derivedAnswer(submission, feed, epoch) });
    }
    const own = listed.get(event.feedId)?.derived;
    if (own?.answer !== event.answer) throw new Unproven(`the median is ${String(own?.answer)}, and the hub said ${String(event.answer)}`);
    this.notes.note({ spread: own.spread });
    return {
      detail: `The median of ${plural(own.count, "answer")}, where ${String(epoch.quorum)} are the quorum; they are ${String(own.spread)} thousandths of sigma apart.`,
      value: listed,
    };
  }

  private async turns(
    context: Context,
    submission: Submission,
  ): Promise<{ detail: string; value: ReadonlyMap<Hex, JudgedFeed> }> {
    const { chain, event, block, model } = context;
    const judged = new Map<Hex, JudgedFeed>();
    const isPeerModel = seesPeers(featureNames(model.architecture.features));
    for (const position of duePositions(submission)) {
      const [feedId, roundId] = [submission.feedIds[position], submission.roundIds[position]];
      if (feedId === undefined || roundId === undefined) continue;
      const history = await this.verifier.history(feedId);
      const { feed } = history;
      const isOther = feedId !== event.feedId;
      if (isOther && history.problems.length > 0) {
        throw new Unknown(`the history of ${feed.terms.description}, which the same proof judged, is not whole: ${history.problems.join("; ")}`);
      }
      if (isOther && (await chain.isProven()) && !(await chain.prove(history.slots(roundId)))) this.notes.unproven();
      const { modelNumber, isPaused } = history.at(event.log);
      if (isPaused) throw new Unproven(`${feed.terms.description} was paused`);
      if (modelNumber !== submission.modelNumber) {
        throw new Unproven(`model ${String(submission.modelNumber)} was not active for ${feed.terms.description}; ${String(modelNumber)} was`);
      }
      const seenAt = isOther ? new Map<bigint, number>() : await this.seenAt(chain, history, roundId, event.observedAt);
      const before = history.before(roundId, submission.observedAt, seenAt);
      const hasPeers = isPeerModel && feed.terms.peers.length > 0 && roundId > 1;
      const state = hasPeers ? { ...before, peerAnswers: await this.verifier.peersAt(feed, roundId - 1) } : before;
      checkTurn(submission, { feed, state }, block.time);
      judged.set(feedId, { feed, state });
    }
    const age = block.time - event.observedAt;
    return {
      detail: `Round ${String(event.roundId)} was next; observed ${String(Math.abs(age))} s ${age < 0 ? "ahead of" : "before"} its block, model ${String(submission.modelNumber)} active, not paused.`,
      value: judged,
    };
  }

  /** Check the held reports before a report for the same round, and return the times of their blocks. */
  private async seenAt(
    chain: PinnedChain,
    history: FeedHistory,
    roundId: number,
    observedAt: number,
  ): Promise<ReadonlyMap<bigint, number>> {
    const earlier = history.holdsFor(roundId).filter((each) => each.observedAt < observedAt);
    await Promise.all(earlier.map((each) => this.verifier.checkEvent(history.feed, each)));
    const times = new Map<bigint, number>();
    for (const { log } of earlier) {
      const block = await chain.block(log.block);
      if (block.hash !== log.blockHash) throw new Unproven(`block ${String(log.block)} is not the same each time it is read`, chain.names);
      times.set(log.block, block.time);
    }
    return times;
  }

  private async windows(
    context: Context,
    submission: Submission,
    judged: ReadonlyMap<Hex, JudgedFeed>,
    listed: ReadonlyMap<Hex, { feed: JudgedFeed["feed"]; derived: DerivedAnswer }>,
  ): Promise<{ detail: string; value: readonly Window[] }> {
    const windows = await Promise.resolve(windowsOf(submission, context.model, judged, listed));
    const own = windows.find(({ feedId }) => feedId === context.event.feedId);
    if (own === undefined) throw new Unproven("the feed is not judged by the report");
    this.notes.note({ features: own.names.map((name, at) => ({ name, value: own.values[at] ?? 0 })) });
    return {
      detail: `${plural(own.names.length, "feature")} of ${windows.length === 1 ? "the feed" : `each of ${String(windows.length)} feeds`}, derived again from rounds, holds and the signed answers.`,
      value: windows,
    };
  }

  private statement(model: Model, windows: readonly Window[]): { detail: string; value: Statement } {
    const value = statementOf(windows, model);
    this.notes.note({ batch: value.batch, instances: value.instances.length, verifier: value.verifier });
    const bound = model.architecture.bindsModel ? "the model's hash, " : "";
    return {
      detail: `${plural(value.instances.length, "instance")}: ${bound}features and scores, for a circuit of ${plural(value.batch, "window")}.`,
      value,
    };
  }

  private async code(chain: PinnedChain, { verifier, codeHash }: Statement): Promise<{ detail: string; value: Uint8Array }> {
    const value = await chain.codeOf(verifier, codeHash);
    if (value.length === 0 || bytesToHex(value.subarray(0, 3)) === "0xef0100") {
      throw new Unproven(`there is no contract of fixed code at ${verifier}`);
    }
    const foreign = foreignInstruction(value);
    if (foreign !== null) {
      throw new Unproven(`the verifier's code at ${verifier} has ${foreign}: it may decide otherwise on the chain than here, and is none of ezkl's`);
    }
    return {
      detail: `${String(value.length)} bytes at ${verifier} have the hash ${codeHash}, which the hub stores. They depend on nothing but the call.`,
      value,
    };
  }

  private async proof(code: Uint8Array, submission: Submission, statement: Statement): Promise<{ detail: string; value: VerifierRun }> {
    const run = await runVerifier(code, submission.proof, statement.instances);
    this.notes.note({ verifierGas: run.gas });
    if (run.foreign.length > 0) {
      throw new Unproven(`the verifier's code calls ${String(run.foreign[0])}, which may answer otherwise on the chain: it is none of ezkl's`);
    }
    if (!run.accepted) {
      throw new Unproven(
        "the proof does not hold for this statement: the report, its history, or the proof was altered, or the hub took what it should not have taken",
      );
    }
    if (!(await this.verifier.refusesOthers(code, submission.proof, statement.instances))) {
      throw new Unproven("the verifier's code accepts the same proof for another statement, too: it verifies nothing");
    }
    return {
      detail: `${String(submission.proof.length)} bytes, run in an EVM here: ${String(run.gas)} gas. For another statement it does not hold.`,
      value: run,
    };
  }

  private setup(chain: PinnedChain, run: VerifierRun): { detail: string; open: boolean; value: true } {
    const point = setupPoint(run);
    if (point === null) {
      throw new Unproven("the code does not check one pairing, as a verifier of these proofs does: it is none of ezkl's");
    }
    if (point === CEREMONY) {
      this.notes.note({ setup: "public ceremony" });
      return { detail: "The pairing that was checked is that of the public ceremony's reference string.", open: false, value: true };
    }
    this.notes.note({ setup: "local" });
    const text = "The code checks the pairing with a local reference string: WHOEVER MADE IT CAN FORGE PROOFS";
    if (!LOCAL_CHAINS.has(chain.chainId)) throw new Unproven(`${text}. Do not rely on this hub`);
    this.notes.warn(`INSECURE: ${text.slice(0, 1).toLowerCase()}${text.slice(1)}. On a local chain that is as it should be.`);
    return { detail: `${text}. On a local chain that is as it should be.`, open: true, value: true };
  }

  private async key(
    code: Uint8Array,
    run: VerifierRun,
    proof: Uint8Array,
    instances: readonly bigint[],
  ): Promise<{ detail: string; open: boolean; value: boolean }> {
    const { publicFiles = [], compile } = this.verifier.options;
    const files = filesOf(publicFiles, code);
    if (files === null) {
      this.notes.warn("Nothing shows here that the verifier's code is that of a model: load the public files.");
      if (!(await refusesOthers(code, proof, instances))) {
        throw new Unproven("the verifier's code accepts the same proof for another statement, too: it verifies nothing");
      }
      return {
        detail:
          publicFiles.length === 0
            ? "No public files were given: load those that whoever runs the hub publishes (oracle model publish)."
            : `None of the ${String(publicFiles.length)} folders of public files has this verifier's code: ask for those of the circuit.`,
        open: true,
        value: false,
      };
    }
    const found = await checkKey(files, code, run, setupPoint(run), compile);
    const source = found.isCompiled
      ? "Verifier.sol compiles to this code"
      : "the code is that of verifier.json (Verifier.sol was not compiled here)";
    return {
      detail:
        `Public files ${found.name}: ${source}, its constants are those of vk.key (${String(found.commitments)} commitments, k = ${String(found.k)}), and ` +
        "the run computed with each of them. That vk.key is the circuit's, and the rest of the code ezkl's, is for oracle verify-deployment.",
      open: false,
      value: true,
    };
  }

  private outcome(context: Context, { feed, state }: JudgedFeed, derived: DerivedAnswer): { detail: string; value: true } {
    const { event, round, block, model } = context;
    const verdict = judge(
      state,
      feed.terms,
      {
        answer: derived.answer,
        observedAt: event.observedAt,
        publishedAt: block.time,
        scores: event.scores,
        modelNumber: event.modelNumber,
        peerAnswers: state.peerAnswers,
      },
      model.scoreUnit,
    );
    const due = verdict.outcome === "held" ? `held as ${String(verdict.reason)}` : verdict.isConfirmed ? "accepted by confirmation" : "accepted";
    const isSame =
      verdict.outcome === event.kind &&
      verdict.isConfirmed === event.isConfirmed &&
      verdict.confirmations === event.confirmations &&
      (event.kind !== "held" || verdict.reason === event.reason);
    if (!isSame) throw new Unproven(`it had to be ${due} (confirmations: ${String(verdict.confirmations)}), and the hub did something else`);
    if (round !== null) {
      const stored = [round.answer, round.observedAt, round.publishedAt, round.modelNumber, round.scoreRatio, round.spread, round.count];
      const follows = [derived.answer, event.observedAt, block.time, event.modelNumber, verdict.scoreRatio, derived.spread, derived.count];
      if (stored.join() !== follows.join()) throw new Unproven(`the hub stores [${stored.join(", ")}] of the round, where [${follows.join(", ")}] follows`);
    }
    return { detail: `It was ${due}${round === null ? "" : ", and each field that the hub stores of the round follows"}.`, value: true };
  }
}

/** Return a number with its noun. */
export function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}
