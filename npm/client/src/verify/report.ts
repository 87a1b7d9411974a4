/** The check of one report, step by step. */
import { bytesToHex, type Hex } from "viem";

import { featureNames, seesPeers } from "./features.js";
import type { Model, Round } from "../read/types.js";
import { agrees, duePositions, type Submission } from "./calldata.js";
import type { BlockHead, PinnedChain } from "./chain.js";
import { CheckError, Unknown, Unproven } from "./errors.js";
import { type ReportEvent, reportEvent, topicsOf } from "./events.js";
import { runVerifier, setupPoint, type VerifierRun } from "./evm.js";
import { judge } from "./gate.js";
import { type Epoch, type FeedHistory } from "./history.js";
import { CEREMONY, checkKey, filesOf } from "./key.js";
import { fixedSlots, type HubVerifier, reporterSlots, withheld } from "./round.js";
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
import { Recorder } from "./steps.js";
import { type FoundSubmissions, submissionsOf } from "./transactions.js";
import type { ReportTarget, RoundCheck, RoundFacts, RoundStepId, SignedRow, Watcher } from "./types.js";

const TITLES: Readonly<Record<RoundStepId, string>> = {
  endpoints: "The endpoints agree on a block",
  state: "What was read of the hub follows from the block's hash",
  history: "The feed's history is whole",
  submission: "The report is found in its transaction",
  signatures: "Reporters of the committee signed it",
  answer: "The answer is the median of a quorum",
  turn: "It was the feed's next report, and fresh",
  features: "The features follow from the feed's history",
  statement: "The statement is the hub's own",
  verifier: "The verifier's code is the one that the hub pinned",
  proof: "The proof holds in the verifier's own code",
  setup: "Nobody can forge proofs",
  key: "The code belongs to the published key",
  outcome: "The hub did what follows",
};
const AFTER_HISTORY = ["submission", "signatures", "answer", "turn", "features", "statement", "verifier", "proof", "setup", "key", "outcome"] as const;
const LOCAL_CHAINS = new Set([31_337, 1_337]);

/** What the steps of a candidate rest on. */
interface Context {
  readonly chain: PinnedChain;
  readonly history: FeedHistory;
  readonly model: Model;
  readonly event: ReportEvent;
  readonly round: Round | null;
  readonly block: BlockHead;
}

/** Checks one report. */
export class ReportCheck {
  private facts: RoundFacts;
  private readonly warnings = new Set<string>();

  constructor(
    private readonly verifier: HubVerifier,
    private readonly target: ReportTarget,
    private readonly watcher: Watcher,
  ) {
    this.facts = noFacts(target);
  }

  /** Take all steps. */
  async run(): Promise<RoundCheck> {
    const begun = performance.now();
    const recorder = new Recorder(TITLES, this.watcher);
    const chain = await this.endpoints(recorder);
    if (chain !== null) await this.onChain(recorder, chain);
    else recorder.skip(["state", "history", ...AFTER_HISTORY], "It was not looked at, as no endpoint could be relied on.");
    const lies = [...(chain?.lies ?? [])];
    for (const [name, lie] of lies) this.warnings.add(`${name} lies: ${lie}. What is right was read from another endpoint.`);
    for (const [name, count] of chain?.withheld ?? []) {
      this.warnings.add(`${name} does not tell ${String(count)} events that another endpoint tells.`);
    }
    return {
      verdict: recorder.verdict,
      steps: recorder.steps,
      facts: this.facts,
      anchor:
        chain === null
          ? null
          : {
              chainId: chain.chainId,
              block: chain.head.number,
              hash: chain.head.hash,
              isProven: recorder.steps.some(({ id, state }) => id === "state" && state === "holds"),
              endpoints: chain.names,
            },
      liars: [...new Set([...recorder.steps.flatMap((step) => step.liars), ...lies.map(([name]) => name)])],
      warnings: [...this.warnings],
      remains: remains(chain),
      milliseconds: performance.now() - begun,
    };
  }

