/** Verifiers' code in the EVM here: what it calls, and what it says yes to. */
import { type Hex, hexToBytes } from "viem";
import { expect, test } from "vitest";

import { G2, refusesOthers, runVerifier, setupPoint, verifierCall } from "../../src/verify/evm.js";

const YES = "60015f5260205ff3";
/** Calls another contract, and says yes. The address and the kind of the call are put in. */
const calls = (address: string, kind: string): Uint8Array => hexToBytes(`0x5f5f5f5f61${address}5a${kind}50${YES}` as Hex);
const [STATICCALL, DELEGATECALL] = ["fa", "f4"];
const PROOF = hexToBytes("0x11");

test("code that calls another contract is not accepted: it may answer otherwise on the chain", async () => {
  for (const kind of [STATICCALL, DELEGATECALL]) {
    const run = await runVerifier(calls("1234", kind), PROOF, [1n]);
    expect([run.accepted, run.foreign.length > 0]).toEqual([false, true]);
  }
  const run = await runVerifier(calls("0006", STATICCALL), PROOF, [1n]);
  expect([run.accepted, run.foreign]).toEqual([true, []]);
});

test("code that says yes to everything is shown to", async () => {
  const code = hexToBytes(`0x${YES}`);
  expect(await refusesOthers(code, PROOF, [1n, 2n])).toBe(false);
  expect(setupPoint(await runVerifier(code, PROOF, [1n]))).toBeNull();
  expect(await refusesOthers(hexToBytes("0x5f5ffd"), PROOF, [1n])).toBe(true);
});

test("a word of 1 is yes, and nothing else is", async () => {
  for (const code of ["0x60025f5260205ff3", "0x60015f5260405ff3", "0x5f5ff3", "0x", "0x5f5ffd", "0xfe"] as const) {
    expect((await runVerifier(hexToBytes(code), PROOF, [1n])).accepted).toBe(false);
  }
});

test("the calldata is the canonical one", () => {
  const data = verifierCall(hexToBytes("0xaabb"), [5n]);
  expect(data.length).toBe(4 + 32 * 6);
  expect([...data.subarray(4 + 31, 4 + 32), ...data.subarray(4 + 63, 4 + 64)]).toEqual([0x40, 0x80]);
  expect([...data.subarray(4 + 95, 4 + 98)]).toEqual([2, 0xaa, 0xbb]);
});

test("a pairing with points at infinity shows nothing", () => {
  const run = { accepted: true, gas: 0n, points: new Set<Hex>(), foreign: [] };
  const point = (digit: string, size: number): string => digit.repeat(2 * size);
  const pairing = (first: string, second: string): Hex => `0x${first}${G2.slice(2)}${second}${point("3", 128)}`;
  const [some, none] = [point("1", 64), point("0", 64)];
  expect(setupPoint({ ...run, pairings: [pairing(some, some)] })).toBe(`0x${point("3", 128)}`);
  for (const each of [pairing(none, some), pairing(some, none), pairing(none, none)]) {
    expect(setupPoint({ ...run, pairings: [each] })).toBeNull();
  }
  expect(setupPoint({ ...run, pairings: [pairing(some, some), pairing(some, some)] })).toBeNull();
});
