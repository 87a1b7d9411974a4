import { hexToString, type Hex } from "viem";

import { HubError } from "./errors.js";
import { arraySlot, entrySlot, FEED, feedSlot, FEED_WORDS, memberSlot, MEMBERS, roundSlot } from "./layout.js";
import {
  bits,
  hex32,
  unpackConfig,
  unpackHeld,
  unpackHeldReports,
  unpackPeers,
  unpackProposals,
  unpackRound,
  unpackShadow,
  unpackTrack,
} from "./slots.js";
import type { Feed, Round } from "./types.js";
import { readWords, type BlockTag, type Hub } from "./words.js";

/** Feeds whose ids are read with their number, in one call. */
const FIRST_IDS = 64;

/** Return the ids of all feeds, in the order in which they were added. */
export async function readFeedIds(hub: Hub, block: BlockTag = "latest"): Promise<Hex[]> {
  const slot = memberSlot(MEMBERS.feedIds);
  const first = arraySlot(slot);
  const slots = (from: number, to: number): bigint[] => range(from, to).map((i) => first + BigInt(i));
  const [count = 0n, ...ids] = await readWords(hub, [slot, ...slots(0, FIRST_IDS)], block);
  if (count > 100_000n) throw new HubError(`${hub.endpoint.name} says that the hub has ${String(count)} feeds. Take another endpoint.`);
  const rest = Number(count) > FIRST_IDS ? await readWords(hub, slots(FIRST_IDS, Number(count)), block) : [];
  return [...ids, ...rest].slice(0, Number(count)).map(hex32);
}

/** Return all feeds. It takes three calls, however many there are. */
export async function readFeeds(hub: Hub, block: BlockTag = "latest"): Promise<Feed[]> {
  return readFeedsOf(hub, await readFeedIds(hub, block), block);
}

/**
 * Return one feed.
 *
 * @throws HubError if the hub does not have it.
 */
export async function readFeed(hub: Hub, feedId: Hex, block: BlockTag = "latest"): Promise<Feed> {
  const [feed] = await readFeedsOf(hub, [feedId], block);
  if (feed === undefined) throw new HubError("no feed"); // one id was asked for
  return feed;
}

/** Return the feeds with these ids, in their order. It takes two calls. */
export async function readFeedsOf(hub: Hub, ids: readonly Hex[], block: BlockTag = "latest"): Promise<Feed[]> {
  const starts = ids.map(feedSlot);
  const words = await readWords(
    hub,
    starts.flatMap((start) => range(0, FEED_WORDS).map((i) => start + BigInt(i))),
    block,
  );
  const feeds = ids.map((_, i) => words.slice(FEED_WORDS * i, FEED_WORDS * (i + 1)));
  const further = ids.map((id, i) => furtherSlots(id, starts[i] ?? 0n, feeds[i] ?? []));
  const found = await readWords(hub, further.flat(), block);
  let at = 0;
  return ids.map((id, i) => {
    const count = further[i]?.length ?? 0;
    const part = found.slice(at, at + count);
    at += count;
    return feedOf(hub, id, feeds[i] ?? [], part);
  });
}

/**
 * Return accepted rounds by their ids, in this order. A thousand cost one call.
 *
 * @throws HubError if one of them does not exist: ids have no gaps up to the latest one.
 */
export async function readRounds(
  hub: Hub,
  feedId: Hex,
  ids: readonly number[],
  block: BlockTag = "latest",
): Promise<Round[]> {
  const [rounds = []] = await readRoundsOf(hub, [{ feedId, ids }], block);
  return rounds;
}

/** Rounds of a feed that are wanted. */
export interface WantedRounds {
  readonly feedId: Hex;
  readonly ids: readonly number[];
}

