/** A claim's file: the public part and the proof, read with care, as anybody may have edited it. */
import { type Address, getAddress, type Hex, hexToBytes, isAddress, numberToHex } from "viem";

import { JsonError, parseJson } from "../json.js";
import { asBytes, asRecord, exactInteger } from "./bytes.js";
import { Unproven } from "./errors.js";
import { FIELD_MODULUS, INT128_MAX, toField } from "./features.js";

const FORMAT = "claim-v2";
const LARGEST = 1 << 20;
const LIMBS = 4;
const LIMB_BITS = 40n;
const UINT40 = 2n ** 40n;

/** Bounds of one output, or of its change, both included. */
export interface ClaimBound {
  readonly output: number;
  readonly lo: bigint;
  readonly hi: bigint;
}

/** An issuer's signature on a commitment. */
export interface ClaimAttestation {
  /** As the file names it; who signed is recovered. */
  readonly issuer: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly signature: Uint8Array;
}

/** A claim with its proof. */
export interface Claim {
  readonly model: string;
  readonly modelId: bigint;
  readonly modelHash: bigint;
  readonly commitment: bigint;
  readonly bounds: readonly ClaimBound[];
  readonly changes: readonly ClaimBound[];
  /** The commitment to the earlier data; 0 if there are no changes. */
  readonly earlier: bigint;
  readonly unit: bigint;
  readonly subject: Address;
  readonly expiresAt: number;
  readonly statementHash: bigint;
  readonly proof: Uint8Array;
  readonly attestation: ClaimAttestation | null;
}

/** The form of a model's statements. */
export interface ClaimShape {
  readonly outputs: number;
  readonly changes: boolean;
  /** Bounds are within ±limit. */
  readonly limit: bigint;
}

/**
 * Return the claim of a file's text.
 *
 * @throws Unproven if it is none.
 */
export function readClaim(text: string): Claim {
  if (text.length > LARGEST) throw new Unproven("the file is too large for a claim");
  let parsed: unknown;
  try {
    parsed = parseJson(text, "bigint");
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new Unproven(`the file was cut, or is none of a claim: ${error.message}`);
  }
  const found = asRecord(parsed);
  if (found?.format !== FORMAT) throw new Unproven(`the file is no claim: its format is not ${FORMAT}`);
  const terms = record(found.terms, "terms");
  const claim: Claim = {
    model: text_(found.model, "model"),
    modelId: hexadecimal(found.model_id, "model_id", 2n ** 256n),
    modelHash: hexadecimal(found.model_hash, "model_hash", FIELD_MODULUS),
    commitment: hexadecimal(found.commitment, "commitment", FIELD_MODULUS),
    bounds: bounds(terms.bounds, "bounds"),
    changes: bounds(terms.changes, "changes"),
    earlier: terms.earlier === null ? 0n : hexadecimal(terms.earlier, "earlier", FIELD_MODULUS),
    unit: integer(found.unit, "unit"),
    subject: address(found.subject),
    expiresAt: time(found.expires_at, "expires_at"),
    statementHash: hexadecimal(found.statement_hash, "statement_hash", FIELD_MODULUS),
    proof: bytes(found.proof, "proof"),
    attestation: attestation(found.attestation),
  };
  if (claim.unit <= 0n) throw new Unproven("the claim's unit is not positive");
  return claim;
}

/** Return in what a claim's terms are none of such a model; null if they are. */
export function shapeProblem(claim: Claim, shape: ClaimShape): string | null {
  const { bounds, changes, earlier } = claim;
  if (bounds.length + changes.length === 0) return "it says nothing";
  if ((changes.length > 0) !== (earlier !== 0n)) return "it states changes since nothing, or earlier data without changes";
  if (changes.length > 0 && !shape.changes) return "its model has no changes";
  for (const told of [bounds, changes]) {
    let next = 0;
    for (const { output, lo, hi } of told) {
      if (output < next || output >= shape.outputs) return `it does not name outputs of its ${String(shape.outputs)} each once and in order`;
      if (lo > hi || lo < -shape.limit || hi > shape.limit) {
        return `its bounds ${String(lo)} and ${String(hi)} are not in order within ±${String(shape.limit)}`;
      }
      next = output + 1;
    }
  }
  return null;
}

