/** What a block's hash says: of its header, of an account in its state, of words of the account's storage. */
import { verifyMerkleProof } from "@ethereumjs/mpt";
import { type Address, bytesToHex, fromRlp, type Hex, hexToBytes, keccak256, toRlp } from "viem";

import { asBytes, asQuantity, toBigInt, word } from "./bytes.js";

/** The fields of a header in their order. Those from `baseFeePerGas` on came with later forks. */
const HEADER = [
  ...["parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"],
  ...["number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"],
  ...["withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"],
];
const LEAST_FIELDS = HEADER.indexOf("baseFeePerGas");
/** The sizes of fields. With them, and without gaps, no value can be shifted into another field's place. */
const BYTES = new Map<string, number>([
  ...["parentHash", "sha3Uncles", "stateRoot", "transactionsRoot", "receiptsRoot", "mixHash"].map(of(32)),
  ...["withdrawalsRoot", "parentBeaconBlockRoot", "requestsHash"].map(of(32)),
  ["miner", 20],
  ["logsBloom", 256],
  ["nonce", 8],
]);
const NUMBERS = new Set([
  ...["difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"],
]);

/** Return the hash of a block's header, as nodes answer it; null if it has another form than Ethereum's. */
export function headerHash(header: Readonly<Record<string, unknown>>): Hex | null {
  const known = HEADER.filter((name) => header[name] !== undefined && header[name] !== null);
  if (known.length < LEAST_FIELDS || known.some((name, at) => name !== HEADER[at])) return null;
  const fields: Hex[] = [];
  for (const name of known) {
    const field = NUMBERS.has(name) ? shortest(asQuantity(header[name])) : asBytes(header[name], BYTES.get(name));
    if (field === null) return null;
    fields.push(field);
  }
  return keccak256(toRlp(fields));
}

/** An account in the state of a block. */
export interface ProvenAccount {
  readonly storageRoot: Hex;
  readonly codeHash: Hex;
}

/**
 * Return an account as a proof shows it to be in a state; null if the proof does not show that.
 *
 * @param proof The nodes on the way to the account: `accountProof` of `eth_getProof`.
 */
export async function provenAccount(stateRoot: Hex, address: Address, proof: unknown): Promise<ProvenAccount | null> {
  const value = await proven(stateRoot, hexToBytes(address), proof);
  if (value === null || value === undefined) return null;
  try {
    const fields = fromRlp(value, "hex");
    const [storageRoot, codeHash] = [asBytes(fields[2], 32), asBytes(fields[3], 32)];
    return storageRoot === null || codeHash === null || fields.length !== 4 ? null : { storageRoot, codeHash };
  } catch {
    return null;
  }
}

/** Return a word of a storage, as a proof shows it, zero if it shows that there is none; null if it shows nothing. */
export async function provenWord(storageRoot: Hex, slot: bigint, proof: unknown): Promise<bigint | null> {
  const value = await proven(storageRoot, word(slot), proof);
  if (value === undefined) return null;
  if (value === null) return 0n;
  try {
    const content = fromRlp(value, "hex");
    if (typeof content !== "string" || content.length > 66) return null;
    return content === "0x" ? 0n : toBigInt(hexToBytes(content));
  } catch {
    return null;
  }
}

/** Return a key's value, null if the proof shows that there is none; undefined if it is no proof of that trie. */
async function proven(root: Hex, key: Uint8Array, proof: unknown): Promise<Hex | null | undefined> {
  if (!Array.isArray(proof)) return undefined;
  const nodes: Uint8Array[] = [];
  for (const each of proof) {
    const node = asBytes(each);
    if (node === null) return undefined;
    nodes.push(hexToBytes(node));
  }
  // An empty trie has no nodes at all: its root is the hash of nothing.
  if (nodes.length === 0) return root === keccak256(toRlp("0x")) ? null : undefined;
  const first = nodes[0];
  if (first === undefined || keccak256(first) !== root) return undefined;
  try {
    const value = await verifyMerkleProof(key, nodes, { root: hexToBytes(root), useKeyHashing: true });
    return value === null ? null : bytesToHex(value);
  } catch {
    return undefined;
  }
}

function shortest(value: bigint | null): Hex | null {
  if (value === null) return null;
  const digits = value === 0n ? "" : value.toString(16);
  return `0x${digits.length % 2 === 0 ? digits : `0${digits}`}`;
}

function of(size: number): (name: string) => [string, number] {
  return (name) => [name, size];
}
