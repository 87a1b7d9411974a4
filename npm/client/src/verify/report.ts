/** The check of one report, step by step. */
import type { Hex } from "viem";

import type { Model, Round } from "../read/types.js";
import type { BlockHead } from "./answers.js";
import { agrees } from "./calldata.js";
import { AFTER_HISTORY, CandidateCheck, type Context, LOCAL_CHAINS, type Notes, plural } from "./candidate.js";
import type { PinnedChain } from "./chain.js";
import { CheckError, Unknown, Unproven } from "./errors.js";
import { type ReportEvent, reportEvent, topicsOf } from "./events.js";
import type { FeedHistory } from "./history.js";
import { fixedSlots, type HubVerifier, reporterSlots, withheld } from "./round.js";
import { Recorder } from "./steps.js";
import { firstThat, type FoundSubmissions, submissionsOf } from "./transactions.js";
import type { ReportTarget, RoundCheck, RoundFacts, RoundStepId, Watcher } from "./types.js";

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
/** Seconds after which the latest block of a chain is old. */
const OLD = 3_600;

/** Checks one report. */
export class ReportCheck {
  private facts: RoundFacts;
  private readonly warnings = new Set<string>();
  private isUnproven = false;

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
              isProven: !this.isUnproven && recorder.steps.some(({ id, state }) => id === "state" && state === "holds"),
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
    if (found.way === "direct") {
      const [only] = found.candidates;
      if (only === undefined) return;
      const { notes, keep } = this.notes();
      await new CandidateCheck(this.verifier, recorder, context, notes).judged(only);
      keep();
      return;
    }
    await this.relayed(recorder, context, found);
  }

  /** Take the steps of a relayed report: those of the first submission that holds, or else why none is the one. */
  private async relayed(recorder: Recorder<RoundStepId>, context: Context, found: FoundSubmissions): Promise<void> {
    const { event, chain } = context;
    const { facts } = this;
    const judged: { readonly quiet: Recorder<RoundStepId>; readonly facts: RoundFacts; readonly keep: () => void }[] = [];
    try {
      await firstThat(chain, event.log.transaction, event, found, async (candidate) => {
        this.facts = facts;
        const quiet = new Recorder(TITLES, {});
        const { notes, keep } = this.notes();
        await new CandidateCheck(this.verifier, quiet, context, notes).judged(candidate);
        judged.push({ quiet, facts: this.facts, keep });
        const failed = quiet.steps.find(({ state }) => state === "fails");
        if (failed !== undefined) throw new Unproven(failed.detail, failed.liars);
      });
    } catch (error) {
      if (error instanceof Unknown) {
        this.facts = facts;
        recorder.skip(AFTER_HISTORY.slice(1), `It was not looked at: ${error.message}.`);
        return;
      }
      if (!(error instanceof Unproven)) throw error;
    }
    const last = judged.at(-1);
    if (last === undefined) return;
    this.facts = last.facts;
    last.keep();
    recorder.take(last.quiet);
  }

  /** Return what takes the notes on a submission, and what keeps those that are no facts: decoys leave none. */
  private notes(): { readonly notes: Notes; readonly keep: () => void } {
    const warnings: string[] = [];
    let isUnproven = false;
    return {
      notes: {
        note: (found) => { this.note(found); },
        warn: (text) => { warnings.push(text); },
        unproven: () => { isUnproven = true; },
      },
      keep: () => {
        if (isUnproven) {
          this.isUnproven = true;
          warnings.push("Words of other feeds of the report could not be proven: they are believed as they were told.");
        }
        for (const each of warnings) this.warnings.add(each);
      },
    };
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
      const age = Math.floor(Date.now() / 1_000) - chain.head.time;
      if (age > OLD && !LOCAL_CHAINS.has(chain.chainId)) {
        this.warnings.add(`The latest block at ${chain.names.join(" and ")} is ${String(Math.floor(age / 3_600))} hours old.`);
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

  private note(facts: Partial<RoundFacts>): void {
    this.facts = { ...this.facts, ...facts };
  }
}

function remains(chain: PinnedChain | null): readonly string[] {
  const hub = chain?.hub ?? "HUB";
  const isAlone = chain?.names.length === 1;
  return [
    ...(isAlone
      ? [`That block ${String(chain.head.number)} is the chain's: compare its hash ${chain.head.hash} with what somebody else says, or name a second endpoint.`]
      : []),
    `That the hub is this release's contract, and nothing else ever wrote its storage: oracle verify-deployment ${hub}.`,
    `That the published key is made from the model's graph, and the verifier from the key: oracle verify-deployment ${hub} --artifacts FOLDER.`,
    `All reports of all feeds, and every word of the storage: oracle audit ${hub} --artifacts FOLDER.`,
  ];
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
