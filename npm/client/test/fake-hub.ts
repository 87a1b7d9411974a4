// A hub that is a map of storage words, behind the interface of an endpoint. It packs words as Slots.sol draws them, by
// code of its own, so that what unpacks them is tested.

import {
  concat,
  decodeAbiParameters,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionResult,
  hexToBigInt,
  keccak256,
  numberToHex,
  stringToHex,
  toHex,
  type Address,
  type Hex,
} from "viem";

import { EndpointError, zkOracleAbi, type Endpoint } from "../src/index.js";

/** The slot of the hub's store. */
const STORE = BigInt("0x0deade891f142b96440e45fd99081e4e6f8ab91bffd5401da7382970ac455500");

/** The terms of a feed that a test names; the others are the defaults below. */
export interface FakeTerms {
  readonly description: string;
  readonly isRelative?: boolean;
  readonly decimals?: number;
  readonly heartbeat?: number;
  readonly sigma?: bigint;
  readonly modelNumber?: number;
  readonly committee?: number;
  readonly maxSpread?: number;
  readonly peers?: readonly Hex[];
}

/** A round or a held report to write. */
export interface FakeReport {
  readonly answer: bigint;
  readonly observedAt: number;
  readonly publishedAt?: number;
  readonly modelNumber?: number;
  readonly scoreRatio?: number;
  readonly spread?: number;
  readonly count?: number;
  readonly repeats?: number;
}

interface FakeLog {
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly block: bigint;
}

const SUBMITTER: Address = "0x00000000000000000000000000000000000000aa";

/** A chain with one block a second from `genesis` on, and a hub on it. */
export class FakeHub implements Endpoint {
  readonly name = "fake.test";
  readonly address: Address = "0x00000000000000000000000000000000000000b0";
  readonly genesis: number;
  /** The most blocks of one answer; null: any number. */
  rangeLimit: number | null = null;
  /** Answers to alter before they are given. */
  alter: (method: string, result: unknown) => unknown = (_, result) => result;
  /** The requests so far. */
  readonly asked: string[] = [];
  now: number;

  private readonly words = new Map<bigint, bigint>();
  private readonly logs: FakeLog[] = [];
  private readonly codes = new Map<string, Hex>();
  private readonly rounds = new Map<Hex, number>();
  private feeds = 0n;

  constructor(genesis = 1_700_000_000, now = genesis + 1_000) {
    this.genesis = genesis;
    this.now = now;
  }

  get block(): bigint {
    return BigInt(this.now - this.genesis);
  }

  setCode(address: Address, code: Hex): void {
    this.codes.set(address.toLowerCase(), code);
  }

  addModel(hash: bigint, verifier: Address, bindsModel = true): number {
    const number = Number(this.bits(STORE, 64, 16)) + 1;
    this.words.set(STORE, (BigInt(number) << 64n) | (1n << 32n) | BigInt(number));
    const start = entry(STORE + 4n, BigInt(number));
    this.words.set(start, hash);
    this.words.set(start + 2n, 7n);
    this.words.set(start + 3n, BigInt(number));
    const circuit = BigInt(verifier) | (bindsModel ? 1n << 160n : 0n) | (14n << 168n) | (2n << 176n) | (1n << 184n) | (1n << 192n);
    const key = BigInt(number) << 8n;
    this.words.set(entry(STORE + 5n, key), circuit | (5n << 216n) | (20n << 208n));
    this.words.set(entry(STORE + 6n, key), circuit);
    this.words.set(entry(STORE + 7n, key), BigInt(keccak256(this.codes.get(verifier.toLowerCase()) ?? "0x")));
    this.words.set(entry(STORE + 8n, BigInt(number)), BigInt(`0x00${"1011121314151617181920".replaceAll(" ", "")}01`.padEnd(66, "0")));
    return number;
  }

  setCommittee(id: number, quorum: number, reporters: readonly Address[]): void {
    const slot = entry(STORE + 3n, BigInt(id));
    this.words.set(slot, 1n | (BigInt(quorum) << 32n) | (BigInt(reporters.length) << 40n));
    this.words.set(slot + 1n, BigInt(reporters.length));
    reporters.forEach((each, i) => this.words.set(BigInt(keccak256(word(slot + 1n))) + BigInt(i), BigInt(each)));
  }

