import type { Endpoint } from "./endpoint.js";
import { EndpointError, type Meaning } from "./errors.js";
import { readRefusal, type Refusal } from "./refusals.js";

/** Options of `httpEndpoint`. Durations are milliseconds. */
export interface HttpOptions {
  /** The longest wait for one answer. */
  readonly timeout?: number;
  /** How often a request is tried that a limit of the rate or a passing failure refused. */
  readonly attempts?: number;
  /** The most requests under way at once. Others wait. */
  readonly parallel?: number;
  /** The most bytes of an answer that are read. */
  readonly largest?: number;
  /** What sends requests; the platform's `fetch` unless tests have another. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** What waits. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

const LONGEST_PAUSE = 15_000;
/** The events of tens of thousands of rounds fit; what is longer fills the memory of whoever asked. */
const LARGEST = 1 << 26;

/**
 * Return the endpoint at a URL. Requests that a limit of the rate refuses are tried again, as late as it asks for.
 *
 * @param url An `http` or `https` URL. Keys in its path stay out of names and errors.
 */
export function httpEndpoint(url: string, options: HttpOptions = {}): Endpoint {
  const { timeout = 20_000, attempts = 4, parallel = 8, largest = LARGEST } = options;
  const send = options.fetch ?? ((target, init) => fetch(target, init));
  const sleep = options.sleep ?? ((milliseconds) => new Promise((done) => setTimeout(done, milliseconds)));
  const name = endpointName(url);
  const gate = new Gate(parallel);
  let id = 0;

  const once = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    let answer: Response;
    let text: string | null;
    try {
      answer = await send(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params }),
        signal: AbortSignal.timeout(timeout),
        redirect: "error",
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      text = await bodyOf(answer, largest);
    } catch (reason) {
      const isLate = reason instanceof Error && (reason.name === "TimeoutError" || reason.name === "AbortError");
      throw failure(name, method, isLate ? "slow" : "unreachable", "");
    }
    // Events can be asked for in smaller parts; nothing else is so large.
    if (text === null) throw failure(name, method, method === "eth_getLogs" ? "too much" : "nonsense", `more than ${String(largest)} bytes`);
    return resultOf(name, method, answer, text);
  };

  return {
    name,
    async request(method, params) {
      await gate.enter();
      try {
        for (let attempt = 1; ; attempt++) {
          try {
            return await once(method, params);
          } catch (error) {
            if (!(error instanceof Refused) || attempt >= attempts) throw plain(error);
            const { meaning, pause } = error.refusal;
            if (meaning !== "rate" && meaning !== "passing") throw plain(error);
            const wait = pause === null ? 250 * 2 ** attempt : pause * 1_000;
            if (wait > LONGEST_PAUSE) throw plain(error);
            await sleep(wait);
          }
        }
      } finally {
        gate.leave();
      }
    },
  };
}

/** Return the name of the endpoint at a URL: its host. */
export function endpointName(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return "the endpoint";
  }
}

/** Return the error of a failure: what happened, and what to do. */
export function failure(name: string, method: string, meaning: Meaning, said: string, data = ""): EndpointError {
  const [what, advice] = explained(method, meaning);
  return new EndpointError(name, method, meaning, said, what, advice, data);
}

/** An answer that is an error, with what its words mean. */
class Refused extends Error {
  constructor(
    readonly failure: EndpointError,
    readonly refusal: Refusal,
  ) {
    super(failure.message);
  }
}

/** Return the text of an answer; null if it is longer than that. */
async function bodyOf(answer: Response, largest: number): Promise<string | null> {
  if (answer.body === null) return "";
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let [text, length] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > largest) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function plain(error: unknown): unknown {
  return error instanceof Refused ? error.failure : error;
}

function resultOf(name: string, method: string, answer: Response, text: string): unknown {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  // Some gateways answer in a list of one.
  if (Array.isArray(found) && found.length === 1) found = found[0];
  if (typeof found === "object" && found !== null) {
    if ("error" in found && found.error !== null && found.error !== undefined) {
      const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
      const refusal = readRefusal(method, found.error, answer.status, Number.isFinite(after) && after >= 0 ? after : null);
      throw new Refused(failure(name, method, refusal.meaning, refusal.said, refusal.data), refusal);
    }
    if ("result" in found && answer.ok) return found.result;
  }
  if (answer.ok) throw failure(name, method, "not json-rpc", "");
  const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const said = `HTTP ${String(answer.status)}${found === undefined ? "" : ` ${text.slice(0, 120)}`}`;
  const refusal = readRefusal(method, said, answer.status, Number.isFinite(after) && after >= 0 ? after : null);
  throw new Refused(failure(name, method, refusal.meaning, said), refusal);
}

function explained(method: string, meaning: Meaning): [what: string, advice: string] {
  switch (meaning) {
    case "unreachable":
      return [
        "can't be reached from here",
        "It is down, its URL is wrong, or it does not allow pages to ask it (CORS): browsers don't tell which. " +
          "Open the settings, and take an endpoint that allows pages, or one of your own.",
      ];
    case "slow":
      return ["does not answer in time", "Try again, or take another endpoint in the settings."];
    case "rate":
      return [
        "limits the rate of requests",
        "Wait a minute, or take an endpoint that allows more, for instance one with a key of your own.",
      ];
    case "too much":
      return [
        `refuses the events of that many blocks (${method})`,
        "It gives them for fewer blocks at once: look at a shorter time, or take an endpoint without that limit.",
      ];
    case "history":
      return [`no longer has what was asked for (${method})`, "Take an archive node: this endpoint has the newest blocks alone."];
    case "method":
      return [`does not offer ${method}`, "Take an endpoint that does: docs/chains.md lists what is needed."];
    case "block":
      return ["does not have the block", "It may be behind: try again in a moment, or take another endpoint."];
    case "denied":
      return ["does not serve you", "Check the URL, and the key in it."];
    case "reverted":
      return ["says that the contract refused the call", "The hub's address may be another contract's, or of another version."];
    case "not json-rpc":
      return ["answers something that is not JSON-RPC", "Check the URL: it may be a web page's, and not an endpoint's."];
    case "wrong chain":
      return ["serves another chain", "Take an endpoint of the hub's chain."];
    case "nonsense":
      return [`answers ${method} with something that can't be`, "Don't believe this endpoint: take another one."];
    case "passing":
      return ["could not answer just now", "Try again in a moment, or take another endpoint."];
    case "other":
      return [`refuses ${method}`, "Take another endpoint in the settings, or tell its operator."];
  }
}

/** Lets a number of callers in at once. */
class Gate {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(size: number) {
    this.free = size;
  }

  async enter(): Promise<void> {
    if (this.free > 0) {
      this.free--;
      return;
    }
    await new Promise<void>((done) => this.waiting.push(done));
  }

  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }
}
