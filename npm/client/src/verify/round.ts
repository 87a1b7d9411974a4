import type { Hex } from "viem";

import { arraySlot, circuitKey, entrySlot, memberSlot, MEMBERS } from "../read/layout.js";
import { readFeed } from "../read/feeds.js";
import { readCommittee, readModel } from "../read/models.js";
import { readWords } from "../read/words.js";
import type { Committee, Feed, Model } from "../read/types.js";
import { agrees, type Submission } from "./calldata.js";
import { PinnedChain } from "./chain.js";
import { CheckError, Unproven } from "./errors.js";
import { type ReportEvent, reportEvent, topicsOf } from "./events.js";
import { codeHashOf, refusesOthers } from "./evm.js";
import { epochOf, type Epoch, FeedHistory } from "./history.js";
import { ReportCheck } from "./report.js";
import { signersOf, domainSeparator } from "./signatures.js";
import { checkSigners, derivedAnswer } from "./statement.js";
import { firstThat, submissionsOf } from "./transactions.js";
import type { HubOptions, ReportTarget, RoundCheck, Watcher } from "./types.js";

/**
 * Checks reports of one hub. What they share, the state and the history of feeds, is read once, at one block: reports that
 * come later are for a new verifier.
 *
 * Nothing that an endpoint says is believed: see the steps of a check.
 */
export class HubVerifier {
  private pinned: Promise<PinnedChain> | null = null;
  private readonly histories = new Map<Hex, Promise<FeedHistory>>();
  private readonly feeds = new Map<Hex, Promise<Feed>>();
  private readonly models = new Map<number, Promise<Model>>();
  private readonly committees = new Map<number, Promise<Committee>>();
  private readonly probes = new Map<Hex, Promise<boolean>>();
  private readonly epochs = new Map<string, Promise<Epoch>>();

  constructor(readonly options: HubOptions) {}

  /**
   * Check one report.
   *
   * @throws CheckError if there is no such report, or an option is wrong.
   */
  check(target: ReportTarget, watcher: Watcher = {}): Promise<RoundCheck> {
    return new ReportCheck(this, normal(target), watcher).run();
  }

  /** Check a feed's latest rounds, newest first, one after the other. Stop the iteration to stop checking. */
  async *latest(feedId: Hex, count: number): AsyncGenerator<RoundCheck, void, undefined> {
    const { feed } = await this.history(feedId.toLowerCase() as Hex);
    const last = feed.latest?.id ?? 0;
    for (let roundId = last; roundId > Math.max(0, last - count); roundId--) yield await this.check({ feedId, roundId });
  }

  /** The chain at the block that is read. */
  chain(): Promise<PinnedChain> {
    const { hub, endpoints, block = "latest" } = this.options;
    this.pinned ??= PinnedChain.pin(hub, endpoints, block).catch((error: unknown) => {
      this.pinned = null;
      throw error;
    });
    return this.pinned;
  }

  /** Return a feed's history. */
  history(feedId: Hex): Promise<FeedHistory> {
    return kept(this.histories, feedId, async () => FeedHistory.read(await this.chain(), feedId, this.from));
  }

  /** Return a feed as it is in the hub's storage. */
  feed(feedId: Hex): Promise<Feed> {
    return kept(this.feeds, feedId, async () => {
      const chain = await this.chain();
      return readFeed(chain.reader, feedId, chain.head.number);
    });
  }

  /** Return a model as it is in the hub's storage. */
  model(number: number): Promise<Model> {
    return kept(this.models, number, async () => checkedModel(await this.chain(), number));
  }

  /** Return a committee as it is in the hub's storage. */
  committee(id: number): Promise<Committee> {
    return kept(this.committees, id, async () => {
      const chain = await this.chain();
      return readCommittee(chain.reader, id, chain.head.number);
    });
  }

  /** Return the reporters of a committee in an epoch. */
  epoch(committee: number, epoch: number): Promise<Epoch> {
    return kept(this.epochs, `${String(committee)}/${String(epoch)}`, async () =>
      epochOf(await this.chain(), committee, epoch, this.from),
    );
  }

  /**
   * Return the medians of a feed's peers in the report that became a round, from its calldata and signatures.
   *
   * @throws Unproven or Unknown if they are not to be had.
   */
  async peersAt(feed: Feed, roundId: number): Promise<readonly bigint[]> {
    if (feed.latest?.id === roundId) return feed.peerAnswers;
    const chain = await this.chain();
    const topic: Hex = `0x${roundId.toString(16).padStart(64, "0")}`;
    const logs = await chain.logs(this.from, [topicsOf(["RoundAccepted"]), [feed.id], [topic]]);
    const [event] = logs.map(reportEvent).filter((each) => each !== null);
    if (event === undefined) throw new Unproven(withheld(chain, feed, roundId), chain.names);
    const found = await submissionsOf(chain, event.log.transaction, event);
    return firstThat(chain, event.log.transaction, event, found, (submission) => this.signedPeers(chain, feed, submission));
  }

  /**
   * Check that an event on a report tells what reporters signed and what was submitted. Its proof is not verified.
   *
   * @throws Unproven or Unknown if it does not.
   */
  async checkEvent(feed: Feed, event: ReportEvent): Promise<void> {
    const chain = await this.chain();
    const { transaction } = event.log;
    const which = `the report of ${feed.terms.description} in transaction ${transaction}`;
    const found = await submissionsOf(chain, transaction, event);
    await firstThat(chain, transaction, event, found, async (submission) => {
      if (!agrees(submission, event)) {
        throw new Unproven(`the event of ${which} was altered: another one was submitted`, chain.names);
      }
      const epoch = await this.signed(chain, submission);
      if (derivedAnswer(submission, feed, epoch).answer !== event.answer) throw new Unproven(`the answer of ${which} is not the median`);
    });
  }

