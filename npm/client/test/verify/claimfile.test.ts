/** Claim files that somebody made to harm whoever drops them on a page. */
import { expect, test } from "vitest";

import { Unproven } from "../../src/verify/errors.js";
import { readClaim } from "../../src/verify/claimfile.js";

const LARGE = 1 << 20;

test.each([
  ["quotes that end nowhere", `"${'\\"'.repeat(LARGE / 2 - 1)}`],
  ["lists in lists", "[".repeat(LARGE)],
  ["objects in objects", '{"a":'.repeat(LARGE / 5)],
  ["a number of a million digits", "7".repeat(LARGE - 1)],
  ["a key twice", '{"format": "claim-v2", "format": "claim-v2"}'],
  ["nothing", ""],
  ["more than a claim can be", " ".repeat(LARGE + 1)],
])("%s: it is refused, and soon", (_what, text) => {
  const begun = process.cpuUsage();
  expect(() => readClaim(text)).toThrow(Unproven);
  expect(process.cpuUsage(begun).user).toBeLessThan(5_000_000);
});

test("a text that looks like a number is none", () => {
  const text = JSON.stringify({ format: "claim-v2", model: "m", model_id: "0x1", model_hash: "0x1", commitment: "0x1" });
  const terms = '"terms": {"bounds": [{"output": "#0", "lo": 0, "hi": 1}], "changes": [], "earlier": null}';
  expect(() => readClaim(`${text.slice(0, -1)}, ${terms}}`)).toThrow("output is no integer");
});
