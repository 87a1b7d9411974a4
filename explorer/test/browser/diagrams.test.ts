/** The diagrams of the documentation, drawn as the site draws them: by the same script, in a real browser. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const SCRIPT = path.join(ROOT, "npm/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js");

interface Mermaid {
  initialize: (options: object) => void;
  render: (id: string, text: string) => Promise<{ svg: string }>;
}

/** All diagrams of the pages, each with the page's name. */
function diagrams(): [string, string][] {
  const docs = path.join(ROOT, "docs");
  return readdirSync(docs, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) => {
      const text = readFileSync(path.join(docs, name), "utf8");
      return [...text.matchAll(/^```mermaid\n(.*?)^```/gms)].map((found): [string, string] => [name, found[1] ?? ""]);
    });
}

describe("diagrams of the documentation", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.connect(inject("browserUrl"));
  });
  afterAll(() => browser.close());

  test("each can be drawn", async () => {
    const found = diagrams();
    expect(found.length).toBeGreaterThan(3);
    const page = await browser.newPage();
    await page.addScriptTag({ path: SCRIPT });
    const draw = (text: string): Promise<string> =>
      page.evaluate(async (diagram) => {
        const { mermaid } = globalThis as unknown as { mermaid: Mermaid };
        mermaid.initialize({ startOnLoad: false });
        return (await mermaid.render("drawn", diagram)).svg;
      }, text);
    for (const [name, text] of found) expect(await draw(text), name).toContain("<svg");
    await expect(draw("flowchart LR\n a -->> [b")).rejects.toThrow("Parse error");
  });
});
