// Runs snarkjs for the benchmark: a local, insecure ceremony, and a prover that stays warm.
//
//     node groth16.mjs setup TOOLS FOLDER    # circuit.r1cs -> circuit.zkey, verification_key.json, Verifier.sol, facts.json
//     node groth16.mjs prove TOOLS FOLDER    # a JSON request a line on standard input, a JSON answer a line
//
// TOOLS has the node_modules with snarkjs. A request has the circuit's inputs by name, of decimal strings, such as
// {"window": [...], "weights": [...]}. With "instead": {"1": "0"}, values of the witness are replaced before the proof, as
// a dishonest prover would do it.

import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const ELEMENT_BYTES = 32;

const [command, tools, folder] = process.argv.slice(2);
const snarkjs = createRequire(join(resolve(tools), "/"))("snarkjs");
const file = (name) => join(folder, name);
const bytes = (name) => new Uint8Array(readFileSync(file(name)));
const seconds = (from, to) => (to - from) / 1000;

async function setup() {
  const entropy = () => randomBytes(64).toString("hex");
  const shape = await snarkjs.r1cs.info(file("circuit.r1cs"));
  const power = Math.floor(Math.log2(shape.nConstraints + shape.nPubInputs + shape.nOutputs)) + 1;
  const curve = await snarkjs.curves.getCurveFromName("bn128");
  await snarkjs.powersOfTau.newAccumulator(curve, power, file("first.ptau"));
  await snarkjs.powersOfTau.contribute(file("first.ptau"), file("second.ptau"), "local", entropy());
  await snarkjs.powersOfTau.preparePhase2(file("second.ptau"), file("final.ptau"));
  if ((await snarkjs.zKey.newZKey(file("circuit.r1cs"), file("final.ptau"), file("first.zkey"))) === -1) {
    throw new Error(`the circuit does not fit 2^${power} constraints`);
  }
  await snarkjs.zKey.contribute(file("first.zkey"), file("circuit.zkey"), "local", entropy());
  const key = await snarkjs.zKey.exportVerificationKey(file("circuit.zkey"));
  const template = readFileSync(join(tools, "node_modules/snarkjs/templates/verifier_groth16.sol.ejs"), "utf8");
  const verifier = await snarkjs.zKey.exportSolidityVerifier(file("circuit.zkey"), { groth16: template });
  writeFileSync(file("verification_key.json"), JSON.stringify(key));
  writeFileSync(file("Verifier.sol"), verifier);
  writeFileSync(file("facts.json"), JSON.stringify({ constraints: shape.nConstraints, power }));
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".ptau") || name === "first.zkey") rmSync(file(name));
  }
}

function replaced(witness, instead) {
  // The values are the last section of the file, in little-endian order.
  const count = new DataView(witness.buffer, witness.byteOffset).getUint32(60, true);
  const start = witness.length - count * ELEMENT_BYTES;
  for (const [index, value] of Object.entries(instead)) {
    let rest = BigInt(value);
    for (let at = 0; at < ELEMENT_BYTES; at++, rest >>= 8n) {
      witness[start + Number(index) * ELEMENT_BYTES + at] = Number(rest & 0xffn);
    }
  }
  return witness;
}

async function prove() {
  const calculator = bytes("circuit_js/circuit.wasm");
  const key = { type: "mem", data: bytes("circuit.zkey") };
  const verificationKey = JSON.parse(readFileSync(file("verification_key.json"), "utf8"));
  for await (const line of createInterface({ input: process.stdin })) {
    const { instead, ...inputs } = JSON.parse(line);
    try {
      const witness = { type: "mem" };
      const began = performance.now();
      await snarkjs.wtns.calculate(inputs, calculator, witness);
      if (instead) replaced(witness.data, instead);
      const computed = performance.now();
      const { proof, publicSignals } = await snarkjs.groth16.prove(key, witness);
      const proven = performance.now();
      const verified = await snarkjs.groth16.verify(verificationKey, publicSignals, proof);
      const done = performance.now();
      const solidity = await snarkjs.groth16.exportSolidityCallData(proof, publicSignals);
      answer({
        seconds: { witness: seconds(began, computed), prove: seconds(computed, proven), verify: seconds(proven, done) },
        published: publicSignals,
        arguments: JSON.parse(`[${solidity}]`),
        verified,
        peakBytes: process.resourceUsage().maxRSS * 1024,
      });
    } catch (error) {
      answer({ error: String(error?.message ?? error) });
    }
  }
}

const answer = (found) => process.stdout.write(JSON.stringify(found) + "\n");
// Standard output is for answers only.
console.log = console.error;

try {
  if (command === "setup") await setup();
  else if (command === "prove") await prove();
  else throw new Error(`unknown command ${command}: setup or prove`);
  // snarkjs keeps threads that would keep the process alive.
  process.exit(0);
} catch (error) {
  console.error(String(error?.message ?? error));
  process.exit(1);
}
