import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

// The client is built from its source, so that the page and the package never differ.
const client = fileURLToPath(new URL("../npm/client/src/index.ts", import.meta.url));
const scene = fileURLToPath(new URL("../tests/web/setup.mjs", import.meta.url));

// No hashes: they depend on where the build is made, and what is published has to be the same bytes wherever that is.
const NAMES = {
  entryFileNames: "assets/[name].js",
  chunkFileNames: "assets/[name].js",
  assetFileNames: "assets/[name][extname]",
};

const inBrowser = {
  globalSetup: [scene, "test/browser/setup.ts"],
  // One browser for all: files take turns, so that two cores are enough for it and for the chain.
  fileParallelism: false,
  testTimeout: 240_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  base: "./",
  resolve: { alias: { "@verifiable-oracle/client": client } },
  build: { outDir: "dist", target: "es2022", rolldownOptions: { output: NAMES } },
  worker: { format: "es", rolldownOptions: { output: NAMES } },
  test: {
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/browser/**"] } },
      { extends: true, test: { name: "browser", include: ["test/browser/**/*.test.ts"], ...inBrowser } },
      { extends: true, test: { name: "bench", include: ["test/bench/**/*.bench.ts"], ...inBrowser } },
    ],
  },
});