  private async onChain(recorder: Recorder<RoundStepId>, chain: PinnedChain): Promise<void> {
    const base = await recorder.step("state", () => this.state(chain));
    if (base === null) {
      recorder.skip(["history", ...AFTER_HISTORY], "It was not looked at, as the hub's storage could not be read.");
      return;
    }
    const event = await recorder.step("history", () => this.history(chain, base.history, base.round, base.event));
    if (event === null) {
      recorder.skip(AFTER_HISTORY, "It was not looked at, as the history is not whole.");
      return;
    }
    const found = await recorder.step("submission", () => this.submission(chain, base.round, event));
    if (found === null) {
      recorder.skip(AFTER_HISTORY.slice(1), "It was not looked at, as the report was not found.");
      return;
    }
    const context = { chain, ...base, event, block: found.block };
    // Whoever made a relay's input may have put several submissions in it that agree with the event.
    const [first, ...others] = found.candidates;
    if (first === undefined) return;
    const { facts } = this;
    let chosen = first;
    for (const candidate of others.length > 0 ? found.candidates : []) {
      const quiet = new Recorder(TITLES, {});
      this.facts = facts;
      await this.judged(quiet, context, candidate);
      if (quiet.isClean) {
        chosen = candidate;
        break;
      }
    }
    this.facts = facts;
    await this.judged(recorder, context, chosen);
  }

  // --- the chain ---------------------------------------------------------------------------------------------------

  private endpoints(recorder: Recorder<RoundStepId>): Promise<PinnedChain | null> {
    return recorder.step("endpoints", async () => {
      const chain = await this.verifier.chain();
      for (const { name, why, isContradiction } of chain.leftOut) {
        if (isContradiction) {
          const names = [...chain.names, name];
          throw new Unproven(`${name} contradicts ${chain.names.join(" and ")}: ${why}. Ask a third`, names);
        }
        this.warnings.add(`${name} is left out: ${why}`);
      }
      const detail = `Block ${String(chain.head.number)} of chain ${String(chain.chainId)}, ${chain.head.hash}, at ${chain.names.join(" and ")}.`;
      return { detail, value: chain };
    });
  }

  private async state(chain: PinnedChain): Promise<{
    detail: string;
    open: boolean;
    value: { history: FeedHistory; model: Model; event: ReportEvent | null; round: Round | null };
  }> {
    const history = await this.verifier.history(this.target.feedId);
    const event = await this.held(chain, history);
    const roundId = "roundId" in this.target ? this.target.roundId : (event?.roundId ?? 0);
    const round = event?.kind === "held" ? null : history.round(roundId);
    const { description, committee } = history.feed.terms;
    if (round === null && event?.kind !== "held") {
      const latest = history.feed.latest?.id ?? 0;
      throw new CheckError(`Round ${String(roundId)} of ${description} does not exist: the latest is ${String(latest)}.`);
    }
    const model = await this.verifier.model(round?.modelNumber ?? event?.modelNumber ?? 0);
    const reporters = (await this.verifier.committee(committee)).reporters.length;
    const slots = [...history.slots(roundId), ...fixedSlots(model, committee), ...reporterSlots(committee, reporters)];
    const isProven = await chain.prove(slots);
    this.note({ roundId, modelNumber: model.number });
    const words = `${String(slots.length)} words of the hub's storage`;
    if (!isProven && chain.names.length === 1) {
      this.warnings.add(`All of it was read from one endpoint, ${chain.names.join()}, which proves nothing: name a second one.`);
    }
    return {
      detail: isProven
        ? `${words} follow from the hash of block ${String(chain.head.number)}, by eth_getProof. Compare that hash with what somebody else says of the block.`
        : `No endpoint shows by eth_getProof that ${words} follow from the block's hash: they are ${
            chain.names.length > 1 ? `what ${chain.names.join(" and ")} both say` : `believed as ${chain.names.join()} told them`
          }.`,
      open: !isProven,
      value: { history, model, event, round },
    };
  }

  /** Return the event of a target that is named by its transaction; null if the round names it. */
  private async held(chain: PinnedChain, history: FeedHistory): Promise<ReportEvent | null> {
    if ("roundId" in this.target) return null;
    const { transaction, logIndex, feedId } = this.target;
    const found = history.heldIn(transaction, logIndex);
    if (found !== null) return found;
    const events = (await chain.logsIn(transaction)).map(reportEvent).filter((each) => each?.feedId === feedId);
    const event = events.find((each) => (logIndex ?? each?.log.index) === each?.log.index);
    if (event === undefined || event === null) {
      throw new CheckError(`Transaction ${transaction} has no report of ${history.feed.terms.description}.`);
    }
    if (event.kind === "held") throw new Unproven("a held report is in its receipt, but not in the logs", chain.names);
    return event;
  }

