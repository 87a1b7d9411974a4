import { expect, test } from "vitest";

import { describe } from "../src/pages/model/description.js";
import { shareText } from "../src/pages/model/uses.js";

test("a share is never rounded to all or to nothing", () => {
  expect(shareText(181, 192)).toBe("94.3 %");
  expect(shareText(192, 192)).toBe("100 %");
  expect(shareText(99_999, 100_000)).toBe("99.9 %");
  expect(shareText(1, 100_000)).toBe("0.1 %");
  expect(shareText(0, 192)).toBe("0 %");
  expect(shareText(0, 0)).toBe("–");
});

test("public files describe the artifact that they are of, and no other", () => {
  const hash = "ab".repeat(32);
  const manifest = JSON.stringify({ artifact_hash: hash, name: "indices", privacy: { outputs: { means: "one verdict" } } });
  expect(describe(manifest, `0x${hash}`)).toEqual({ name: "indices", means: "one verdict" });
  expect(describe(manifest, `0x${"cd".repeat(32)}`)).toBeNull();
  expect(describe("{", `0x${hash}`)).toBeNull();
  expect(describe(JSON.stringify({ artifact_hash: hash, name: 7 }), `0x${hash}`)).toBeNull();
});
