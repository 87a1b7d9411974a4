/** Submissions in calldata: as the hub reads them, wherever they stand, and whatever stands beside them. */
import { concatHex, encodeFunctionData, type Hex, hexToBytes, padHex, toHex } from "viem";
import { privateKeyToAccount, sign } from "viem/accounts";
import { expect, test } from "vitest";

import { zkOracleAbi } from "../../src/abi.js";
import { agrees, findSubmissions, MalformedSubmission, readSubmission, SHADOW_CALLS, type WantedReport } from "../../src/verify/calldata.js";
import { domainSeparator, reportDigest, signerOf, signersOf } from "../../src/verify/signatures.js";
import { checkSigners } from "../../src/verify/statement.js";

const FEEDS: Hex[] = [padHex("0x01", { size: 32 }), padHex("0x02", { size: 32 })];
const HUB = "0x00000000000000000000000000000000000000aa";
const packed = (values: bigint[]): Hex => concatHex(values.map((each) => toHex(BigInt.asUintN(128, each), { size: 16 })));

const FIELDS = {
  modelNumber: 3,
  committee: 1,
  epoch: 2,
  observedAt: 1_700_000_000,
  feedIds: FEEDS,
  roundIds: [7, 0],
  signatures: [1n, 2n, 3n].map((each) => ({ readings: padHex(toHex(each), { size: 32 }), r: padHex("0x05", { size: 32 }), vs: padHex("0x06", { size: 32 }) })),
  answers: packed([10n, -20n, 11n, -(2n ** 127n), 12n, 22n]),
  medians: "0x0100" as Hex,
  scores: packed([-5n]),
  proof: "0xabcdef" as Hex,
};
const WANTED: WantedReport = {
  ...{ feedId: padHex("0x01", { size: 32 }), roundId: 7, modelNumber: 3, observedAt: 1_700_000_000 },
  ...{ scores: [-5n], answer: 11n },
};

function calldata(more: Partial<typeof FIELDS> = {}, functionName: "submit" | "submitIfNewer" | "submitShadow" = "submit"): Uint8Array {
  return hexToBytes(encodeFunctionData({ abi: zkOracleAbi, functionName, args: [{ ...FIELDS, ...more }] }));
}

test("a submission is read as it was encoded", () => {
  for (const name of ["submit", "submitIfNewer"] as const) {
    const found = readSubmission(calldata({}, name));
    expect(found).toMatchObject({ modelNumber: 3, committee: 1, epoch: 2, observedAt: 1_700_000_000, feedIds: FEEDS });
    expect(found).toMatchObject({ roundIds: [7, 0], medians: [1, 0], scores: [[-5n]], proof: hexToBytes("0xabcdef") });
    expect(found.rows.map(({ answers }) => answers)).toEqual([[10n, -20n], [11n, -(2n ** 127n)], [12n, 22n]]);
    expect(agrees(found, WANTED)).toBe(true);
  }
});

test("what the hub can't have taken is refused", () => {
  const other = padHex("0x00", { size: 32 });
  const wrong: Partial<typeof FIELDS>[] = [
    { committee: 0 },
    { epoch: 0 },
    { feedIds: [FEEDS[1] ?? other, FEEDS[0] ?? other] },
    { feedIds: [FEEDS[0] ?? other, FEEDS[0] ?? other] },
    { feedIds: [other, FEEDS[0] ?? other] },
    { roundIds: [0, 0] },
    { roundIds: [7] },
    { signatures: [] },
    { answers: packed([1n]) },
    { medians: "0x01" },
    { medians: "0x0103" },
    { scores: "0x" },
    { scores: "0x00" },
    { proof: `0x${"00".repeat(16_385)}` },
  ];
  for (const each of wrong) expect(() => readSubmission(calldata(each))).toThrow(MalformedSubmission);
  const whole = calldata();
  for (const length of [0, 3, 4, 100, whole.length - 32]) {
    expect(() => readSubmission(whole.subarray(0, length))).toThrow(MalformedSubmission);
  }
  expect(() => readSubmission(calldata({}, "submitShadow"))).toThrow("not of submit");
  expect(readSubmission(calldata({}, "submitShadow"), SHADOW_CALLS, 0, 1).scores).toEqual([[-5n]]);
});

test("offsets that point anywhere end in no other error", () => {
  const whole = calldata();
  for (const value of [2n ** 256n - 1n, 2n ** 255n, 2n ** 64n, 2n ** 53n, 0n, 0x20n]) {
    for (let at = 4; at < 4 + 12 * 32; at += 32) {
      const data = Uint8Array.from(whole);
      data.set(hexToBytes(toHex(value, { size: 32 })), at);
      try {
        readSubmission(data);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedSubmission);
      }
    }
  }
});

