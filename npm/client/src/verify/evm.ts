/** A verifier's own bytecode, run in an EVM here, and what it really computes with. */
import { Common, Hardfork, Mainnet } from "@ethereumjs/common";
import { createEVM, getActivePrecompiles } from "@ethereumjs/evm";
import { createAddressFromString } from "@ethereumjs/util";
import { bytesToHex, concatHex, type Hex, hexToBytes, keccak256, numberToHex, toFunctionSelector } from "viem";

import { concatenated, word } from "./bytes.js";
import { FIELD_MODULUS } from "./features.js";

const SELECTOR = toFunctionSelector("function verifyProof(bytes proof, uint256[] instances)");
const [EC_ADD, EC_MUL, PAIRING] = ["06", "07", "08"].map((each) => each.padStart(40, "0")) as [string, string, string];
const LAST_PRECOMPILE = 10n;
const GAS = 100_000_000n;
const YES = numberToHex(1n, { size: 32 });

/** A point of BN254's G1 as `x` and `y` in hexadecimal, one after the other: 64 bytes. */
export type PointG1 = Hex;

/** The result of a run of a verifier. */
export interface VerifierRun {
  /** True if the code accepted the proof: it returned one word of 1. */
  readonly accepted: boolean;
  readonly gas: bigint;
  /** The points that it added to its sums, or multiplied. */
  readonly points: ReadonlySet<PointG1>;
  /** The input of each pairing check: 192 bytes a pair. */
  readonly pairings: readonly Hex[];
  /** Addresses that it called and that are no precompiles. On the chain they may answer otherwise than here. */
  readonly foreign: readonly string[];
}

/** Return the calldata of `verifyProof`, as the hub writes it: canonical ABI encoding, the proof first. */
export function verifierCall(proof: Uint8Array, instances: readonly bigint[]): Uint8Array {
  const padded = Math.ceil(proof.length / 32) * 32;
  const data = new Uint8Array(padded);
  data.set(proof);
  return concatenated([
    hexToBytes(SELECTOR),
    word(0x40n),
    word(BigInt(0x60 + padded)),
    word(BigInt(proof.length)),
    data,
    word(BigInt(instances.length)),
    ...instances.map(word),
  ]);
}

/**
 * Run a verifier. It has no storage and no other code to call here, so the result is that of its code alone: see
 * `foreignInstruction` for code that would ask for more.
 *
 * @param code Its runtime code.
 */
export async function runVerifier(
  code: Uint8Array,
  proof: Uint8Array,
  instances: readonly bigint[],
): Promise<VerifierRun> {
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Shanghai });
  const known = getActivePrecompiles(common);
  const points = new Set<PointG1>();
  const pairings: Hex[] = [];
  const watched = (address: string, note: (input: Uint8Array) => void): NonNullable<Options["customPrecompiles"]>[0] => {
    const original = known.get(address);
    if (original === undefined) throw new Error(`the EVM has no precompile ${address}`);
    return {
      address: createAddressFromString(`0x${address}`),
      function: (input) => {
        note(input.data);
        return original(input);
      },
    };
  };
  const evm = await createEVM({
    common,
    customPrecompiles: [
      watched(EC_ADD, (input) => points.add(bytesToHex(input.subarray(0, 64))).add(bytesToHex(input.subarray(64, 128)))),
      watched(EC_MUL, (input) => points.add(bytesToHex(input.subarray(0, 64)))),
      watched(PAIRING, (input) => pairings.push(bytesToHex(input))),
    ],
  });
  const foreign: string[] = [];
  evm.events.on("beforeMessage", ({ to, codeAddress }, resolve) => {
    for (const each of [to, codeAddress]) {
      const address = each?.toString();
      if (address !== undefined && (BigInt(address) === 0n || BigInt(address) > LAST_PRECOMPILE)) foreign.push(address);
    }
    resolve?.();
  });
  // The EVM raises an error of its own where code calls an account that is not there: such code is no verifier.
  const result = await evm.runCode({ code, data: verifierCall(proof, instances), gasLimit: GAS }).catch(() => null);
  return {
    accepted:
      foreign.length === 0 &&
      result !== null &&
      result.exceptionError === undefined &&
      bytesToHex(result.returnValue) === YES,
    gas: result?.executionGasUsed ?? 0n,
    points,
    pairings,
    foreign,
  };
}

/**
 * Return true if code refuses a proof, which it has accepted, for another statement: an instance is another one. Code
 * that says yes to everything does not. Which instance it is, nobody knows in advance.
 */
export async function refusesOthers(
  code: Uint8Array,
  proof: Uint8Array,
  instances: readonly bigint[],
): Promise<boolean> {
  const [place = 0, more = 0] = crypto.getRandomValues(new Uint32Array(2));
  const other = instances.map((each, at) =>
    at === place % instances.length ? (each + 1n + BigInt(more)) % FIELD_MODULUS : each,
  );
  return !(await runVerifier(code, proof, other)).accepted;
}

type Options = NonNullable<Parameters<typeof createEVM>[0]>;

/** The generator of G2, as pairing checks take it: imaginary parts first. */
export const G2: Hex = concatHex([
  "0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2",
  "0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed",
  "0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b",
  "0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa",
]);

/**
 * Return the point −[s]₂ with which a run checked the pairing: it belongs to the reference string. Null if the run did
 * not check one pairing of two pairs, the first of them with G2's generator, or checked it with points at infinity, for which
 * every pairing holds.
 */
export function setupPoint(run: VerifierRun): Hex | null {
  const [pairing, ...more] = run.pairings;
  if (pairing === undefined || more.length > 0 || pairing.length !== 2 + 2 * 384) return null;
  const part = (from: number, to: number): Hex => `0x${pairing.slice(2 + 2 * from, 2 + 2 * to)}`;
  const isEmpty = [part(0, 64), part(192, 256)].some((each) => BigInt(each) === 0n);
  return part(64, 192) === G2 && !isEmpty ? part(256, 384) : null;
}

/** Return keccak256 of code, as EXTCODEHASH gives it. */
export function codeHashOf(code: Uint8Array): Hex {
  return keccak256(code);
}
