/** Transactions of each type are hashed again from what an endpoint says of them. */
import { type Hex, keccak256, numberToHex, padHex, parseTransaction, type TransactionSerializable } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { expect, test } from "vitest";

import { checkedTransaction } from "../../src/verify/transactions.js";

const TO = "0x00000000000000000000000000000000000000aa";
const account = privateKeyToAccount(padHex("0x11", { size: 32 }));
const common = { to: TO, data: "0x1234", gas: 50_000n, nonce: 3, value: 0n } as const;
const fees = { maxFeePerGas: 9n, maxPriorityFeePerGas: 1n } as const;
const accessList = [{ address: TO, storageKeys: [padHex("0x05", { size: 32 })] }] as const;

const KINDS: [type: Hex, transaction: TransactionSerializable][] = [
  ["0x0", { ...common, type: "legacy", chainId: 5, gasPrice: 7n }],
  ["0x0", { ...common, type: "legacy", gasPrice: 7n }],
  ["0x1", { ...common, type: "eip2930", chainId: 5, gasPrice: 7n, accessList }],
  ["0x2", { ...common, type: "eip1559", chainId: 5, ...fees, accessList }],
  ["0x2", { ...common, type: "eip1559", chainId: 31_337, ...fees }],
];

/** Return a signed transaction's hash, and what a node says of it. */
async function told(type: Hex, transaction: TransactionSerializable): Promise<[Hex, Record<string, unknown>]> {
  const raw = await account.signTransaction(transaction);
  const { r, s, v, yParity } = parseTransaction(raw) as { r: Hex; s: Hex; v?: bigint; yParity?: number };
  const number = (value: bigint | number | undefined): Hex | undefined => (value === undefined ? undefined : numberToHex(value));
  return [
    keccak256(raw),
    {
      ...{ type, to: TO, input: "0x1234", gas: number(50_000), nonce: "0x3", value: "0x0", chainId: number(transaction.chainId) },
      ...{ gasPrice: "0x7", maxFeePerGas: "0x9", maxPriorityFeePerGas: "0x1", accessList: transaction.accessList ?? [] },
      ...{ r: numberToHex(BigInt(r)), s: numberToHex(BigInt(s)), v: number(v ?? yParity), yParity: number(yParity) },
    },
  ];
}

function chain(...answers: unknown[]): Parameters<typeof checkedTransaction>[0] {
  return { lies: new Map(), transactions: () => Promise.resolve(answers.map((answer, at) => ({ name: `endpoint ${String(at)}`, answer }))) };
}

test.each(KINDS)("a transaction of type %s has its hash", async (type, transaction) => {
  const [hash, answer] = await told(type, transaction);
  expect(await checkedTransaction(chain(answer), hash)).toMatchObject({ to: TO, isHashed: true });
  for (const change of [{ input: "0x1235" }, { to: `0x${"bb".repeat(20)}` }, { nonce: "0x4" }, { gas: "0x1" }]) {
    await expect(checkedTransaction(chain({ ...answer, ...change }), hash)).rejects.toThrow("altered transaction");
    const both = chain({ ...answer, ...change }, answer);
    expect(await checkedTransaction(both, hash)).toMatchObject({ to: TO, isHashed: true });
    expect([...both.lies.keys()]).toEqual(["endpoint 0"]);
  }
});

test("a transaction of a form that is not known here is taken, and not as hashed", async () => {
  const [hash, answer] = await told("0x2", KINDS[4]?.[1] ?? {});
  expect(await checkedTransaction(chain({ ...answer, type: "0x7e" }), hash)).toMatchObject({ isHashed: false });
  await expect(checkedTransaction(chain(), hash)).rejects.toThrow("no endpoint has transaction");
  await expect(checkedTransaction(chain("nonsense"), hash)).rejects.toThrow("altered transaction");
});
