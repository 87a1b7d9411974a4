/** Several endpoints of one chain, read at one block. Who contradicts the others, or the block's own hash, is named. */
import { type Address, concatHex, type Hex, hexToBytes, keccak256, numberToHex, slice } from "viem";

import type { Endpoint } from "../read/endpoint.js";
import { EndpointError } from "../read/errors.js";
import { httpEndpoint } from "../read/http.js";
import { type BlockHead, blockHead, canonical, compare, content, headOf, nonsense, rawLog, type RawLog } from "./answers.js";
import { asBytes, asNumber, asRecord } from "./bytes.js";
import { CheckError, Unknown, Unproven } from "./errors.js";
import { type ProvenAccount, provenAccount, provenWord } from "./trie.js";

/** The selector of `extsload(bytes32[])`. */
const EXTSLOAD = "0xdbd035ff";
/** Slots that one request proves. */
const SLOTS_PER_PROOF = 64;
/** Requests for logs that one question may take with one endpoint. */
const MOST_LOG_REQUESTS = 2_000;
/** Blocks by which an endpoint may be behind another one. */
const MOST_BEHIND = 256n;
/** Blocks of which logs are asked for at once, at least, before an endpoint is given up. */
const LEAST_BLOCKS = 1n;

/** An endpoint that is not read. */
export interface LeftOut {
  readonly name: string;
  readonly why: string;
  /** True if it tells something else than the first endpoint; false if it gives no answer. */
  readonly isContradiction: boolean;
}

/** What logs are looked for: topics by position, each one of several, or any (null). */
export type TopicFilter = readonly (readonly Hex[] | null)[];

/** The endpoints of one chain at one block. */
export class PinnedChain {
  /** Endpoints that are not read, and why. */
  readonly leftOut: LeftOut[] = [];
  /** Events that single endpoints did not tell, by name. */
  readonly withheld = new Map<string, number>();
  /** Lies that were noticed and set right, by name. */
  readonly lies = new Map<string, string>();
  private readonly words = new Map<bigint, bigint>();
  private readonly provenSlots = new Set<bigint>();
  private account: Promise<ProvenAccount | null> | null = null;

  private constructor(
    readonly hub: Address,
    readonly chainId: number,
    readonly head: BlockHead,
    private endpoints: readonly Endpoint[],
  ) {}

  /**
   * Choose the block at which all endpoints are read: the lowest of what they call by this name.
   *
   * @throws EndpointError if none answers. Unproven if the first of them does not agree with any other on its chain.
   */
  static async pin(
    hub: Address,
    given: readonly (string | Endpoint)[],
    block: bigint | string,
  ): Promise<PinnedChain> {
    const endpoints = named(given.map((each) => (typeof each === "string" ? httpEndpoint(each) : each)));
    if (endpoints.length === 0) throw new CheckError("No endpoint was named: name at least one of the hub's chain.");
    const leftOut: LeftOut[] = [];
    const leave = (endpoint: Endpoint, why: string, isContradiction = false): void => {
      leftOut.push({ name: endpoint.name, why, isContradiction });
    };
    const there: { endpoint: Endpoint; chainId: number; number: bigint }[] = [];
    const errors: unknown[] = [];
    await Promise.all(
      endpoints.map(async (endpoint) => {
        try {
          const chainId = asNumber(await endpoint.request("eth_chainId", []));
          const found = await headOf(endpoint, block);
          if (chainId === null) throw nonsense(endpoint, "the chain's id is no number");
          there.push({ endpoint, chainId, number: found.number });
        } catch (error) {
          if (!(error instanceof EndpointError || error instanceof Unproven)) throw error;
          errors.push(error);
          leave(endpoint, error.message);
        }
      }),
    );
    there.sort((one, other) => endpoints.indexOf(one.endpoint) - endpoints.indexOf(other.endpoint));
    const [first] = there;
    if (first === undefined) throw errors[0];
    const sameChain = there.filter(({ endpoint, chainId }) => {
      if (chainId !== first.chainId) {
        leave(endpoint, `it is of chain ${String(chainId)}, and ${first.endpoint.name} of ${String(first.chainId)}`, true);
      }
      return chainId === first.chainId;
    });
    // One that is far behind would set all others back to a time of its choice.
    const newest = sameChain.reduce((most, each) => (each.number > most ? each.number : most), first.number);
    const present = sameChain.filter(({ endpoint, number }) => {
      const isBehind = typeof block === "string" && number + MOST_BEHIND < newest;
      if (isBehind) leave(endpoint, `it is at block ${String(number)}, where another one is at ${String(newest)}`);
      return !isBehind;
    });
    const leading = present[0] ?? first;
    const number = present.reduce((least, each) => (each.number < least ? each.number : least), leading.number);
    const head = await headOf(leading.endpoint, number);
    const agreeing = [leading.endpoint];
    await Promise.all(
      present.slice(1).map(async ({ endpoint }) => {
        try {
          const found = await headOf(endpoint, number);
          if (found.hash === head.hash) agreeing.push(endpoint);
          else {
            const hashes = `${head.hash} at ${leading.endpoint.name}, and ${found.hash} at ${endpoint.name}`;
            leave(endpoint, `block ${String(number)} is ${hashes}`, true);
          }
        } catch (error) {
          if (!(error instanceof EndpointError || error instanceof Unproven)) throw error;
          leave(endpoint, error.message);
        }
      }),
    );
    const made = new PinnedChain(hub, first.chainId, head, agreeing);
    made.leftOut.push(...leftOut);
    return made;
  }

