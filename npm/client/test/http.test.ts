import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { anyEndpoint, EndpointError, httpEndpoint, type Endpoint } from "../src/index.js";
import { readRefusal } from "../src/read/refusals.js";

interface Recorded {
  readonly node: string;
  readonly method: string;
  readonly status?: number;
  readonly error: unknown;
  readonly meaning: string;
  readonly sizes?: readonly number[];
}

// What nodes of thirteen kinds said: the same corpus that the oracle itself is tested with.
const corpus = JSON.parse(
  readFileSync(new URL("../../../tests/nodes/refusals.json", import.meta.url), "utf-8"),
) as readonly Recorded[];

const MEANINGS: Readonly<Record<string, string>> = {
  REVERT: "reverted",
  RATE: "rate",
  TOO_MUCH: "too much",
  HISTORY: "history",
  METHOD: "method",
  BLOCK: "block",
  NULL_ROUND: "block",
  DENIED: "denied",
  PASSING: "passing",
  OTHER: "other",
};

const READING = new Set(["eth_call", "eth_getLogs", "eth_getBlockByNumber", "eth_getProof", "eth_getCode", "eth_getStorageAt"]);
const asked = corpus.filter((each) => READING.has(each.method) && each.meaning in MEANINGS);

test("the corpus of refusals has what reading meets", () => {
  expect(asked.length).toBeGreaterThan(80);
});

test.each(asked.map((each, i) => [i, each.node, each.method, each] as const))(
  "refusal %i of %s to %s is understood",
  (_, __, method, recorded) => {
    const refusal = readRefusal(method, recorded.error, recorded.status ?? 200);
    expect(refusal.meaning).toBe(MEANINGS[recorded.meaning]);
    if (recorded.meaning === "TOO_MUCH" && recorded.sizes !== undefined && recorded.sizes.length > 0) {
      expect(refusal.blocks).toBe(Math.min(...recorded.sizes));
    }
  },
);

type Answer = { readonly status?: number; readonly body: string; readonly headers?: Record<string, string> } | Error;

function answering(...answers: readonly Answer[]): { endpoint: Endpoint; slept: number[]; sent: RequestInit[] } {
  const [slept, sent, left]: [number[], RequestInit[], Answer[]] = [[], [], [...answers]];
  const endpoint = httpEndpoint("https://rpc.example/v1/secret-key", {
    fetch: (_, init) => {
      sent.push(init);
      const answer = left.shift();
      if (answer === undefined) throw new Error("asked once too often");
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve(new Response(answer.body, { status: answer.status ?? 200, headers: answer.headers ?? {} }));
    },
    sleep: (milliseconds) => {
      slept.push(milliseconds);
      return Promise.resolve();
    },
  });
  return { endpoint, slept, sent };
}

async function failureOf(endpoint: Endpoint, method = "eth_call"): Promise<EndpointError> {
  const error = await endpoint.request(method, []).catch((reason: unknown) => reason);
  if (!(error instanceof EndpointError)) throw new Error("it did not fail as it should");
  return error;
}

test("a result is given as it came", async () => {
  const { endpoint, sent } = answering({ body: '{"jsonrpc":"2.0","id":1,"result":{"a":1}}' });
  expect(await endpoint.request("eth_chainId", [])).toEqual({ a: 1 });
  expect(sent[0]?.body).toBe(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }));
  expect(sent[0]).toMatchObject({ credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" });
});

test("an answer in a list of one is read", async () => {
  const { endpoint } = answering({ body: '[{"jsonrpc":"2.0","id":1,"result":"0x1"}]' });
  expect(await endpoint.request("eth_chainId", [])).toBe("0x1");
});

test("a refusal to pages looks like an endpoint that is down, and both are named", async () => {
  const { endpoint } = answering(new TypeError("Failed to fetch"));
  const error = await failureOf(endpoint);
  expect(error).toMatchObject({ meaning: "unreachable", endpoint: "rpc.example" });
  expect(error.message).toContain("CORS");
  expect(error.message).not.toContain("secret-key");
});

test("a time-out says so", async () => {
  const { endpoint } = answering(new DOMException("late", "TimeoutError"));
  expect((await failureOf(endpoint)).meaning).toBe("slow");
});

