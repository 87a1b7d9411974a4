/** The public files of a circuit, and what they say of a verifier's code. Nothing in them is believed. */
import { bytesToHex, concatHex, type Hex, hexToBytes, numberToHex } from "viem";

import { CEREMONY_NEG_S_G2 } from "../read/srs.js";
import { JsonError, parseJson } from "../json.js";
import { asBytes, asRecord, toBigInt } from "./bytes.js";
import { Unknown, Unproven } from "./errors.js";
import type { PointG1, VerifierRun } from "./evm.js";
import type { Compile, PublicFileName, PublicFiles } from "./types.js";

const BASE_MODULUS = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47n;
/** 2^-256 modulo BASE_MODULUS: coordinates are in Montgomery's form in a key. */
const MONTGOMERY = 0x2e67157159e5c639cf63e9cfb74492d9eb2022850278edf8ed84884a014afa37n;
const VERSION = 3;
const INFINITY: PointG1 = `0x${"0".repeat(128)}`;
const SOURCE_NAME = "Verifier.sol";
const CONTRACT = "Halo2Verifier";
/** Optimiser runs, in the order in which they are tried: see `oracle/proving/artifact/verifier.py`. */
const OPTIMIZER_RUNS = [1_000_000, 200];
const MAX_RUNTIME_BYTES = 24_576;

/** −[s]₂ of the public ceremony's reference string, as pairing checks take it. */
export const CEREMONY: Hex = concatHex(CEREMONY_NEG_S_G2.map((each) => numberToHex(each, { size: 32 })));

/** A verifying key, as `vk.key` has it. Points at infinity are left in, as zeros. */
export interface VerifyingKey {
  /** The circuit has 2^k rows. */
  readonly k: number;
  readonly fixed: readonly PointG1[];
  readonly permutation: readonly PointG1[];
}

/**
 * Return the verifying key of a file.
 *
 * @param permutations The number of commitments to permutations, which the file does not state.
 * @throws Unproven if it is none.
 */
export function readKey(file: Uint8Array, permutations: number): VerifyingKey {
  const [version, k = 0, compressed] = file;
  const count = file[3] === undefined ? 0 : new DataView(file.buffer, file.byteOffset).getUint32(3, true);
  if (version !== VERSION || compressed !== 1 || k < 1 || k > 26 || file.length < 7 || count > 1_000) {
    throw new Unproven("vk.key is no verifying key of ezkl 23");
  }
  const end = 7 + 64 * (count + permutations);
  const selectors = file.length - end;
  if (selectors < 0 || selectors % Math.max(1, 2 ** k / 8) !== 0) {
    throw new Unproven("vk.key does not have as many commitments as Verifier.sol");
  }
  const points = Array.from({ length: count + permutations }, (_, at) => point(file.subarray(7 + 64 * at, 71 + 64 * at)));
  return { k, fixed: points.slice(0, count), permutation: points.slice(count) };
}

/** The constants that a generated verifier's source loads, by its own comments. */
export interface SourceConstants {
  readonly k: number;
  readonly instances: number;
  readonly proofBytes: number;
  readonly fixed: readonly PointG1[];
  readonly permutation: readonly PointG1[];
  readonly setup: Hex;
}

/**
 * Return the constants of a generated verifier's source.
 *
 * @throws Unproven if one is missing, or is there twice with two values.
 */
export function readSource(source: string): SourceConstants {
  const found = new Map<string, Hex>();
  for (const match of source.matchAll(/^ *mstore\(0x[0-9a-f]+, (0x[0-9a-f]{64})\) \/\/ ([a-z0-9_[\].]+)$/gm)) {
    const [value, name] = [match[1] as Hex, match[2] ?? ""];
    if ((found.get(name) ?? value) !== value) throw new Unproven(`Verifier.sol has two values of ${name}`);
    found.set(name, value);
  }
  const value = (name: string): Hex => {
    const each = found.get(name);
    if (each === undefined) throw new Unproven(`Verifier.sol is no generated verifier: it has no constant ${name}`);
    return each;
  };
  const points = (name: string): PointG1[] => {
    const all: PointG1[] = [];
    while (found.has(`${name}[${String(all.length)}].x`)) {
      const at = String(all.length);
      all.push(concatHex([value(`${name}[${at}].x`), value(`${name}[${at}].y`)]));
    }
    return all;
  };
  const lengths = [...source.matchAll(/eq\(0x([0-9a-f]+), proof\.length\)/g)];
  if (lengths.length !== 1) throw new Unproven("Verifier.sol does not check the length of a proof once");
  return {
    k: Number(value("k")),
    instances: Number(value("num_instances")),
    proofBytes: Number.parseInt(lengths[0]?.[1] ?? "0", 16),
    fixed: points("fixed_comms"),
    permutation: points("permutation_comms"),
    setup: concatHex(["x_1", "x_2", "y_1", "y_2"].map((each) => value(`neg_s_g2_${each}`))),
  };
}

/** What ties a verifier's code to public files, as far as it was shown. */
export interface KeyCheck {
  readonly name: string;
  /** True if the source was compiled here, and gives this very code. */
  readonly isCompiled: boolean;
  readonly commitments: number;
  readonly k: number;
}

/** What was loaded from some public files. */
interface Loaded {
  readonly source: string;
  readonly key: Uint8Array;
  readonly runtime: Hex;
}