/** Return the public instances of a claim, as `ClaimRegistry` builds them. */
export function claimInstances(claim: Claim, shape: ClaimShape): readonly bigint[] {
  const quantities = shape.outputs * (shape.changes ? 2 : 1);
  const ranges = Array.from({ length: quantities }, () => ({ lo: -shape.limit, hi: shape.limit }));
  for (const [first, told] of [[0, claim.bounds], [shape.outputs, claim.changes]] as const) {
    for (const { output, lo, hi } of told) ranges[first + output] = { lo, hi };
  }
  const subject = BigInt(claim.subject);
  const earlier = shape.changes ? [claim.earlier === 0n ? claim.commitment : claim.earlier] : [];
  return [
    ...[claim.commitment, ...earlier, claim.statementHash, claim.modelHash],
    ...ranges.map(({ lo }) => toField(2n * lo - 1n)),
    ...ranges.map(({ hi }) => toField(2n * hi + 1n)),
    BigInt(claim.expiresAt),
    ...Array.from({ length: LIMBS }, (_, at) => BigInt.asUintN(Number(LIMB_BITS), subject >> (LIMB_BITS * BigInt(at)))),
    1n,
  ];
}

/** Return a model's id as a contract has it. */
export function idOf(claim: Claim): Hex {
  return numberToHex(claim.modelId, { size: 32 });
}

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  const found = asRecord(value);
  if (found === null) throw new Unproven(`the claim's ${name} is missing`);
  return found;
}

function text_(value: unknown, name: string): string {
  if (typeof value !== "string" || value.length > 200) throw new Unproven(`the claim's ${name} is no text`);
  return value;
}

function integer(value: unknown, name: string): bigint {
  const found = exactInteger(value);
  if (found === null) throw new Unproven(`the claim's ${name} is no integer`);
  if (found > INT128_MAX || found < -INT128_MAX) throw new Unproven(`the claim's ${name} is no integer of the circuit`);
  return found;
}

function time(value: unknown, name: string): number {
  const found = integer(value, name);
  if (found < 0n || found >= UINT40) throw new Unproven(`the claim's ${name} is no time`);
  return Number(found);
}

function hexadecimal(value: unknown, name: string, limit: bigint): bigint {
  const isHex = typeof value === "string" && /^0x[0-9a-fA-F]{1,64}$/.test(value);
  const found = isHex ? BigInt(value) : -1n;
  if (found < 0n || found >= limit) throw new Unproven(`the claim's ${name} is no field element in hexadecimal`);
  return found;
}

function bytes(value: unknown, name: string): Uint8Array {
  const found = asBytes(value);
  if (found === null) throw new Unproven(`the claim's ${name} is not in hexadecimal`);
  return hexToBytes(found);
}

function address(value: unknown): Address {
  if (typeof value !== "string" || !isAddress(value, { strict: false }) || BigInt(value) === 0n) {
    throw new Unproven("the claim's subject is no address");
  }
  return getAddress(value);
}

function bounds(value: unknown, name: string): readonly ClaimBound[] {
  if (!Array.isArray(value) || value.length > 255) throw new Unproven(`the claim's ${name} are no list`);
  return value.map((each: unknown) => {
    const found = record(each, name);
    const output = integer(found.output, `${name}' output`);
    if (output < 0n || output > 255n) throw new Unproven(`the claim's ${name} name no output`);
    return { output: Number(output), lo: integer(found.lo, `${name}' lo`), hi: integer(found.hi, `${name}' hi`) };
  });
}

function attestation(value: unknown): ClaimAttestation | null {
  if (value === null) return null;
  const found = record(value, "attestation");
  const signature = bytes(found.signature, "signature");
  if (signature.length !== 65) throw new Unproven("the attestation's signature does not have 65 bytes");
  return {
    issuer: text_(found.issuer, "issuer"),
    issuedAt: time(found.issued_at, "attestation's time"),
    expiresAt: time(found.expires_at, "attestation's end"),
    signature,
  };
}
