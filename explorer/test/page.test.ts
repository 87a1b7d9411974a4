import { expect, test } from "vitest";

test("there is a page", async () => {
  const { readFile } = await import("node:fs/promises");
  expect(await readFile(new URL("../index.html", import.meta.url), "utf-8")).toContain("Verifiable oracle");
});
