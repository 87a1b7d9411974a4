import { createServer, type Server } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";

import { chromium, type Browser } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

let folder: string;
let server: Server;
let browser: Browser;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "page-"));
  // The client is the one that is packed: as it was built, and not its source.
  const client = path.join(ROOT, "npm/client/dist/index.js");
  await build({
    root: path.join(ROOT, "examples/page"),
    configFile: false,
    logLevel: "error",
    build: { outDir: folder, emptyOutDir: true, target: "es2022" },
    resolve: { alias: { "@verifiable-oracle/client": client, viem: path.join(ROOT, "npm/node_modules/viem") } },
  });
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = path.join(folder, pathname === "/" ? "index.html" : path.normalize(pathname));
    readFile(file).then(
      (text) => response.setHeader("Content-Type", TYPES[path.extname(file)] ?? "text/plain").end(text),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.connect(inject("browserUrl"));
});

afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

test("the example's page shows a price, and that it is proven", async () => {
  const { hub, rpcUrl, feeds } = inject("scene");
  const page = await (await browser.newContext()).newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  const { port } = server.address() as AddressInfo;
  const query = new URLSearchParams({ hub, feed: feeds.trio.id, rpc: rpcUrl });
  await page.goto(`http://127.0.0.1:${String(port)}/?${query.toString()}`);
  await page.getByText(/round \d+: holds/).waitFor();
  expect(await page.getByRole("heading").textContent()).toBe(feeds.trio.description);
  expect(Number.parseFloat((await page.locator("#price").textContent()) ?? "")).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});
