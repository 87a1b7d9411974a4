/** Pages in a real browser, on a real chain, and endpoints that lie. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { inject } from "vitest";

/** One answer of an endpoint, before it is sent to the page. */
export interface Answer {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly result: unknown;
}

/** Returns what the page is told instead of an honest result. */
export type Lie = (answer: Answer) => unknown;

/** A page that was opened, with all that it complained about. */
export interface Opened {
  readonly page: Page;
  /** Errors of scripts, and violations of the content security policy. */
  readonly complaints: readonly string[];
  /** URLs and bodies of all requests that the page made. */
  readonly requests: readonly { readonly url: string; readonly body: string }[];
}

/** A browser whose pages show the scene. */
export class Explorer {
  private constructor(private readonly browser: Browser) {}

  static async start(): Promise<Explorer> {
    return new Explorer(await chromium.connect(inject("browserUrl")));
  }

  async close(): Promise<void> {
    await this.browser.close();
  }

  /**
   * Open a page.
   *
   * @param hash The page, as in `#/models`.
   * @param options.endpoints Endpoints that the page asks, in place of the scene's.
   * @param options.hub The hub that is shown, in place of the scene's.
   * @param options.width Pixels.
   */
  async open(
    hash: string,
    options: { endpoints?: readonly string[]; hub?: string; width?: number; isDark?: boolean } = {},
  ): Promise<Opened> {
    const context = await this.browser.newContext({
      viewport: { width: options.width ?? 1_280, height: 900 },
      colorScheme: options.isDark === true ? "dark" : "light",
      timezoneId: "UTC",
      reducedMotion: "reduce",
    });
    context.setDefaultTimeout(60_000);
    const { endpoints, hub } = options;
    await configure(context, { ...(endpoints && { endpoints }), ...(hub !== undefined && { hub }) });
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: { url: string; body: string }[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    context.on("request", (request) => {
      requests.push({ url: request.url(), body: request.postData() ?? "" });
    });
    await page.goto(`${inject("explorerUrl")}${hash}`);
    return { page, complaints, requests };
  }
}

/** Make a page's config.json say something else. */
async function configure(context: BrowserContext, instead: Readonly<Record<string, unknown>>): Promise<void> {
  if (Object.keys(instead).length === 0) return;
  await context.route("**/config.json", async (route) => {
    const answer = await route.fetch();
    const config = (await answer.json()) as Record<string, unknown>;
    await route.fulfill({ response: answer, json: { ...config, ...instead } });
  });
}

/** An endpoint that forwards to the scene's, and alters answers. */
export class LyingEndpoint {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /**
   * @param lie Returns what is told instead of an honest result.
   * @param refusal How every request is refused, in place of an answer: no CORS headers, or a status.
   */
  static async start(lie: Lie, refusal: "no CORS" | 429 | null = null): Promise<LyingEndpoint> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        if (refusal !== "no CORS") {
          response.setHeader("Access-Control-Allow-Origin", "*");
          response.setHeader("Access-Control-Allow-Headers", "*");
        }
        if (refusal === 429) response.statusCode = request.method === "POST" ? 429 : 204;
        if (request.method !== "POST") {
          response.end();
          return;
        }
        if (refusal !== null) {
          response.end("{}");
          return;
        }
        forward(Buffer.concat(parts).toString(), lie).then(
          (text) => {
            response.setHeader("Content-Type", "application/json");
            response.end(text);
          },
          (reason: unknown) => {
            response.statusCode = 500;
            response.end(String(reason));
          },
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return new LyingEndpoint(server, `http://127.0.0.1:${String(port)}`);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

interface Call {
  readonly id: unknown;
  readonly method: string;
  readonly params?: readonly unknown[];
}

async function forward(body: string, lie: Lie): Promise<string> {
  const answer = await fetch(inject("scene").rpcUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  const asked = JSON.parse(body) as Call | Call[];
  const told = (await answer.json()) as Record<string, unknown> | Record<string, unknown>[];
  const calls = new Map((Array.isArray(asked) ? asked : [asked]).map((call) => [call.id, call]));
  const altered = (Array.isArray(told) ? told : [told]).map((each) => {
    const call = calls.get(each.id);
    if (call === undefined || !("result" in each)) return each;
    return { ...each, result: lie({ method: call.method, params: call.params ?? [], result: each.result }) };
  });
  return JSON.stringify(Array.isArray(told) ? altered : altered[0]);
}
