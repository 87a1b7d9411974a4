/** What asks servers that are no RPC endpoints: bounded in time and size, without redirects, cookies and referrers. */

/** What sends requests: the platform's `fetch`, or a test's. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Options of everything that asks a server. */
export interface ServerOptions {
  /** The caller's bearer token. */
  readonly token?: string;
  /** Milliseconds of one request at most; default: 30,000. */
  readonly timeout?: number;
  readonly fetch?: Fetch;
  /** What waits between requests. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/** The most characters of an answer. */
const MOST = 1 << 21;

/** The server does not answer, or not in time. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Seconds after which to ask again, as the server says; null if it doesn't. */
  readonly retryAfter: number | null;
}

/** Return the URL without a slash at its end. Throws the error that `refuse` makes if it is none of http or https. */
export function serverUrl(url: string, refuse: (problem: string) => Error): string {
  if (!/^https?:\/\/[^\s/]/.test(url)) throw refuse(`${JSON.stringify(url.slice(0, 80))} is no URL of a server`);
  return url.replace(/\/+$/, "");
}

/** Return true if a URL is of this machine. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Send a request, and return the whole answer.
 *
 * @throws Unreachable if there is none.
 */
export async function ask(
  url: string,
  { token, timeout = 30_000, fetch: send = globalThis.fetch }: ServerOptions,
  { method = "GET", body, signal }: { method?: string; body?: string; signal?: AbortSignal } = {},
): Promise<Answer> {
  const answer = await open(url, { ...(token === undefined ? {} : { token }), timeout, fetch: send }, method, body, signal);
  let text: string;
  try {
    text = await answer.text();
  } catch (reason) {
    throw unreachable(url, reason);
  }
  if (text.length > MOST) throw new Unreachable(`${hostOf(url)} sends an answer that is too long`);
  const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
  return { status: answer.status, text, retryAfter: Number.isFinite(after) && after >= 0 ? after : null };
}

/** Send a request, and return the answer as it begins. Throws: Unreachable. */
export async function open(
  url: string,
  { token, timeout = 30_000, fetch: send = globalThis.fetch }: ServerOptions,
  method = "GET",
  body?: string,
  signal?: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const limit = AbortSignal.timeout(timeout);
  try {
    return await send(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      redirect: "error",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
    });
  } catch (reason) {
    signal?.throwIfAborted();
    throw unreachable(url, reason);
  }
}

/** Wait. */
export async function pause(milliseconds: number): Promise<void> {
  await new Promise<void>((done) => setTimeout(done, milliseconds));
}

/** Return the host of a URL, for errors: its path may have a key. */
export function hostOf(url: string): string {
  return new URL(url).host;
}

/** Return the error of a request that failed. */
export function unreachable(url: string, reason: unknown): Unreachable {
  const isLate = reason instanceof Error && (reason.name === "TimeoutError" || reason.name === "AbortError");
  return new Unreachable(
    isLate
      ? `${hostOf(url)} does not answer in time. Try again.`
      : `${hostOf(url)} can't be reached from here. It is down, its URL is wrong, or it does not let pages of other sites ask it.`,
  );
}
