import {
  connectHub,
  EndpointError,
  httpEndpoint,
  type LogFilter,
  readBlock,
  readHead,
  type Address,
  type Endpoint,
} from "@verifiable-oracle/client";

/** What an endpoint can do, and what it can't. */
export interface Finding {
  readonly name: string;
  readonly state: "good" | "weak" | "bad";
  readonly detail: string;
}

/** What was found out about one endpoint. */
export interface Probed {
  readonly endpoint: string;
  readonly findings: readonly Finding[];
}

/**
 * Try what the pages and the checks need of an endpoint, one after the other, and tell each. It stops at what makes the
 * rest pointless.
 */
export async function* probe(url: string, hub: Address | null, fromBlock: bigint): AsyncGenerator<Finding, void, undefined> {
  const endpoint = httpEndpoint(url, { timeout: 10_000, attempts: 2 });
  let newest: bigint;
  try {
    const head = await readHead(endpoint);
    newest = head.number;
    const age = Math.max(0, Math.floor(Date.now() / 1_000) - head.time);
    const detail = `block ${String(newest)}, ${String(age)} s old`;
    yield { name: "answers this page", state: age > 600 ? "weak" : "good", detail };
  } catch (error) {
    yield { name: "answers this page", state: "bad", detail: messageOf(error) };
    return;
  }
  if (hub !== null) {
    try {
      const { chainId } = await connectHub(endpoint, hub);
      yield { name: "has the hub", state: "good", detail: `on chain ${String(chainId)}` };
    } catch (error) {
      yield { name: "has the hub", state: "bad", detail: messageOf(error) };
      return;
    }
    yield await events(endpoint, hub, fromBlock, newest);
    yield await proofs(endpoint, hub);
  }
  yield await history(endpoint, fromBlock);
}

async function events(endpoint: Endpoint, hub: Address, fromBlock: bigint, newest: bigint): Promise<Finding> {
  const name = "gives events";
  // Nobody emits this topic: the answer is empty, and only the range counts.
  const filter = { address: hub, topics: [`0x${"00".repeat(32)}`] } as const;
  for (const blocks of [newest - fromBlock + 1n, 10_000n, 1_000n, 1n]) {
    if (blocks < 1n || blocks > newest + 1n) continue;
    try {
      await single(endpoint, filter, newest - blocks + 1n, newest);
      return blocks === newest - fromBlock + 1n
        ? { name, state: "good", detail: "of all blocks at once" }
        : { name, state: "weak", detail: `of ${String(blocks)} blocks at once: holds of long ago take a while` };
    } catch (error) {
      const isRange = error instanceof EndpointError && ["too much", "slow", "passing", "other"].includes(error.meaning);
      if (!isRange || blocks === 1n) return { name, state: "bad", detail: messageOf(error) };
    }
  }
  return { name, state: "bad", detail: "It gives the events of no block." };
}

/** One query, whatever its size: `readLogs` would ask for less by itself. */
async function single(endpoint: Endpoint, filter: LogFilter, first: bigint, last: bigint): Promise<void> {
  await endpoint.request("eth_getLogs", [
    { address: filter.address, topics: filter.topics, fromBlock: hex(first), toBlock: hex(last) },
  ]);
}

async function proofs(endpoint: Endpoint, hub: Address): Promise<Finding> {
  const name = "proves storage";
  try {
    await endpoint.request("eth_getProof", [hub, [], "latest"]);
    return { name, state: "good", detail: "eth_getProof: what is read follows from a block's hash" };
  } catch (error) {
    return {
      name,
      state: "weak",
      detail: `no eth_getProof: name a second endpoint of another company. ${error instanceof EndpointError ? error.said : ""}`.trim(),
    };
  }
}

async function history(endpoint: Endpoint, fromBlock: bigint): Promise<Finding> {
  const name = "has the history";
  try {
    await readBlock(endpoint, fromBlock > 0n ? fromBlock : 1n);
    return { name, state: "good", detail: "from the hub's first block on" };
  } catch (error) {
    return { name, state: "weak", detail: messageOf(error) };
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