  /** Names of the endpoints that are read. */
  get names(): readonly string[] {
    return this.endpoints.map((each) => each.name);
  }

  /** Something that reads the hub through these endpoints, for the reading part of this package. */
  get reader(): { endpoint: Endpoint; chainId: number; address: Address } {
    return {
      endpoint: { name: this.names.join(", "), request: (method, params) => this.request(method, params) },
      chainId: this.chainId,
      address: this.hub,
    };
  }

  /** True if `eth_getProof` shows the hub's account to be in the state of the pinned block. */
  async isProven(): Promise<boolean> {
    return (await this.provenHub()) !== null;
  }

  /** True if a word of the hub was shown to follow from the block's hash. */
  isProvenWord(slot: bigint): boolean {
    return this.provenSlots.has(slot);
  }

  /**
   * Show that words of the hub follow from the block's hash, and return them. A word that was read before and was a lie
   * is set right, and the liar named.
   *
   * @returns False if no endpoint proves anything, or the header has another form than Ethereum's.
   * @throws Unproven if a word that was read is not the proven one, and nobody else told the right one.
   */
  async prove(slots: readonly bigint[]): Promise<boolean> {
    const account = await this.provenHub();
    if (account === null) return false;
    const missing = [...new Set(slots)].filter((slot) => !this.provenSlots.has(slot));
    for (let from = 0; from < missing.length; from += SLOTS_PER_PROOF) {
      const part = missing.slice(from, from + SLOTS_PER_PROOF);
      const found = await this.provenWords(account, part);
      if (found === null) return false;
      part.forEach((slot, at) => {
        const [before, proven] = [this.words.get(slot), found[at]];
        if (proven === undefined) return;
        if (before !== undefined && before !== proven) {
          throw new Unproven(
            `${this.names.join(" and ")} told a word of the hub's storage that contradicts the hash of block ` +
              `${String(this.head.number)}: don't believe it, and take another endpoint`,
            this.names,
          );
        }
        this.words.set(slot, proven);
        this.provenSlots.add(slot);
      });
    }
    return true;
  }

  /** Return the code at an address at the pinned block, empty if there is none. */
  async code(address: Address): Promise<Uint8Array> {
    const found = asBytes(await this.request("eth_getCode", [address, numberToHex(this.head.number)]));
    if (found === null) throw new Unproven(`${this.names.join(" and ")} gave something else than code`, this.names);
    return hexToBytes(found);
  }

