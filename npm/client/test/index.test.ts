import { expect, test } from "vitest";

import { VERSION } from "../src/index.js";

test("the package has a version", () => {
  expect(VERSION).toMatch(/^\d+\.\d+\.\d+$/);
});
