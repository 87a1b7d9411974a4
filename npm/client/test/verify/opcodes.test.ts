/** Instructions of a verifier's code. */
import { hexToBytes } from "viem";
import { expect, test } from "vitest";

import { runtimeCode } from "../../src/verify/key.js";
import { foreignInstruction } from "../../src/verify/opcodes.js";
import { publicFiles } from "./scene.js";

test("every verifier that ezkl generates depends on its calldata alone", () => {
  const codes = publicFiles().map(runtimeCode);
  expect(codes.length).toBeGreaterThan(1);
  expect(codes.map((code) => (code === null ? "no code" : foreignInstruction(code)))).toEqual(codes.map(() => null));
});

test.each([
  ["5f54", "SLOAD"],
  ["42", "TIMESTAMP"],
  ["33", "CALLER"],
  ["46", "CHAINID"],
  ["5f5f5f5f61123445f4", "GASLIMIT"],
  ["5f5f5f5f6112345af4", "DELEGATECALL"],
  ["5f5f5f5f5f6112345af1", "CALL"],
  ["5f5ff0", "CREATE"],
  ["7f54ff", null],
  ["6054", null],
  ["605454", "SLOAD"],
  ["60015f5260205ff3", null],
  ["0c", "0x0c"],
  ["ef0100", "0xef"],
] as const)("%s: %s", (code, found) => {
  expect(foreignInstruction(hexToBytes(`0x${code}`))).toBe(found);
});
