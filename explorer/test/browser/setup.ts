/** vitest's global set-up of browser tests: `oracle explore` on the scene, and a browser. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

import packed from "@sparticuz/chromium";
import { chromium, type BrowserServer } from "playwright-core";
import type { TestProject } from "vitest/node";

const ROOT = path.resolve(import.meta.dirname, "../../..");

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { hub, rpcUrl, publicFiles, claimRegistry, modelCards } = project.getProvidedContext().scene;
  const shown = [hub, "--rpc", rpcUrl, "--artifacts", publicFiles, "--registry", claimRegistry, "--cards", modelCards];
  const oracle = path.join(ROOT, ".venv", process.platform === "win32" ? "Scripts/oracle.exe" : "bin/oracle");
  const server = spawn(oracle, ["explore", ...shown, "--listen", "127.0.0.1:0"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "exit");
  const [browser, line] = await Promise.all([
    launch(),
    createInterface({ input: server.stdout })[Symbol.asyncIterator]().next(),
  ]);
  const url = /http:\S+/.exec(line.done === true ? "" : line.value)?.[0];
  if (url === undefined) throw new Error("`oracle explore` did not start: it says why above. Are the pages built (make explorer)?");
  project.provide("explorerUrl", url);
  project.provide("browserUrl", browser.wsEndpoint());
  return async () => {
    server.kill("SIGTERM");
    await Promise.all([browser.close(), ended]);
  };
}

/**
 * Drawn by the processor, and without a sandbox, which containers don't allow. The package's own flags are not taken: they
 * turn the browser's checks of origins off, and put everything into one process.
 */
const FLAGS = ["--no-sandbox", "--no-zygote", "--disable-gpu", "--font-render-hinting=none"];

/** Start Chromium: the one that CHROMIUM names, or else the one of the lock file. */
async function launch(): Promise<BrowserServer> {
  const executablePath = process.env.CHROMIUM ?? (await packed.executablePath());
  try {
    return await chromium.launchServer({ executablePath, args: FLAGS });
  } catch (reason) {
    throw new Error(`Chromium does not start (${executablePath}). Name an installed one: CHROMIUM=/usr/bin/chromium`, {
      cause: reason,
    });
  }
}
