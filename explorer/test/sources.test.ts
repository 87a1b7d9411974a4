import { expect, test } from "vitest";

import { sourcesText } from "../src/app/sources.js";

test("who signed readings is said with a number, and that nobody did", () => {
  expect(sourcesText({ reporters: 3, committed: 2 })).toBe("2 of 3 signed a hash of their readings");
  expect(sourcesText({ reporters: 1, committed: 0 })).toMatch(/^nobody signed readings/);
});
