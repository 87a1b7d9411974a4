// npm's solc, loaded once: each line of stdin is a compiler input; the answer is its length in bytes, a line, and itself.
// tests/staying_solc.py starts it with the package's folder. It ends with its stdin.
const v8 = require("v8");
// As in the executable that oracle/chain/local/solc.py writes.
v8.setFlagsFromString("--wasm-tiering-budget=100000000");
v8.setFlagsFromString("--wasm-lazy-validation");
const listeners = process.listeners("uncaughtException");
const solc = require(process.argv[2]);
process.removeAllListeners("uncaughtException");
for (const listener of listeners) process.on("uncaughtException", listener);

const lines = require("readline").createInterface({ input: process.stdin, crlfDelay: Infinity });
lines.on("line", (line) => {
  const output = Buffer.from(
    solc.compile(line, { import: (name) => ({ error: "File not found: " + name + " (put every source into the input)" }) }),
  );
  process.stdout.write(output.length + "\n");
  process.stdout.write(output);
});