  /**
   * Return code with a known hash, from the first endpoint that gives it. Those that give another one are named.
   *
   * @throws Unproven if nobody has it.
   */
  async codeOf(address: Address, hash: Hex): Promise<Uint8Array> {
    const { answers } = await this.ask("eth_getCode", [address, numberToHex(this.head.number)]);
    const wrong: string[] = [];
    let found: Uint8Array | null = null;
    for (const [name, answer] of answers) {
      const code = asBytes(answer);
      if (code !== null && keccak256(code) === hash) found ??= hexToBytes(code);
      else wrong.push(name);
    }
    if (found === null) {
      throw new Unproven(
        `the code at ${address} is not the one whose hash the hub pinned (${hash}), says ${wrong.join(" and ")}`,
        wrong,
      );
    }
    for (const name of wrong) this.lies.set(name, `it alters the code at ${address}`);
    return found;
  }

  /** Return the head of a block by its number, as all endpoints that have it tell it. */
  async block(number: bigint): Promise<BlockHead> {
    const { answers } = await this.ask("eth_getBlockByNumber", [numberToHex(number), false]);
    const heads = answers.flatMap(([name, answer]) => {
      const head = blockHead(answer);
      return head?.number === number ? [{ name, head }] : [];
    });
    const [first, ...others] = heads;
    if (first === undefined) throw new Unknown(`no endpoint has block ${String(number)}: take an archive node`);
    const other = others.find(({ head }) => head.hash !== first.head.hash || head.time !== first.head.time);
    if (other !== undefined) {
      const names = [first.name, other.name];
      throw new Unproven(`${names.join(" and ")} contradict each other on block ${String(number)}: ask a third`, names);
    }
    if (first.head.stateRoot === null && (await this.isProven())) {
      throw new Unproven(`${first.name} altered block ${String(number)}: what it tells does not have its hash`, [first.name]);
    }
    return first.head;
  }

  /** Return what each endpoint says of a transaction, of those that have it. */
  async transactions(hash: Hex): Promise<readonly { readonly name: string; readonly answer: unknown }[]> {
    const { answers } = await this.ask("eth_getTransactionByHash", [hash]);
    return answers.filter(([, answer]) => answer !== null).map(([name, answer]) => ({ name, answer }));
  }

  /** Return a trace of a transaction's calls from the first endpoint that has one; null if none has. */
  async trace(hash: Hex): Promise<unknown> {
    for (const endpoint of this.endpoints) {
      try {
        return await endpoint.request("debug_traceTransaction", [hash, { tracer: "callTracer" }]);
      } catch (error) {
        if (!(error instanceof EndpointError)) throw error;
      }
    }
    return null;
  }

  /**
   * Return the hub's logs up to the pinned block, of all endpoints united, in the order of the chain.
   *
   * @throws Unproven if one log is not the same at two endpoints, or is none that was asked for.
   */
  async logs(from: bigint, topics: TopicFilter): Promise<readonly RawLog[]> {
    const found = new Map<string, { log: RawLog; name: string }>();
    const told = new Map<string, Set<string>>();
    const errors: unknown[] = [];
    for (const endpoint of this.endpoints) {
      let logs: readonly RawLog[];
      try {
        logs = await this.logsOf(endpoint, from, this.head.number, topics, { left: MOST_LOG_REQUESTS });
      } catch (error) {
        if (!(error instanceof EndpointError || error instanceof Unproven)) throw error;
        errors.push(error);
        if (error instanceof Unproven) this.lies.set(endpoint.name, "it gives logs that are none, or that nobody asked for");
        continue;
      }
      const keys = new Set<string>();
      told.set(endpoint.name, keys);
      for (const log of logs) {
        const key = `${log.transaction}/${String(log.index)}`;
        keys.add(key);
        const before = found.get(key);
        if (before === undefined) found.set(key, { log, name: endpoint.name });
        else if (JSON.stringify(content(before.log)) !== JSON.stringify(content(log))) {
          const names = [...new Set([before.name, endpoint.name])];
          throw new Unproven(
            `log ${String(log.index)} of block ${String(log.block)} is not the same at ${names.join(" and ")}: ask a third`,
            names,
          );
        }
      }
    }
    if (told.size === 0) throw errors[0];
    for (const [name, keys] of told) {
      const lacking = [...found.keys()].filter((key) => !keys.has(key)).length;
      if (lacking > 0) this.withheld.set(name, (this.withheld.get(name) ?? 0) + lacking);
    }
    return [...found.values()].map(({ log }) => log).sort((one, other) => compare(one, other));
  }