  addFeed(terms: FakeTerms): Hex {
    const id = keccak256(stringToHex(terms.description));
    const slot = feed(id);
    const peers = terms.peers ?? [];
    const config =
      (terms.isRelative === false ? 0n : 1n) |
      (BigInt(peers.length) << 4n) |
      (BigInt(terms.decimals ?? 8) << 8n) |
      (2n << 16n) |
      (3n << 24n) |
      (BigInt(terms.modelNumber ?? 1) << 32n) |
      (BigInt(terms.heartbeat ?? 3_600) << 48n) |
      (600n << 72n) |
      (60n << 96n) |
      (120n << 112n) |
      (1_500n << 136n) |
      (BigInt(terms.maxSpread ?? 4_000) << 152n) |
      (BigInt(terms.committee ?? 1) << 168n) |
      ((terms.sigma ?? 5_000n) << 192n);
    this.words.set(slot, config);
    peers.forEach((peer, k) => {
      const mask = (1n << 128n) - 1n;
      this.words.set(slot + 4n + BigInt(k), (BigInt(peer) & ~mask) | BigInt(k + 1));
      this.words.set(slot + 6n, this.get(slot + 6n) | ((BigInt(peer) & mask) << BigInt(128 * k)));
    });
    const text = stringToHex(terms.description).slice(2);
    if (text.length <= 62) {
      this.words.set(slot + 10n, BigInt(`0x${text.padEnd(64, "0")}`) | BigInt(text.length));
    } else {
      this.words.set(slot + 10n, BigInt(text.length) + 1n);
      for (let i = 0; i * 64 < text.length; i++) {
        this.words.set(BigInt(keccak256(word(slot + 10n))) + BigInt(i), BigInt(`0x${text.slice(i * 64, (i + 1) * 64).padEnd(64, "0")}`));
      }
    }
    this.words.set(STORE + 2n, ++this.feeds);
    this.words.set(BigInt(keccak256(word(STORE + 2n))) + this.feeds - 1n, BigInt(id));
    this.rounds.set(id, 0);
    return id;
  }

  /** Accept a report. It ends a hold. */
  accept(feedId: Hex, report: FakeReport): number {
    const id = (this.rounds.get(feedId) ?? 0) + 1;
    this.rounds.set(feedId, id);
    const publishedAt = report.publishedAt ?? report.observedAt + 5;
    const slot = feed(feedId);
    const packed =
      BigInt.asUintN(128, report.answer) |
      (BigInt(report.observedAt) << 128n) |
      (BigInt(publishedAt + 3_600 - report.observedAt) << 160n) |
      (BigInt(report.repeats ?? 0) << 184n) |
      (BigInt(report.modelNumber ?? 1) << 192n) |
      (BigInt.asUintN(24, BigInt(report.scoreRatio ?? -800)) << 208n) |
      (BigInt(report.spread ?? 120) << 232n) |
      (BigInt(report.count ?? 3) << 248n);
    this.words.set(entry(slot + 11n, BigInt(id)), packed);
    this.words.set(slot + 1n, BigInt(id) | (1_000n << 49n) | (7n << 64n) | (BigInt.asUintN(16, -9n) << 80n));
    this.words.set(slot, this.get(slot) & ~4n);
    this.emit(
      "RoundAccepted",
      feedId,
      id,
      encodeAbiParameters(
        [{ type: "int128" }, { type: "uint32" }, { type: "uint16" }, { type: "int256[]" }, { type: "bool" }, { type: "address" }],
        [report.answer, report.observedAt, report.modelNumber ?? 1, [-5n, -7n], (report.scoreRatio ?? -1) > 0, SUBMITTER],
      ),
      publishedAt,
    );
    return id;
  }

  /** Hold a report. */
  hold(feedId: Hex, report: FakeReport, reason = 1, confirmations = 0): void {
    const publishedAt = report.publishedAt ?? report.observedAt + 5;
    const slot = feed(feedId);
    const before = this.get(slot + 3n);
    const isHeld = (this.get(slot) & 4n) !== 0n;
    const first = isHeld ? BigInt.asUintN(128, this.get(slot + 2n) >> 128n) : BigInt.asUintN(128, report.answer);
    this.words.set(slot, this.get(slot) | 4n);
    this.words.set(slot + 2n, (first << 128n) | BigInt.asUintN(128, report.answer));
    this.words.set(
      slot + 3n,
      BigInt(report.observedAt) |
        (BigInt(publishedAt) << 32n) |
        (BigInt(report.observedAt) << 64n) |
        (BigInt(confirmations) << 96n) |
        (1n << 104n) |
        (BigInt.asUintN(24, BigInt(report.scoreRatio ?? 2_500)) << 120n) |
        (BigInt(reason) << 144n) |
        (1n << 152n) |
        (BigInt(report.observedAt) << 168n) |
        (BigInt(publishedAt) << 200n) |
        (1_000n << 232n) |
        ((((before >> 248n) + 1n) & 255n) << 248n),
    );
    this.emit(
      "RoundHeld",
      feedId,
      (this.rounds.get(feedId) ?? 0) + 1,
      encodeAbiParameters(
        [
          { type: "int128" },
          { type: "uint32" },
          { type: "uint16" },
          { type: "int256[]" },
          { type: "uint8" },
          { type: "uint8" },
          { type: "address" },
        ],
        [report.answer, report.observedAt, report.modelNumber ?? 1, [9n, -7n], reason, confirmations, SUBMITTER],
      ),
      publishedAt,
    );
  }