  /**
   * Return true if code refuses a proof, which it has accepted, for another statement. It is tried once for each code.
   *
   * @param instances The statement that it has accepted.
   */
  refusesOthers(code: Uint8Array, proof: Uint8Array, instances: readonly bigint[]): Promise<boolean> {
    return kept(this.probes, codeHashOf(code), () => refusesOthers(code, proof, instances));
  }

  /** The first block with logs of the hub. */
  get from(): bigint {
    return this.options.fromBlock ?? 0n;
  }

  private async signedPeers(chain: PinnedChain, feed: Feed, submission: Submission): Promise<readonly bigint[]> {
    const epoch = await this.signed(chain, submission);
    return Promise.all(
      feed.terms.peers.map(async (peer) => derivedAnswer(submission, await this.feed(peer), epoch).answer),
    );
  }

  private async signed(chain: PinnedChain, submission: Submission): Promise<Epoch> {
    const epoch = await this.epoch(submission.committee, submission.epoch);
    const domain = domainSeparator("ZkOracle", "2", chain.chainId, chain.hub);
    checkSigners(await signersOf(domain, submission), epoch);
    return epoch;
  }
}

/** Check one report of a hub: see `HubVerifier.check`. */
export function verifyRound(options: HubOptions & ReportTarget & Watcher): Promise<RoundCheck> {
  return new HubVerifier(options).check(options, options);
}

/** Return what to say of a round whose event no endpoint gives. */
export function withheld(chain: PinnedChain, feed: Feed, roundId: number): string {
  return (
    `round ${String(roundId)} of ${feed.terms.description} is on the hub, but not in the logs of ` +
    `${chain.names.join(" and ")}: the endpoint withholds it, or has forgotten it. Take another endpoint`
  );
}

/**
 * Return a model as the hub's submissions use it, which has to be what its architecture says.
 *
 * A hub whose storage other creation code wrote could show an honest architecture, and judge by another verifier.
 */
async function checkedModel(chain: PinnedChain, number: number): Promise<Model> {
  const model = await readModel(chain.reader, number, chain.head.number);
  const { architecture } = model;
  const slots = [
    entrySlot(memberSlot(MEMBERS.models), BigInt(number)) + 1n,
    entrySlot(memberSlot(MEMBERS.features), BigInt(architecture.id)),
    ...architecture.circuits.flatMap((_, index) => [
      entrySlot(memberSlot(MEMBERS.circuits), circuitKey(number, index)),
      entrySlot(memberSlot(MEMBERS.shapes), circuitKey(architecture.id, index)),
    ]),
  ];
  const words = await readWords(chain.reader, slots, chain.head.number);
  for (let at = 0; at < words.length; at += 2) {
    // A circuit of a model has the score unit above the shape.
    const bits = at === 0 ? 256 : 208;
    if (BigInt.asUintN(bits, words[at] ?? 0n) !== BigInt.asUintN(bits, words[at + 1] ?? 0n)) {
      throw new Unproven(`model ${String(number)} does not have the features and circuits of its architecture: its storage was tampered with`);
    }
  }
  return model;
}

/** The slots of a model's and a committee's words. */
export function fixedSlots(model: Model, committee: number): readonly bigint[] {
  const { architecture } = model;
  const start = entrySlot(memberSlot(MEMBERS.models), BigInt(model.number));
  const reporters = entrySlot(memberSlot(MEMBERS.committees), BigInt(committee));
  const circuits = architecture.circuits.flatMap((_, index) => [
    entrySlot(memberSlot(MEMBERS.circuits), circuitKey(model.number, index)),
    entrySlot(memberSlot(MEMBERS.shapes), circuitKey(architecture.id, index)),
    entrySlot(memberSlot(MEMBERS.codeHashes), circuitKey(architecture.id, index)),
  ]);
  return [
    ...[0n, 1n, 2n, 3n].map((each) => start + each),
    entrySlot(memberSlot(MEMBERS.features), BigInt(architecture.id)),
    ...circuits,
    reporters,
    reporters + 1n,
  ];
}

/** The slots of a committee's reporters. */
export function reporterSlots(committee: number, count: number): readonly bigint[] {
  const first = arraySlot(entrySlot(memberSlot(MEMBERS.committees), BigInt(committee)) + 1n);
  return Array.from({ length: count }, (_, at) => first + BigInt(at));
}

function normal(target: ReportTarget): ReportTarget {
  const feedId = target.feedId.toLowerCase() as Hex;
  if (!/^0x[0-9a-f]{64}$/.test(feedId)) throw new CheckError(`${target.feedId} is no feed's id: 0x and 64 hexadecimal digits.`);
  if ("roundId" in target) {
    if (!Number.isSafeInteger(target.roundId) || target.roundId < 1 || target.roundId >= 2 ** 32) {
      throw new CheckError(`${String(target.roundId)} is no round: rounds are counted from 1.`);
    }
    return { feedId, roundId: target.roundId };
  }
  if (!/^0x[0-9a-fA-F]{64}$/.test(target.transaction)) throw new CheckError(`${target.transaction} is no transaction's hash.`);
  return { ...target, feedId, transaction: target.transaction.toLowerCase() as Hex };
}

/** Return what is kept under a key, or make it once. What failed is tried again. */
function kept<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make().catch((error: unknown) => {
    map.delete(key);
    throw error;
  });
  map.set(key, made);
  return made;
}
