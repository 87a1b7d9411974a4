/** Who signed a report: EIP-712, as the hub checks it. */
import { bytesToHex, concatHex, encodeAbiParameters, type Hex, keccak256, recoverAddress, toHex, type Address } from "viem";

import { concatenated, signedWord } from "./bytes.js";
import type { Submission, SubmittedRow } from "./calldata.js";
import { Unproven } from "./errors.js";

/** Half the order of secp256k1: contracts refuse signatures with an s above it. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const DOMAIN_TYPE = keccak256(
  toHex("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
);
const REPORT_TYPE = keccak256(
  toHex(
    "Report(uint32 committee,uint32 epoch,uint32 observedAt,bytes32[] feedIds,uint32[] roundIds,int128[] answers," +
      "bytes32[] readings)",
  ),
);

/** Return the domain separator of a contract that signs with this name and version. */
export function domainSeparator(name: string, version: string, chainId: number, contract: Address): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32" }, { type: "uint256" }, { type: "address" }],
      [DOMAIN_TYPE, keccak256(toHex(name)), keccak256(toHex(version)), BigInt(chainId), contract],
    ),
  );
}

/** Return what one reporter has signed. */
export function reportDigest(domain: Hex, submission: Submission, row: SubmittedRow): Hex {
  const words = (values: readonly bigint[]): Hex => keccak256(concatenated(values.map(signedWord)));
  const content = concatHex([
    REPORT_TYPE,
    bytesToHex(
      concatenated([submission.committee, submission.epoch, submission.observedAt].map((each) => signedWord(BigInt(each)))),
    ),
    keccak256(concatHex(submission.feedIds)),
    words(submission.roundIds.map(BigInt)),
    words(row.answers),
    row.readings,
  ]);
  return keccak256(concatHex(["0x1901", domain, keccak256(content)]));
}

/**
 * Return who signed a digest.
 *
 * @throws Unproven if nobody did, or the signature is not the canonical one of the two that are mathematically valid.
 */
export async function signerOf(digest: Hex, r: Hex, s: bigint, parity: 0 | 1): Promise<Address> {
  if (s > HALF_ORDER) throw new Unproven("a signature is not canonical: its s is in the upper half");
  if (s === 0n || BigInt(r) === 0n || BigInt(r) >= ORDER) throw new Unproven("a signature is none: r or s is out of range");
  try {
    return await recoverAddress({ hash: digest, signature: { r, s: toHex(s, { size: 32 }), yParity: parity } });
  } catch {
    throw new Unproven("a signature is none: no key gives it");
  }
}

/** Return who signed a report, in the order of its rows. */
export function signersOf(domain: Hex, submission: Submission): Promise<readonly Address[]> {
  return Promise.all(
    submission.rows.map((row) =>
      signerOf(reportDigest(domain, submission, row), row.r, BigInt.asUintN(255, row.vs), row.vs >> 255n === 1n ? 1 : 0),
    ),
  );
}