  /** Set words of a feed, counted from its first one. */
  setWord(feedId: Hex, index: bigint, value: bigint): void {
    this.words.set(feed(feedId) + index, value);
  }

  wordOf(feedId: Hex, index: bigint): bigint {
    return this.get(feed(feedId) + index);
  }

  request(method: string, params: readonly unknown[]): Promise<unknown> {
    this.asked.push(method);
    return Promise.resolve().then(() => this.alter(method, this.answer(method, params)));
  }

  private answer(method: string, params: readonly unknown[]): unknown {
    switch (method) {
      case "eth_chainId":
        return "0x7a69";
      case "eth_blockNumber":
        return numberToHex(this.block);
      case "eth_getCode":
        return this.codes.get(String(params[0]).toLowerCase()) ?? "0x";
      case "eth_call":
        return this.call(params[0] as { to: string; data: Hex });
      case "eth_getBlockByNumber": {
        const number = params[0] === "latest" ? this.block : BigInt(String(params[0]));
        if (number > this.block) return null;
        return { number: numberToHex(number), hash: hashOf(number), timestamp: numberToHex(BigInt(this.genesis) + number) };
      }
      case "eth_getLogs":
        return this.getLogs(params[0] as { topics: (Hex | Hex[])[]; fromBlock: Hex; toBlock: Hex });
      default:
        throw new EndpointError(this.name, method, "method", "", `does not offer ${method}`, "Take another.");
    }
  }

  private call(call: { to: string; data: Hex }): Hex {
    if (call.to.toLowerCase() !== this.address) return "0x";
    if (call.data.startsWith("0x84b0196e")) {
      return encodeFunctionResult({
        abi: zkOracleAbi,
        functionName: "eip712Domain",
        result: ["0x0f", "ZkOracle", "2", 31_337n, this.address, word(0n), []],
      });
    }
    const [slots] = decodeAbiParameters([{ type: "bytes32[]" }], `0x${call.data.slice(10)}`);
    return encodeAbiParameters([{ type: "bytes32[]" }], [slots.map((slot) => word(this.get(BigInt(slot))))]);
  }

  private getLogs(filter: { topics: (Hex | Hex[])[]; fromBlock: Hex; toBlock: Hex }): unknown {
    const [from, to] = [BigInt(filter.fromBlock), BigInt(filter.toBlock)];
    if (this.rangeLimit !== null && to - from >= BigInt(this.rangeLimit)) {
      const said = `query exceeds the max block range of ${String(this.rangeLimit)}`;
      throw new EndpointError(this.name, "eth_getLogs", "too much", said, "refuses", "Ask for less.");
    }
    return this.logs
      .map((log, index) => ({ log, index }))
      .filter(({ log }) => log.block >= from && log.block <= to)
      .filter(({ log }) => filter.topics.every((wanted, i) => [wanted].flat().includes(log.topics[i] ?? "0x")))
      .map(({ log, index }) => ({
        address: this.address,
        topics: log.topics,
        data: log.data,
        blockNumber: numberToHex(log.block),
        blockHash: hashOf(log.block),
        transactionHash: keccak256(toHex(index)),
        logIndex: numberToHex(index),
        removed: false,
      }));
  }

  private emit(eventName: "RoundAccepted" | "RoundHeld", feedId: Hex, roundId: number, data: Hex, time: number): void {
    this.logs.push({ topics: [TOPICS[eventName], feedId, word(BigInt(roundId))], data, block: BigInt(time - this.genesis) });
  }

  private get(slot: bigint): bigint {
    return this.words.get(slot) ?? 0n;
  }

  private bits(slot: bigint, at: number, size: number): bigint {
    return BigInt.asUintN(size, this.get(slot) >> BigInt(at));
  }
}

function word(value: bigint): Hex {
  return numberToHex(value, { size: 32 });
}

function entry(mapping: bigint, key: bigint): bigint {
  return hexToBigInt(keccak256(concat([word(key), word(mapping)])));
}

const feedSlots = new Map<Hex, bigint>();

function feed(id: Hex): bigint {
  const slot = feedSlots.get(id) ?? entry(STORE + 1n, BigInt(id));
  feedSlots.set(id, slot);
  return slot;
}

const TOPICS = {
  RoundAccepted: encodeEventTopics({ abi: zkOracleAbi, eventName: "RoundAccepted" })[0],
  RoundHeld: encodeEventTopics({ abi: zkOracleAbi, eventName: "RoundHeld" })[0],
};

function hashOf(block: bigint): Hex {
  return keccak256(concat(["0xb10c", word(block)]));
}