/** Return rounds of several feeds, in the order of what is wanted: what `readRounds` does, in one call for all. */
export async function readRoundsOf(hub: Hub, wanted: readonly WantedRounds[], block: BlockTag = "latest"): Promise<Round[][]> {
  const slots = wanted.map(({ feedId, ids }) => {
    const rounds = feedSlot(feedId) + FEED.rounds;
    return ids.map((id) => entrySlot(rounds, BigInt(id)));
  });
  const words = await readWords(hub, slots.flat(), block);
  let at = 0;
  return wanted.map(({ feedId, ids }) => ids.map((id) => roundOf(hub, feedId, id, words[at++] ?? 0n)));
}

/** Return true if a round is overdue: the latest observation is older than heartbeat + maxAge, or there is none. */
export function isStale(feed: Feed, now: number): boolean {
  return feed.latest === null || now > feed.latest.observedAt + feed.terms.heartbeat + feed.terms.maxAge;
}

function roundOf(hub: Hub, feedId: Hex, id: number, word: bigint): Round {
  const round = unpackRound(id, word);
  if (round !== null) return round;
  throw new HubError(
    `${hub.endpoint.name} says that round ${String(id)} of the feed ${feedId} does not exist. If later ones do, ` +
      "it withholds it: take another endpoint.",
  );
}

/** The slots that a feed's own words lead to: its latest round, and the rest of a long description. */
function furtherSlots(id: Hex, start: bigint, words: readonly bigint[]): bigint[] {
  const { roundId } = unpackTrack(words[Number(FEED.track)] ?? 0n);
  const head = words[Number(FEED.description)] ?? 0n;
  const slots = [roundSlot(id, roundId)];
  if (bits(head, 0, 1) === 1n && head < 20_000n) {
    const first = arraySlot(start + FEED.description);
    slots.push(...range(0, Math.ceil(Number(head / 2n) / 32)).map((i) => first + BigInt(i)));
  }
  return slots;
}

function feedOf(hub: Hub, id: Hex, words: readonly bigint[], further: readonly bigint[]): Feed {
  const at = (index: bigint): bigint => words[Number(index)] ?? 0n;
  const config = unpackConfig(at(FEED.config));
  if (config === null) {
    throw new HubError(`The hub ${hub.address} has no feed ${id}. Check the address of the page, or go to all feeds.`);
  }
  const { roundId, variance, moves } = unpackTrack(at(FEED.track));
  const peers = unpackPeers(config.peers, [at(FEED.peers), at(FEED.peers + 1n)], at(FEED.peerRests));
  const proposals = unpackProposals(at(FEED.proposals));
  const [lastWord = 0n, ...text] = further;
  return {
    id,
    terms: {
      description: descriptionOf(at(FEED.description), text),
      kind: config.isRelative ? "relative" : "absolute",
      decimals: config.decimals,
      confirmations: config.confirmations,
      maxRepeats: config.maxRepeats,
      heartbeat: config.heartbeat,
      maxAge: config.maxAge,
      maxSkew: config.maxSkew,
      confirmDelay: config.confirmDelay,
      tolerance: config.tolerance,
      maxSpread: config.maxSpread,
      sigma: config.sigma,
      committee: config.committee,
      peers: peers.ids,
    },
    status: config.isHeld ? "held" : roundId === 0 ? "empty" : "ok",
    paused: config.isPaused,
    linked: config.isLinked,
    modelNumber: config.modelNumber,
    latest: roundId === 0 ? null : unpackRound(roundId, lastWord),
    held: config.isHeld ? unpackHeld(at(FEED.heldAnswers), at(FEED.heldRest)) : null,
    heldReports: unpackHeldReports(at(FEED.heldRest)),
    moves,
    variance,
    peerAnswers: peers.answers,
    proposals,
    shadow: unpackShadow(proposals, at(FEED.shadow)),
  };
}

/** A description of up to 31 bytes is in the word itself, with twice its length in the lowest byte. */
function descriptionOf(head: bigint, text: readonly bigint[]): string {
  const isShort = bits(head, 0, 1) === 0n;
  const length = Number(isShort ? bits(head, 0, 8) / 2n : head / 2n);
  const hex = (isShort ? [head] : text).map((part) => hex32(part).slice(2)).join("");
  return hexToString(`0x${hex.slice(0, 2 * length)}`);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
