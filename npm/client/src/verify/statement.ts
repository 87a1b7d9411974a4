/** The statement of a report, as the hub must have written it: who signed, the answers, the features, the instances. */
import type { Address, Hex } from "viem";

import type { Feed, Model } from "../read/types.js";
import { duePositions, ranked, type Submission } from "./calldata.js";
import { Unknown, Unproven } from "./errors.js";
import { featureNames, instanceCount, instances, seesPeers, spread } from "./features.js";
import { type FeedState, window } from "./gate.js";
import type { Epoch } from "./history.js";

/** The answer of one listed feed, as it follows from the signatures. */
export interface DerivedAnswer {
  readonly answer: bigint;
  readonly spread: number;
  readonly count: number;
}

/** Check that distinct reporters of the committee signed. */
export function checkSigners(signers: readonly Address[], epoch: Epoch): void {
  const reporters = new Set(epoch.reporters.map((each) => each.toLowerCase()));
  const stranger = signers.find((each) => !reporters.has(each.toLowerCase()));
  if (stranger !== undefined) {
    throw new Unproven(
      `${stranger} signed, who is not a reporter of committee ${String(epoch.committee)} in epoch ${String(epoch.epoch)}: ` +
        "or an answer, a round or a time was altered since it was signed",
    );
  }
  if (new Set(signers.map((each) => each.toLowerCase())).size !== signers.length) {
    throw new Unproven("a reporter signed twice");
  }
}

/** Return what follows from the signatures for one listed feed, due or not. */
export function derivedAnswer(submission: Submission, feed: Feed, epoch: Epoch): DerivedAnswer {
  const { description, committee, maxSpread } = feed.terms;
  const position = submission.feedIds.indexOf(feed.id);
  if (committee !== submission.committee) {
    throw new Unproven(`${description} is of committee ${String(committee)}, not of ${String(submission.committee)}`);
  }
  const answers = ranked(submission, position);
  if (answers.length < epoch.quorum) {
    throw new Unproven(`${description} has ${String(answers.length)} answers where ${String(epoch.quorum)} are the quorum`);
  }
  const [lowest, median, highest] = [answers[0], answers[Math.floor(answers.length / 2)], answers.at(-1)];
  if (lowest === undefined || median === undefined || highest === undefined) {
    throw new Unproven(`nobody has an answer for ${description}`);
  }
  const named = submission.rows[submission.medians[position] ?? -1]?.answers[position];
  if (named !== median.answer) throw new Unproven(`the row that was named for ${description} does not hold the median`);
  const apart = spread(feed.terms, lowest.answer, highest.answer);
  if (maxSpread !== 0 && apart > maxSpread) throw new Unproven(`the reporters' answers for ${description} were too far apart`);
  return { answer: median.answer, spread: apart, count: answers.length };
}

/** What is known of a feed that a report judges. */
export interface JudgedFeed {
  readonly feed: Feed;
  readonly state: FeedState;
}

/** A window of features of a feed that is judged. */
export interface Window {
  readonly feedId: Hex;
  readonly names: readonly string[];
  readonly values: readonly number[];
  readonly scores: readonly bigint[];
}

/** Check that a report of a feed that is due is the feed's next, newer than the last one, and fresh. */
export function checkTurn(submission: Submission, { feed, state }: JudgedFeed, blockTime: number): void {
  const { description, maxAge, maxSkew } = feed.terms;
  const round = submission.roundIds[submission.feedIds.indexOf(feed.id)];
  if (round !== state.roundId + 1) {
    throw new Unproven(`signed for round ${String(round)} of ${description}, but ${String(state.roundId + 1)} was next`);
  }
  const { observedAt } = submission;
  if (observedAt <= state.lastReportAt) throw new Unproven(`the report of ${description} was not newer than the last one`);
  if (observedAt > blockTime + maxSkew) throw new Unproven(`the report of ${description} was from the future`);
  if (observedAt + maxAge < blockTime) throw new Unproven(`the report of ${description} was too old`);
}

/**
 * Return the windows of all feeds that are due, in the report's order.
 *
 * @param listed All feeds of the report, with what follows for them.
 */
export function windowsOf(
  submission: Submission,
  model: Model,
  judged: ReadonlyMap<Hex, JudgedFeed>,
  listed: ReadonlyMap<Hex, { readonly feed: Feed; readonly derived: DerivedAnswer }>,
): readonly Window[] {
  const names = featureNames(model.architecture.features);
  return duePositions(submission).map((position, at) => {
    const feedId = submission.feedIds[position];
    const [known, found] = feedId === undefined ? [] : [judged.get(feedId), listed.get(feedId)];
    const scores = submission.scores[at];
    if (feedId === undefined || known === undefined || found === undefined || scores === undefined) {
      throw new Unknown("a feed of the report is not known");
    }
    const { feed, state } = known;
    const peers = feed.terms.peers.map((peer) => {
      const of = listed.get(peer);
      if (of === undefined) throw new Unproven(`a peer of ${feed.terms.description} is not in the report`);
      return { measure: of.feed.terms, answer: of.derived.answer };
    });
    const lacksPeers = state.roundId > 0 && peers.length > 0 && state.peerAnswers === null;
    if (seesPeers(names) && lacksPeers) throw new Unknown(`the answers of the peers of ${feed.terms.description} are not known`);
    if (state.roundId === 0 && feed.terms.kind === "relative" && found.derived.answer <= 0n) {
      throw new Unproven(`the first answer of ${feed.terms.description} is not positive`);
    }
    const values = window(names, state, feed.terms, { ...found.derived, observedAt: submission.observedAt, peers });
    return { feedId, names, values, scores };
  });
}

/** The statement that a proof has to show. */
export interface Statement {
  readonly batch: number;
  readonly verifier: Address;
  readonly codeHash: Hex;
  readonly instances: readonly bigint[];
}

/** Return the statement that the hub must have built for the proof. */
export function statementOf(windows: readonly Window[], model: Model): Statement {
  const { architecture } = model;
  const circuit = architecture.circuits.find(({ batchSize }) => batchSize >= windows.length);
  if (circuit === undefined) throw new Unproven(`the model has no circuit for ${String(windows.length)} feeds`);
  const scores = windows.map((each) => each.scores);
  if (scores.some((each) => each.length !== architecture.outputs)) {
    throw new Unproven(`there are not ${String(architecture.outputs)} scores of each feed, as the model has`);
  }
  const found = instances(
    architecture.bindsModel ? model.hash : null,
    windows.map((each) => each.values),
    scores,
    circuit.batchSize,
  );
  const count = instanceCount(architecture.bindsModel, circuit.batchSize, architecture.features.length, architecture.outputs);
  if (found.length !== count) throw new Unproven("the statement does not have as many instances as the circuit");
  return { batch: circuit.batchSize, verifier: circuit.verifier, codeHash: circuit.codeHash, instances: found };
}
