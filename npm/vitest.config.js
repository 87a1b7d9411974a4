import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["client/test/**/*.test.ts", "contracts/test/**/*.test.ts"],
    // One real chain with a history for all tests that ask for it.
    globalSetup: ["../tests/web/setup.mjs"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