  /** Return the hub's logs in a transaction's receipt. */
  async logsIn(transaction: Hex): Promise<readonly RawLog[]> {
    const { answers } = await this.ask("eth_getTransactionReceipt", [transaction]);
    const receipt = answers.map(([, answer]) => asRecord(answer)).find((each) => each !== null);
    const logs: readonly unknown[] = Array.isArray(receipt?.logs) ? receipt.logs : [];
    const hub = this.hub.toLowerCase();
    return logs.map(rawLog).filter((log) => log !== null && log.address === hub && log.transaction === transaction) as RawLog[];
  }

  // --- details -----------------------------------------------------------------------------------------------------

  /** Ask, and return what all endpoints agree on. */
  private async request(method: string, params: readonly unknown[]): Promise<unknown> {
    const [call] = params;
    const target = asRecord(call);
    const data = asBytes(target?.data);
    if (method === "eth_call" && data?.startsWith(EXTSLOAD) && String(target?.to).toLowerCase() === this.hub.toLowerCase()) {
      return this.readWords(data);
    }
    const { answers } = await this.ask(method, params);
    const [first, ...others] = answers;
    if (first === undefined) throw new Unknown(`no endpoint answers ${method}`);
    const known = answers.find(([, answer]) => answer !== null) ?? first;
    for (const [name, answer] of others) {
      if (answer !== null && canonical(answer) !== canonical(known[1])) {
        throw new Unproven(`${known[0]} and ${name} contradict each other on ${method}: ask a third`, [known[0], name]);
      }
    }
    return known[1];
  }

  /** Ask all endpoints, and return the answers of those that have one. */
  private async ask(
    method: string,
    params: readonly unknown[],
  ): Promise<{ answers: readonly (readonly [string, unknown])[] }> {
    const errors: unknown[] = [];
    const answers = await Promise.all(
      this.endpoints.map(async (endpoint): Promise<readonly [string, unknown] | null> => {
        try {
          return [endpoint.name, await endpoint.request(method, params)];
        } catch (error) {
          if (!(error instanceof EndpointError)) throw error;
          errors.push(error);
          return null;
        }
      }),
    );
    const told = answers.filter((each) => each !== null);
    if (told.length === 0) throw errors[0];
    return { answers: told };
  }

  /** Answer a call of `extsload` with words on which all endpoints agree, or that are proven. */
  private async readWords(data: Hex): Promise<Hex> {
    const slots = Array.from({ length: (data.length - 2 - 8 - 128) / 64 }, (_, at) =>
      BigInt(slice(data, 4 + 64 + 32 * at, 4 + 96 + 32 * at)),
    );
    const missing = slots.filter((slot) => !this.words.has(slot));
    if (missing.length > 0) await this.fetchWords(missing);
    const words = slots.map((slot) => numberToHex(this.words.get(slot) ?? 0n, { size: 32 }));
    return concatHex([numberToHex(32n, { size: 32 }), numberToHex(BigInt(slots.length), { size: 32 }), ...words]);
  }

  private async fetchWords(slots: readonly bigint[]): Promise<void> {
    const word = (value: bigint): Hex => numberToHex(value, { size: 32 });
    const data = concatHex([EXTSLOAD, word(32n), word(BigInt(slots.length)), ...slots.map(word)]);
    const { answers } = await this.ask("eth_call", [{ to: this.hub, data }, numberToHex(this.head.number)]);
    const rows = answers.map(([name, answer]) => {
      const found = asBytes(answer, 64 + 32 * slots.length);
      if (found === null || BigInt(slice(found, 0, 32)) !== 32n || BigInt(slice(found, 32, 64)) !== BigInt(slots.length)) {
        throw new Unproven(
          `${name} gave no words of the hub's storage: there is no hub at ${this.hub}, or the endpoint is out of order`,
          [name],
        );
      }
      return { name, words: slots.map((_, at) => BigInt(`0x${found.slice(2 + 128 + 64 * at, 2 + 192 + 64 * at)}`)) };
    });
    const [first, ...others] = rows;
    if (first === undefined) return;
    const differing = slots.filter((_, at) => others.some((row) => row.words[at] !== first.words[at]));
    const account = differing.length > 0 ? await this.provenHub() : null;
    const proven = account === null ? null : await this.provenWords(account, differing);
    slots.forEach((slot, at) => {
      const place = differing.indexOf(slot);
      if (place < 0) {
        this.words.set(slot, first.words[at] ?? 0n);
        return;
      }
      const right = proven?.[place];
      if (right === undefined) {
        const names = [first.name, ...others.filter((row) => row.words[at] !== first.words[at]).map((row) => row.name)];
        throw new Unproven(`${names.join(" and ")} contradict each other on a word of the hub's storage: ask a third`, names);
      }
      for (const row of rows) {
        if (row.words[at] !== right) this.lies.set(row.name, "it alters words of the hub's storage");
      }
      this.words.set(slot, right);
      this.provenSlots.add(slot);
    });
  }

