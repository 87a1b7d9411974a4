/** Checks of real claim files: what is right holds, and every alteration is caught. */
import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { CheckError } from "../../src/verify/errors.js";
import { verifyInferenceProof } from "../../src/verify/index.js";
import type { ClaimCheck, ClaimStepId } from "../../src/verify/types.js";
import { honest, type Lie, lying, publicFiles, scene } from "./scene.js";

const FILES = publicFiles();
const GOOD = readFileSync(scene.claims.good, "utf8");
const registry = { address: scene.claimRegistry, endpoints: [honest("honest")] };

function failing(check: ClaimCheck): ClaimStepId[] {
  return check.steps.filter(({ state }) => state === "fails").map(({ id }) => id);
}

function edited(alter: (text: string) => string): string {
  const text = alter(GOOD);
  if (text === GOOD) throw new Error("nothing was edited");
  return text;
}

/** Alter the last digit of a hexadecimal field. */
function otherDigit(name: string): string {
  return edited((text) =>
    text.replace(new RegExp(`("${name}": "0x[0-9a-f]*)([0-9a-f])"`), (_, before: string, digit: string) => {
      return `${before}${(Number.parseInt(digit, 16) ^ 1).toString(16)}"`;
    }),
  );
}

test("a claim holds, with a registry and without", async () => {
  const told: string[] = [];
  const check = await verifyInferenceProof(GOOD, { registry, publicFiles: FILES, onStep: ({ id }) => told.push(id) });
  expect([check.verdict, failing(check)]).toEqual(["holds", []]);
  expect(told).toEqual(["file", "endpoints", "model", "attestation", "statement", "verifier", "proof", "setup", "key", "registry"]);
  expect(check.facts?.issuer).not.toBeNull();
  expect(check.facts?.bounds).toHaveLength(1);
  expect(check.warnings.join()).toContain("INSECURE");
  const alone = await verifyInferenceProof(GOOD, { publicFiles: FILES });
  expect([alone.verdict, alone.facts?.issuer, alone.remains.length]).toEqual(["holds", null, 2]);
});

const EDITS: [what: string, text: () => string, fails: ClaimStepId][] = [
  ["a byte of its proof", () => readFileSync(scene.claims.altered, "utf8"), "proof"],
  ["its bounds", () => readFileSync(scene.claims.otherBounds, "utf8"), "proof"],
  ["its end", () => edited((text) => text.replace(/"expires_at": 1099511627775,/, '"expires_at": 1099511627774,')), "proof"],
  ["its subject", () => edited((text) => text.replace(/"subject": "0x[0-9a-fA-F]{40}"/, `"subject": "0x${"4".repeat(40)}"`)), "attestation"],
  ["its model's id", () => otherDigit("model_id"), "model"],
  ["the hash of its weights", () => otherDigit("model_hash"), "model"],
  ["its commitment", () => otherDigit("commitment"), "attestation"],
  ["its unit", () => edited((text) => text.replace(/"unit": \d+/, '"unit": 2097152')), "key"],
  ["its issuer's signature", () => edited((text) => text.replace(/("signature": "0x)([0-9a-f])/, (_, before: string, digit: string) => before + (Number.parseInt(digit, 16) ^ 1).toString(16))), "attestation"],
  ["its form", () => edited((text) => text.replace("claim-v2", "claim-v1")), "file"],
  ["a bound to one that rounds", () => edited((text) => text.replace(/"lo": \d+/, '"lo": 1e3')), "file"],
  ["half of it", () => GOOD.slice(0, GOOD.length / 2), "file"],
];

test.each(EDITS)("a claim with another %s is refused", async (_what, text, fails) => {
  const check = await verifyInferenceProof(text(), { registry, publicFiles: FILES });
  expect([check.verdict, failing(check)[0]]).toEqual(["fails", fails]);
});

test("a claim that has expired is refused", async () => {
  const check = await verifyInferenceProof(GOOD, { registry, now: 2 ** 40 });
  expect([check.verdict, failing(check)]).toEqual(["fails", ["statement"]]);
});

test("an endpoint that puts other code in the verifier's place is caught by the model's id", async () => {
  const lie: Lie = (method, _params, answer) => (method === "eth_getCode" ? "0x60015f5260205ff3" : answer);
  const check = await verifyInferenceProof(GOOD, { registry: { ...registry, endpoints: [lying("liar", lie)] } });
  expect([check.verdict, failing(check)]).toEqual(["fails", ["model"]]);
});

test("without registry and public files there is nothing to check with", async () => {
  expect(() => verifyInferenceProof(GOOD)).toThrow(CheckError);
  const check = await verifyInferenceProof(GOOD, { publicFiles: FILES.filter(({ name }) => !name.startsWith("claim")) });
  expect([check.verdict, failing(check)]).toEqual(["fails", ["model"]]);
});

test("public files that name a billion outputs are none of a claim's model", async () => {
  const large = FILES.map(({ name, files }) => {
    const manifest = new TextDecoder().decode(files["manifest.json"]).replace(/"outputs": ?\d+/g, '"outputs": 1000000000');
    return { name, files: { ...files, "manifest.json": new TextEncoder().encode(manifest) } };
  });
  const check = await verifyInferenceProof(GOOD, { publicFiles: large });
  expect([check.verdict, failing(check)]).toEqual(["fails", ["model"]]);
  expect(check.steps.find(({ id }) => id === "model")?.detail).toContain("None of the public files");
});