/** Return those public files whose bytecode some code is; null if none are. */
export function filesOf(publicFiles: readonly PublicFiles[], code: Uint8Array): PublicFiles | null {
  const wanted = bytesToHex(code);
  return publicFiles.find((each) => runtimeOf(each) === wanted) ?? null;
}

/**
 * Show that a verifier's code belongs to a published key: the constants of the source are those of the key, and the run
 * of a proof that holds really computed with them.
 *
 * @param run A run of the code, that accepted.
 * @throws Unproven if it does not. Unknown if a file is missing.
 */
export async function checkKey(
  publicFiles: PublicFiles,
  code: Uint8Array,
  run: VerifierRun,
  setup: Hex | null,
  compile?: Compile,
): Promise<KeyCheck> {
  const { name } = publicFiles;
  const { source, key, runtime } = loaded(publicFiles);
  if (runtime !== bytesToHex(code)) throw new Unproven(`the code in verifier.json of ${name} is another one`);
  const constants = readSource(source);
  const read = readKey(key, constants.permutation.length);
  const same = (one: readonly Hex[], other: readonly Hex[]): boolean =>
    one.length === other.length && one.every((each, at) => each === other[at]);
  if (read.k !== constants.k || !same(read.fixed, constants.fixed) || !same(read.permutation, constants.permutation)) {
    throw new Unproven(`Verifier.sol of ${name} is not the verifier of vk.key beside it: their commitments differ`);
  }
  const unused = [...read.fixed, ...read.permutation].filter((each) => each !== INFINITY && !run.points.has(each));
  if (unused.length > 0) {
    throw new Unproven(
      `the code does not compute with the key of ${name}: ${String(unused.length)} of its commitments are in no sum`,
    );
  }
  if (setup !== constants.setup) throw new Unproven(`the code checks the pairing with another point than Verifier.sol of ${name}`);
  const isCompiled = compile !== undefined;
  if (isCompiled && (await compiled(source, compile)) !== runtime) {
    throw new Unproven(`Verifier.sol of ${name} does not compile to the code on the chain`);
  }
  return { name, isCompiled, commitments: read.fixed.length + read.permutation.length, k: read.k };
}

/** Return the runtime code in some public files; null if they have none. */
export function runtimeCode(publicFiles: PublicFiles): Uint8Array | null {
  const found = runtimeOf(publicFiles);
  return found === null ? null : hexToBytes(found);
}

/** Return what a manifest says; null if it is none. Nothing of it is believed: it only helps to find out what was meant. Integers are bigints. */
export function manifestOf(publicFiles: PublicFiles): Readonly<Record<string, unknown>> | null {
  const file = publicFiles.files["manifest.json"];
  return file === undefined ? null : parsed(file);
}

function loaded(publicFiles: PublicFiles): Loaded {
  const of = (name: PublicFileName): Uint8Array => {
    const file = publicFiles.files[name];
    if (file === undefined) throw new Unknown(`${name} is missing from the public files of ${publicFiles.name}`);
    return file;
  };
  const runtime = runtimeOf(publicFiles);
  if (runtime === null) throw new Unknown(`verifier.json of ${publicFiles.name} has no runtime code`);
  return { source: new TextDecoder().decode(of("Verifier.sol")), key: of("vk.key"), runtime };
}

function runtimeOf(publicFiles: PublicFiles): Hex | null {
  const file = publicFiles.files["verifier.json"];
  const found = file === undefined ? undefined : parsed(file)?.runtime;
  return typeof found === "string" ? asBytes(found.startsWith("0x") ? found : `0x${found}`) : null;
}

function parsed(file: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    return asRecord(parseJson(new TextDecoder().decode(file), "bigint"));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return null;
  }
}

function point(bytes: Uint8Array): PointG1 {
  const coordinate = (part: Uint8Array): bigint => {
    const stored = toBigInt(Uint8Array.from(part).reverse());
    if (stored >= BASE_MODULUS) throw new Unproven("vk.key has a coordinate that is not reduced");
    return (stored * MONTGOMERY) % BASE_MODULUS;
  };
  const [x, y] = [coordinate(bytes.subarray(0, 32)), coordinate(bytes.subarray(32, 64))];
  if ((x !== 0n || y !== 0n) && (y * y - x * x * x - 3n) % BASE_MODULUS !== 0n) {
    throw new Unproven("vk.key has a commitment that is no point of the curve");
  }
  return concatHex([numberToHex(x, { size: 32 }), numberToHex(y, { size: 32 })]);
}

/** Return the runtime code that a source compiles to, with the settings of the oracle's own builds; null if it does not. */
async function compiled(source: string, compile: Compile): Promise<Hex | null> {
  for (const runs of OPTIMIZER_RUNS) {
    const input = {
      language: "Solidity",
      sources: { [SOURCE_NAME]: { content: source } },
      settings: {
        optimizer: { enabled: true, runs },
        metadata: { bytecodeHash: "none", appendCBOR: false },
        evmVersion: "shanghai",
        outputSelection: { [SOURCE_NAME]: { [CONTRACT]: ["evm.deployedBytecode.object"] } },
      },
    };
    let found: unknown = JSON.parse(await compile(JSON.stringify(input)));
    for (const name of ["contracts", SOURCE_NAME, CONTRACT, "evm", "deployedBytecode", "object"]) {
      found = asRecord(found)?.[name];
    }
    const code = typeof found === "string" ? asBytes(`0x${found}`) : null;
    if (code === null) return null;
    if (hexToBytes(code).length <= MAX_RUNTIME_BYTES) return code;
  }
  return null;
}