  private async history(
    chain: PinnedChain,
    history: FeedHistory,
    round: Round | null,
    held: ReportEvent | null,
  ): Promise<{ detail: string; value: ReportEvent }> {
    const { feed, problems } = history;
    if (problems.length > 0) {
      throw new Unproven(`${problems.join("; ")}: ${chain.names.join(" and ")} withholds or alters a part. Take another endpoint`, chain.names);
    }
    const event = round === null ? held : await this.accepted(chain, history, round);
    if (event === null) throw new Unproven("the report is not in the logs", chain.names);
    this.note({
      outcome: event.kind === "held" ? "held" : event.isConfirmed ? "confirmed" : "accepted",
      reason: event.reason,
      answer: event.answer,
      observedAt: event.observedAt,
      transaction: event.log.transaction,
      block: event.log.block,
      submitter: event.submitter,
      scores: event.scores,
    });
    const rounds = feed.latest?.id ?? 0;
    return {
      detail:
        `${plural(rounds, "round")} of ${feed.terms.description} and its held reports lead to what the hub stores: number, ` +
        "moves, variance, what is held, model and pause.",
      value: event,
    };
  }

  /** Return the event of a round, which has to be what the hub stores of it. */
  private async accepted(chain: PinnedChain, history: FeedHistory, round: Round): Promise<ReportEvent> {
    const topic: Hex = `0x${round.id.toString(16).padStart(64, "0")}`;
    const logs = await chain.logs(this.verifier.from, [topicsOf(["RoundAccepted"]), [history.feed.id], [topic]]);
    const [event, ...more] = logs.map(reportEvent).filter((each) => each !== null);
    if (event === undefined) throw new Unproven(withheld(chain, history.feed, round.id), chain.names);
    const told = (each: { answer: bigint; observedAt: number; modelNumber: number }): string =>
      [each.answer, each.observedAt, each.modelNumber].join();
    const isSame = told(event) === told(round) && event.isConfirmed === (history.reason(round) !== null);
    if (more.length > 0 || !isSame) {
      throw new Unproven(
        `the event of round ${String(round.id)} that ${chain.names.join(" and ")} tells is not what the hub stores of the ` +
          "round: it was altered. Take another endpoint",
        chain.names,
      );
    }
    return event;
  }

  private async submission(
    chain: PinnedChain,
    round: Round | null,
    event: ReportEvent,
  ): Promise<{ detail: string; value: FoundSubmissions & { block: BlockHead } }> {
    const [found, block] = await Promise.all([submissionsOf(chain, event.log.transaction, event), chain.block(event.log.block)]);
    if (block.hash !== event.log.blockHash || (round !== null && block.time !== round.publishedAt)) {
      throw new Unproven(
        `block ${String(event.log.block)} is not the one in which the report came, or its time was altered: it was ` +
          "reorganised, or the endpoint lies. Begin again",
        chain.names,
      );
    }
    const agreeing = found.candidates.filter((each) => agrees(each, event));
    if (agreeing.length === 0) {
      throw new Unproven(
        "the transaction brought another report than the event tells: the event was altered" +
          (found.isHashed ? "" : ", or the transaction") +
          ", or the hub is none of this release",
        found.isHashed ? chain.names : [],
      );
    }
    this.note({ block: block.number, blockTime: block.time, way: found.way });
    const how = found.way === "direct" ? "which calls the hub" : "through another contract";
    const hash = found.isHashed
      ? "Its bytes have that hash."
      : "Its form is not known here, so its bytes were not hashed again; signatures and proof decide.";
    return {
      detail: `In transaction ${event.log.transaction} of block ${String(block.number)}, ${how}. ${hash}`,
      value: { ...found, candidates: agreeing, block },
    };
  }

  // --- one candidate -----------------------------------------------------------------------------------------------