  private provenHub(): Promise<ProvenAccount | null> {
    this.account ??= this.firstProof([], async (proof) => {
      const { stateRoot } = this.head;
      return stateRoot === null ? null : provenAccount(stateRoot, this.hub, proof.accountProof);
    });
    return this.account;
  }

  /** Return proven words; null if no endpoint proves them all. */
  private provenWords(account: ProvenAccount, slots: readonly bigint[]): Promise<readonly bigint[] | null> {
    return this.firstProof(slots, async (proof) => {
      const entries: readonly unknown[] = Array.isArray(proof.storageProof) ? proof.storageProof : [];
      const words: bigint[] = [];
      for (const [at, slot] of slots.entries()) {
        const found = await provenWord(account.storageRoot, slot, asRecord(entries[at])?.proof);
        if (found === null) return null;
        words.push(found);
      }
      return words;
    });
  }

  private async firstProof<T>(
    slots: readonly bigint[],
    read: (proof: Readonly<Record<string, unknown>>) => Promise<T | null>,
  ): Promise<T | null> {
    const keys = slots.map((slot) => numberToHex(slot, { size: 32 }));
    for (const endpoint of this.endpoints) {
      try {
        const answer = await endpoint.request("eth_getProof", [this.hub, keys, numberToHex(this.head.number)]);
        const proof = asRecord(answer);
        const found = proof === null ? null : await read(proof);
        if (found !== null) return found;
      } catch (error) {
        if (!(error instanceof EndpointError)) throw error;
      }
    }
    return null;
  }

  private async logsOf(
    endpoint: Endpoint,
    from: bigint,
    to: bigint,
    topics: TopicFilter,
    budget: { left: number },
  ): Promise<readonly RawLog[]> {
    let answer: unknown;
    budget.left--;
    try {
      answer = await endpoint.request("eth_getLogs", [
        { address: this.hub, fromBlock: numberToHex(from), toBlock: numberToHex(to), topics },
      ]);
    } catch (error) {
      const isTooMuch = error instanceof EndpointError && error.meaning === "too much";
      if (!isTooMuch || to - from < LEAST_BLOCKS || budget.left <= 0) throw error;
      const middle = (from + to) / 2n;
      const first = await this.logsOf(endpoint, from, middle, topics, budget);
      return [...first, ...(await this.logsOf(endpoint, middle + 1n, to, topics, budget))];
    }
    if (!Array.isArray(answer)) throw nonsense(endpoint, "logs are no list");
    return answer.map((each: unknown) => {
      const log = rawLog(each);
      const isAsked =
        log?.address === this.hub.toLowerCase() &&
        log.block >= from &&
        log.block <= to &&
        topics.every((any, at) => any === null || any.some((topic) => topic.toLowerCase() === log.topics[at]));
      if (log === null || !isAsked) throw nonsense(endpoint, "it gives logs that nobody asked for");
      return log;
    });
  }
}

/** Give endpoints of one name numbers: a name has no secrets, so two of one provider have the same. */
function named(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const names = endpoints.map((each) => each.name);
  return endpoints.map((each, at) => {
    if (names.indexOf(each.name) === at && names.lastIndexOf(each.name) === at) return each;
    return {
      name: `${each.name} (endpoint ${String(at + 1)})`,
      request: (method: string, params: readonly unknown[]) => each.request(method, params),
    };
  });
}