test("a relayed submission is found at any place, beside decoys", () => {
  const decoys = [calldata({ observedAt: 5 }), calldata({ scores: packed([-6n]) }), calldata({ roundIds: [8, 0] })];
  const bytes = [hexToBytes("0x11223344556677"), ...decoys, calldata(), hexToBytes("0x99")];
  const input = Uint8Array.from(bytes.flatMap((each) => [...each]));
  expect(findSubmissions(input, WANTED)).toEqual([readSubmission(calldata())]);
  // One that agrees with the event, and differs in what events don't tell, is a candidate of its own.
  const twice = Uint8Array.from([...input, ...calldata({ proof: "0x00" })]);
  expect(findSubmissions(twice, WANTED)).toHaveLength(2);
  expect(findSubmissions(twice, { ...WANTED, answer: 12n })).toEqual([]);
});

test("an input that is full of selectors costs no more than its size", () => {
  const selector = calldata().subarray(0, 4);
  const input = new Uint8Array(120_000);
  for (let at = 0; at < input.length; at += 4) input.set(selector, at);
  expect(findSubmissions(input, WANTED)).toEqual([]);
});

// --- signatures ----------------------------------------------------------------------------------------------------

const KEYS: Hex[] = [padHex("0x11", { size: 32 }), padHex("0x12", { size: 32 }), padHex("0x13", { size: 32 })];
const DOMAIN = domainSeparator("ZkOracle", "2", 31_337, HUB);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

async function signed(keys: Hex[]): Promise<Uint8Array> {
  const unsigned = readSubmission(calldata());
  const signatures = await Promise.all(
    unsigned.rows.map(async (row, at) => {
      const { r, s, yParity } = await sign({ hash: reportDigest(DOMAIN, unsigned, row), privateKey: keys[at] ?? "0x" });
      return { readings: row.readings, r, vs: toHex(BigInt(s) | (BigInt(yParity ?? 0) << 255n), { size: 32 }) };
    }),
  );
  return calldata({ signatures });
}

test("who signed is found, as another library signs typed data", async () => {
  const [account] = KEYS.map((each) => privateKeyToAccount(each));
  const readings = [padHex("0x01", { size: 32 }), padHex("0x02", { size: 32 })];
  const types = {
    Report: [
      { name: "committee", type: "uint32" },
      { name: "epoch", type: "uint32" },
      { name: "observedAt", type: "uint32" },
      { name: "feedIds", type: "bytes32[]" },
      { name: "roundIds", type: "uint32[]" },
      { name: "answers", type: "int128[]" },
      { name: "readings", type: "bytes32[]" },
    ],
  } as const;
  const signature = await account?.signTypedData({
    domain: { name: "ZkOracle", version: "2", chainId: 31_337, verifyingContract: HUB },
    types,
    primaryType: "Report",
    message: { committee: 1, epoch: 2, observedAt: 1_700_000_000, feedIds: FEEDS, roundIds: [7, 0], answers: [10n, -20n], readings },
  });
  const submission = readSubmission(calldata());
  const row = { answers: [10n, -20n], readings: "0xe90b7bceb6e7df5418fb78d8ee546e97c83a08bbccc01a0644d599ccd2a7c2e0" as Hex, r: "0x" as Hex, vs: 0n };
  const text = signature ?? "0x";
  const found = await signerOf(reportDigest(DOMAIN, submission, row), `0x${text.slice(2, 66)}`, BigInt(`0x${text.slice(66, 130)}`), text.endsWith("1b") ? 0 : 1);
  expect(found).toBe(account?.address);
});

test("reporters are distinct, and of the committee", async () => {
  const reporters = KEYS.map((each) => privateKeyToAccount(each).address);
  const epoch = { committee: 1, epoch: 2, reporters, quorum: 3, isStored: true };
  const signers = await signersOf(DOMAIN, readSubmission(await signed(KEYS)));
  expect(signers).toEqual(reporters);
  checkSigners(signers, epoch);
  const twice = await signersOf(DOMAIN, readSubmission(await signed([KEYS[0] ?? "0x", KEYS[1] ?? "0x", KEYS[0] ?? "0x"])));
  expect(() => {
    checkSigners(twice, epoch);
  }).toThrow("signed twice");
  expect(() => {
    checkSigners(signers, { ...epoch, reporters: reporters.slice(1) });
  }).toThrow("not a reporter");
});

test("the other of the two valid signatures is refused", async () => {
  const submission = readSubmission(await signed(KEYS));
  const [row] = submission.rows;
  if (row === undefined) throw new Error("no row");
  const digest = reportDigest(DOMAIN, submission, row);
  const [s, parity] = [BigInt.asUintN(255, row.vs), Number(row.vs >> 255n)];
  expect(await signerOf(digest, row.r, s, parity === 1 ? 1 : 0)).toBe(privateKeyToAccount(KEYS[0] ?? "0x").address);
  await expect(signerOf(digest, row.r, ORDER - s, parity === 1 ? 0 : 1)).rejects.toThrow("not canonical");
  await expect(signerOf(digest, padHex("0x00", { size: 32 }), s, 0)).rejects.toThrow("out of range");
  await expect(signerOf(digest, row.r, 0n, 0)).rejects.toThrow("out of range");
});