  private async judged(recorder: Recorder<RoundStepId>, context: Context, submission: Submission): Promise<void> {
    const { chain, model, event } = context;
    const skip = (from: RoundStepId, why: string): void => {
      recorder.skip(AFTER_HISTORY.slice(AFTER_HISTORY.findIndex((each) => each === from)), `It was not looked at, as ${why}.`);
    };
    this.note({
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
      await recorder.step("key", () => this.key(code, run));
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
      this.warnings.add(
        `The reporters of epoch ${String(epoch.epoch)} of committee ${String(epoch.committee)} have changed since: only an event of ` +
          "the hub names them.",
      );
    }
    const position = submission.feedIds.indexOf(event.feedId);
    const median = submission.medians[position];
    this.note({
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
    for (const feedId of submission.feedIds) {
      const feed = await this.verifier.feed(feedId);
      listed.set(feedId, { feed, derived: derivedAnswer(submission, feed, epoch) });
    }
    const own = listed.get(event.feedId)?.derived;
    if (own?.answer !== event.answer) throw new Unproven(`the median is ${String(own?.answer)}, and the hub said ${String(event.answer)}`);
    this.note({ spread: own.spread });
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
      if (isOther) await chain.prove(history.slots(roundId));
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
    this.note({ features: own.names.map((name, at) => ({ name, value: own.values[at] ?? 0 })) });
    return {
      detail: `${plural(own.names.length, "feature")} of ${windows.length === 1 ? "the feed" : `each of ${String(windows.length)} feeds`}, derived again from rounds, holds and the signed answers.`,
      value: windows,
    };
  }

  private statement(model: Model, windows: readonly Window[]): { detail: string; value: Statement } {
    const value = statementOf(windows, model);
    this.note({ batch: value.batch, instances: value.instances.length, verifier: value.verifier });
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
    return { detail: `${String(value.length)} bytes at ${verifier} have the hash ${codeHash}, which the hub stores.`, value };
  }

  private async proof(code: Uint8Array, submission: Submission, statement: Statement): Promise<{ detail: string; value: VerifierRun }> {
    const run = await runVerifier(code, submission.proof, statement.instances);
    this.note({ verifierGas: run.gas });
    if (!run.accepted) {
      throw new Unproven(
        "the proof does not hold for this statement: the report, its history, or the proof was altered, or the hub took what it should not have taken",
      );
    }
    return { detail: `${String(submission.proof.length)} bytes, run in an EVM here: ${String(run.gas)} gas.`, value: run };
  }

  private setup(chain: PinnedChain, run: VerifierRun): { detail: string; open: boolean; value: true } {
    const point = setupPoint(run);
    if (point === null) {
      throw new Unproven("the code does not check one pairing, as a verifier of these proofs does: it is none of ezkl's");
    }
    if (point === CEREMONY) {
      this.note({ setup: "public ceremony" });
      return { detail: "The pairing that was checked is that of the public ceremony's reference string.", open: false, value: true };
    }
    this.note({ setup: "local" });
    const text = "The code checks the pairing with a local reference string: WHOEVER MADE IT CAN FORGE PROOFS";
    if (!LOCAL_CHAINS.has(chain.chainId)) throw new Unproven(`${text}. Do not rely on this hub`);
    this.warnings.add(`INSECURE: ${text.slice(0, 1).toLowerCase()}${text.slice(1)}. On a local chain that is as it should be.`);
    return { detail: `${text}. On a local chain that is as it should be.`, open: true, value: true };
  }

  private async key(code: Uint8Array, run: VerifierRun): Promise<{ detail: string; open: boolean; value: boolean }> {
    const { publicFiles = [], compile } = this.verifier.options;
    const files = filesOf(publicFiles, code);
    if (files === null) {
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

  private note(facts: Partial<RoundFacts>): void {
    this.facts = { ...this.facts, ...facts };
  }
}

function remains(chain: PinnedChain | null): readonly string[] {
  const hub = chain?.hub ?? "HUB";
  return [
    `That the hub is this release's contract, and nothing else ever wrote its storage: oracle verify-deployment ${hub}.`,
    `That the published key is made from the model's graph, and the verifier from the key: oracle verify-deployment ${hub} --artifacts FOLDER.`,
    `All reports of all feeds, and every word of the storage: oracle audit ${hub} --artifacts FOLDER.`,
  ];
}

function plural(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function noFacts(target: ReportTarget): RoundFacts {
  return {
    feedId: target.feedId,
    roundId: "roundId" in target ? target.roundId : 0,
    ...{ outcome: null, reason: null, answer: null, observedAt: null, transaction: null, block: null, blockTime: null },
    ...{ submitter: null, way: null, committee: null, epoch: null, quorum: null, signed: [], spread: null, features: [] },
    ...{ scores: [], modelNumber: null, judged: null, batch: null, instances: null, proofBytes: null, verifier: null },
    ...{ verifierGas: null, setup: null },
  };
}
