import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

// The client is built from its source, so that the page and the package never differ.
const client = fileURLToPath(new URL("../npm/client/src/index.ts", import.meta.url));

export default defineConfig({
  base: "./",
  resolve: { alias: { "@verifiable-oracle/client": client } },
  build: { outDir: "dist", target: "es2022" },
});
