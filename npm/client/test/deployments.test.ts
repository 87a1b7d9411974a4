import { readFile } from "node:fs/promises";
import path from "node:path";

import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";

import { deploymentMessage, DeploymentsError, readDeployments } from "../src/deployments.js";
import { writeJson, type JsonObject } from "../src/json.js";

const SIGNER = privateKeyToAccount(`0x${"01".repeat(32)}`);
const OTHER = privateKeyToAccount(`0x${"02".repeat(32)}`);
const WORD = `0x${"ab".repeat(32)}`;
const ENTRY: JsonObject = {
  name: "testnet",
  chainId: 31337,
  hub: SIGNER.address,
  hubCodeHash: WORD,
  fromBlock: 7,
  contracts: { ClaimRegistry: OTHER.address },
  feeds: { "ETH / USD": WORD },
  circuits: [
    { modelNumber: 1, batchSize: 4, verifier: OTHER.address, codeHash: WORD, verifyingKey: WORD, artifactHash: WORD },
  ],
};

async function list(entry: JsonObject = ENTRY, change: JsonObject = {}): Promise<string> {
  const signatures = [await SIGNER.signMessage({ message: deploymentMessage(entry) }), "0x1234", 7];
  return writeJson({ format: "deployments-v1", deployments: [{ ...entry, signatures, ...change }] });
}

test("the list of this release", async () => {
  const text = await readFile(path.resolve(import.meta.dirname, "../../contracts/deployments.json"), "utf8");
  expect(await readDeployments(text, [SIGNER.address])).toEqual([]);
});

test("an entry that a trusted address has signed", async () => {
  const [found] = await readDeployments(await list(), [OTHER.address, SIGNER.address]);
  expect(found).toMatchObject({ name: "testnet", hub: SIGNER.address, fromBlock: 7n, signers: [SIGNER.address] });
  expect(found?.circuits[0]?.verifyingKey).toBe(WORD);
});

test("the order of keys is no matter", () => {
  const turned = Object.fromEntries(Object.entries(ENTRY).reverse());
  expect(deploymentMessage(turned)).toBe(deploymentMessage(ENTRY));
});

test.each<[string, JsonObject]>([
  ["hub", { hub: OTHER.address }],
  ["key", { circuits: [] }],
  ["chain", { chainId: 1 }],
  ["more", { more: true }],
  ["signatures", { signatures: [] }],
  ["signatures", { signatures: "0x12" }],
])("an entry that was altered (%s) is nobody's", async (_, change) => {
  expect(await readDeployments(await list(ENTRY, change), [SIGNER.address])).toEqual([]);
});

test("an entry that somebody else has signed", async () => {
  expect(await readDeployments(await list(), [OTHER.address])).toEqual([]);
});

test.each<[string, JsonObject]>([
  ['"hub" is not an address', { hub: "0x12" }],
  ['"chainId" is not a number', { chainId: -1 }],
  ['"name" is not a text', { name: 7 }],
  ['deployment 1, feeds: "a" is not 32 bytes', { feeds: { a: "0x12" } }],
  ['"contracts" is not an object', { contracts: [] }],
  ['"circuits" is not a list', { circuits: {} }],
  ['deployment 1, circuits 1: "modelNumber" is not a number', { circuits: [{}] }],
])("a signed entry in which %s", async (problem, change) => {
  await expect(readDeployments(await list({ ...ENTRY, ...change }), [SIGNER.address])).rejects.toThrow(problem);
});

test("what is no list", async () => {
  for (const text of ["", "[]", '{"format":"deployments-v2","deployments":[]}', '{"format":"deployments-v1","deployments":[7]}']) {
    await expect(readDeployments(text, [])).rejects.toThrow(DeploymentsError);
  }
});
