import { getAddress, isAddress, isHex, recoverMessageAddress, type Address, type Hex } from "viem";

import { isObject, JsonError, parseJson, writeJson, type Json, type JsonObject } from "./json.js";

/** A list of deployments is none, or an entry of it is malformed. The message says which and what is wrong. */
export class DeploymentsError extends Error {
  override readonly name = "DeploymentsError";
}

/** A circuit of a deployment: the verifier on the chain, and the key that it has to be made of. */
export interface KnownCircuit {
  /** The number of the model that it judges by. */
  readonly modelNumber: number;
  /** Windows in one proof. */
  readonly batchSize: number;
  readonly verifier: Address;
  /** keccak256 of the verifier's code. */
  readonly codeHash: Hex;
  /** SHA-256 of `vk.key` among the public files. */
  readonly verifyingKey: Hex;
  readonly artifactHash: Hex;
}

/** A deployment, and who signed for it. */
export interface KnownDeployment {
  readonly name: string;
  readonly chainId: number;
  readonly hub: Address;
  /** keccak256 of the hub's code. */
  readonly hubCodeHash: Hex;
  /** The block in which the hub was deployed. */
  readonly fromBlock: bigint;
  /** Other contracts by their name, such as "ClaimRegistry" or "Erc7412Updates". */
  readonly contracts: Readonly<Record<string, Address>>;
  /** Ids of feeds, by their description. */
  readonly feeds: Readonly<Record<string, Hex>>;
  readonly circuits: readonly KnownCircuit[];
  /** Those of the trusted addresses that signed the entry. */
  readonly signers: readonly Address[];
}

/**
 * Return the deployments of a list, such as the package's `deployments.json`, that a trusted address has signed.
 *
 * A signature says that its signer calls these the oracle's addresses. It says nothing about what is at them:
 * `oracle verify-deployment` does.
 *
 * @param text The list, as text.
 * @param trusted The signers whom you trust. Entries that none of them signed are left out.
 * @throws DeploymentsError
 */
export async function readDeployments(text: string, trusted: readonly Address[]): Promise<readonly KnownDeployment[]> {
  let list: Json;
  try {
    list = parseJson(text);
  } catch (error) {
    throw new DeploymentsError(error instanceof JsonError ? error.message : String(error));
  }
  if (!isObject(list) || list.format !== "deployments-v1" || !Array.isArray(list.deployments)) {
    throw new DeploymentsError('this is no list of deployments: its format is not "deployments-v1"');
  }
  const wanted = new Set(trusted.map((each) => getAddress(each)));
  const found: KnownDeployment[] = [];
  const entries: readonly Json[] = list.deployments;
  for (const [index, entry] of entries.entries()) {
    if (!isObject(entry)) throw new DeploymentsError(`deployment ${String(index + 1)} is no object`);
    const signers = (await signersOf(entry)).filter((each) => wanted.has(each));
    if (signers.length > 0) found.push(deployment(entry, signers, index + 1));
  }
  return found;
}

/** Return the text that a signer of a deployment signs (EIP-191): canonical JSON, without the signatures. */
export function deploymentMessage(entry: JsonObject): string {
  const rest = Object.entries(entry).filter(([key]) => key !== "signatures");
  return `Deployment of a verifiable oracle, v1\n${writeJson(sorted(Object.fromEntries(rest)))}`;
}

async function signersOf(entry: JsonObject): Promise<readonly Address[]> {
  const message = deploymentMessage(entry);
  const signatures = Array.isArray(entry.signatures) ? entry.signatures : [];
  const signers = new Set<Address>();
  for (const signature of signatures) {
    if (!isHex(signature)) continue;
    try {
      signers.add(await recoverMessageAddress({ message, signature }));
    } catch {
      // It is no signature: it stands for nobody.
    }
  }
  return [...signers];
}

function deployment(entry: JsonObject, signers: readonly Address[], number: number): KnownDeployment {
  const read = new Entry(entry, `deployment ${String(number)}`);
  return {
    name: read.text("name"),
    chainId: read.count("chainId"),
    hub: read.address("hub"),
    hubCodeHash: read.word("hubCodeHash"),
    fromBlock: BigInt(read.count("fromBlock")),
    contracts: read.each("contracts", (inner, name) => inner.address(name)),
    feeds: read.each("feeds", (inner, name) => inner.word(name)),
    circuits: read.list("circuits", (circuit) => ({
      modelNumber: circuit.count("modelNumber"),
      batchSize: circuit.count("batchSize"),
      verifier: circuit.address("verifier"),
      codeHash: circuit.word("codeHash"),
      verifyingKey: circuit.word("verifyingKey"),
      artifactHash: circuit.word("artifactHash"),
    })),
    signers,
  };
}

/** Reads the parts of an entry. Each method throws DeploymentsError if the part is another kind of thing. */
class Entry {
  constructor(
    private readonly from: JsonObject,
    private readonly place: string,
  ) {}

  text(name: string): string {
    const value = this.from[name];
    return typeof value === "string" && value.length <= 200 ? value : this.refuse(name, "a text");
  }

  count(name: string): number {
    const value = this.from[name];
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : this.refuse(name, "a number");
  }

  address(name: string): Address {
    const value = this.from[name];
    return typeof value === "string" && isAddress(value) ? getAddress(value) : this.refuse(name, "an address");
  }

  word(name: string): Hex {
    const value = this.from[name];
    return isHex(value) && value.length === 66 ? value : this.refuse(name, "32 bytes");
  }

  each<T>(name: string, read: (inner: Entry, name: string) => T): Readonly<Record<string, T>> {
    const value = this.from[name];
    if (!isObject(value)) return this.refuse(name, "an object");
    const inner = new Entry(value, `${this.place}, ${name}`);
    return Object.fromEntries(Object.keys(value).map((key) => [key, read(inner, key)]));
  }

  list<T>(name: string, read: (inner: Entry) => T): readonly T[] {
    const value = this.from[name];
    if (!Array.isArray(value)) return this.refuse(name, "a list");
    return value.map((each: Json, index) =>
      isObject(each) ? read(new Entry(each, `${this.place}, ${name} ${String(index + 1)}`)) : this.refuse(name, "a list of objects"),
    );
  }

  private refuse(name: string, wanted: string): never {
    throw new DeploymentsError(`${this.place}: ${JSON.stringify(name)} is not ${wanted}`);
  }
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((each: Json) => sorted(each));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([first], [second]) => (first < second ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