test("a limit of the rate is waited for, as long as it asks", async () => {
  const limited = { status: 429, body: "slow down", headers: { "retry-after": "2" } };
  const { endpoint, slept } = answering(limited, limited, { body: '{"result":"0x1"}' });
  expect(await endpoint.request("eth_chainId", [])).toBe("0x1");
  expect(slept).toEqual([2_000, 2_000]);
});

test("a limit of the rate that does not end is told after four times", async () => {
  const limited = { body: '{"error":{"code":-32005,"message":"daily request count exceeded"}}' };
  const { endpoint, slept } = answering(limited, limited, limited, limited);
  const error = await failureOf(endpoint);
  expect(error).toMatchObject({ meaning: "rate", said: "daily request count exceeded" });
  expect(slept).toHaveLength(3);
});

test("a wait that is too long is not waited", async () => {
  const { endpoint, slept } = answering({ status: 429, body: "{}", headers: { "retry-after": "600" } });
  expect((await failureOf(endpoint)).meaning).toBe("rate");
  expect(slept).toEqual([]);
});

test("errors count, whatever the status is", async () => {
  for (const status of [200, 400, 500]) {
    const { endpoint } = answering({ status, body: '{"error":{"code":3,"message":"execution reverted","data":"0x12345678"}}' });
    expect(await failureOf(endpoint)).toMatchObject({ meaning: "reverted", data: "0x12345678" });
  }
});

test("a web page is no endpoint", async () => {
  const { endpoint } = answering({ body: "<!doctype html>" });
  expect((await failureOf(endpoint)).meaning).toBe("not json-rpc");
});

test.each([
  [401, "denied"],
  [403, "denied"],
])("HTTP %i means %s", async (status, meaning) => {
  const { endpoint } = answering({ status, body: "<html>" });
  expect((await failureOf(endpoint)).meaning).toBe(meaning);
});

test("an answer without end is not read to its end", async () => {
  let sent = 0;
  const body = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull(controller) {
        sent += 1_000;
        controller.enqueue(new TextEncoder().encode(" ".repeat(1_000)));
      },
    });
  const endpoint = httpEndpoint("https://rpc.example", { largest: 5_000, fetch: () => Promise.resolve(new Response(body())) });
  expect(await failureOf(endpoint)).toMatchObject({ meaning: "nonsense", said: "more than 5000 bytes" });
  expect((await failureOf(endpoint, "eth_getLogs")).meaning).toBe("too much");
  expect(sent).toBeLessThan(20_000);
});

test("letters of several bytes are whole, wherever an answer is cut", async () => {
  const bytes = new TextEncoder().encode('{"result":"é€😀"}');
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const endpoint = httpEndpoint("https://rpc.example", { fetch: () => Promise.resolve(new Response(body)) });
  expect(await endpoint.request("eth_chainId", [])).toBe("é€😀");
});

test("no more requests than allowed are under way at once", async () => {
  let [now, most] = [0, 0];
  const endpoint = httpEndpoint("https://rpc.example", {
    parallel: 3,
    fetch: async () => {
      most = Math.max(most, ++now);
      await new Promise((done) => setTimeout(done, 1));
      now--;
      return new Response('{"result":1}');
    },
  });
  await Promise.all(Array.from({ length: 12 }, () => endpoint.request("eth_chainId", [])));
  expect(most).toBe(3);
});

test("of several endpoints the next is asked where one fails, but not where a contract refuses", async () => {
  const failing = (meaning: "rate" | "reverted"): Endpoint => ({
    name: "first",
    request: (method) => Promise.reject(new EndpointError("first", method, meaning, "", "fails", "Wait.")),
  });
  const second: Endpoint = { name: "second", request: () => Promise.resolve("0x2") };
  const pool = anyEndpoint([failing("rate"), second]);
  expect(await pool.request("eth_chainId", [])).toBe("0x2");
  expect(pool.name).toBe("second");
  await expect(anyEndpoint([failing("reverted"), second]).request("eth_call", [])).rejects.toThrow("first fails");
  await expect(anyEndpoint([failing("rate"), failing("rate")]).request("eth_call", [])).rejects.toThrow("first fails");
});
