import { HubError } from "./errors.js";
import { arraySlot, circuitKey, entrySlot, memberSlot, MEMBERS } from "./layout.js";
import { addressOf, bits, hex32, unpackBytes, unpackCircuit } from "./slots.js";
import type { Architecture, Committee, Model } from "./types.js";
import { readWords, type BlockTag, type Hub } from "./words.js";

/** How many committees, architectures and models a hub has. Their numbers begin at 1. */
export interface Counts {
  readonly committees: number;
  readonly architectures: number;
  readonly models: number;
}

/** Return how many committees, architectures and models there are. */
export async function readCounts(hub: Hub, block: BlockTag = "latest"): Promise<Counts> {
  const [word = 0n] = await readWords(hub, [memberSlot(MEMBERS.counts)], block);
  return {
    architectures: Number(bits(word, 0, 32)),
    committees: Number(bits(word, 32, 32)),
    models: Number(bits(word, 64, 16)),
  };
}

/** Return all models. */
export async function readModels(hub: Hub, block: BlockTag = "latest"): Promise<Model[]> {
  const { models } = await readCounts(hub, block);
  return Promise.all(Array.from({ length: models }, (_, i) => readModel(hub, i + 1, block)));
}

/**
 * Return a model and its architecture.
 *
 * @throws HubError if the hub does not have it.
 */
export async function readModel(hub: Hub, number: number, block: BlockTag = "latest"): Promise<Model> {
  const start = entrySlot(memberSlot(MEMBERS.models), BigInt(number));
  const circuit = entrySlot(memberSlot(MEMBERS.circuits), circuitKey(number, 0));
  const [hash = 0n, , artifactHash = 0n, architectureId = 0n, first = 0n] = await readWords(
    hub,
    [start, start + 1n, start + 2n, start + 3n, circuit],
    block,
  );
  const found = unpackCircuit(first);
  if (architectureId === 0n || found === null) throw new HubError(`The hub ${hub.address} has no model ${String(number)}.`);
  return {
    number,
    hash,
    artifactHash: hex32(artifactHash),
    scoreUnit: found.scoreUnit,
    architecture: await readArchitecture(hub, Number(bits(architectureId, 0, 32)), block),
  };
}

/**
 * Return an architecture with its circuits.
 *
 * @throws HubError if the hub does not have it.
 */
export async function readArchitecture(hub: Hub, id: number, block: BlockTag = "latest"): Promise<Architecture> {
  const shape = (index: number): bigint => entrySlot(memberSlot(MEMBERS.shapes), circuitKey(id, index));
  const hash = (index: number): bigint => entrySlot(memberSlot(MEMBERS.codeHashes), circuitKey(id, index));
  const list = entrySlot(memberSlot(MEMBERS.features), BigInt(id));
  const [features = 0n, firstWord = 0n] = await readWords(hub, [list, shape(0)], block);
  const first = unpackCircuit(firstWord);
  if (first === null) throw new HubError(`The hub ${hub.address} has no architecture ${String(id)}.`);
  const indices = Array.from({ length: first.count }, (_, i) => i);
  const words = await readWords(hub, [...indices.map(shape), ...indices.map(hash)], block);
  return {
    id,
    features: unpackBytes(features, first.features),
    outputs: first.outputs,
    bindsModel: first.bindsModel,
    circuits: indices.map((index) => {
      const circuit = unpackCircuit(words[index] ?? 0n);
      if (circuit === null) throw new HubError(`${hub.endpoint.name} withholds a circuit of architecture ${String(id)}.`);
      return {
        batchSize: circuit.batchSize,
        verifier: circuit.verifier,
        codeHash: hex32(words[first.count + index] ?? 0n),
      };
    }),
  };
}

/**
 * Return a committee.
 *
 * @throws HubError if the hub does not have it.
 */
export async function readCommittee(hub: Hub, id: number, block: BlockTag = "latest"): Promise<Committee> {
  const slot = entrySlot(memberSlot(MEMBERS.committees), BigInt(id));
  const [word = 0n, count = 0n, proposedCount = 0n] = await readWords(hub, [slot, slot + 1n, slot + 2n], block);
  if (word === 0n) throw new HubError(`The hub ${hub.address} has no committee ${String(id)}.`);
  if (count > 31n || proposedCount > 31n) throw new HubError(`${hub.endpoint.name} says that committee ${String(id)} has too many reporters.`);
  const list = (at: bigint, length: bigint): bigint[] =>
    Array.from({ length: Number(length) }, (_, i) => arraySlot(at) + BigInt(i));
  const words = await readWords(hub, [...list(slot + 1n, count), ...list(slot + 2n, proposedCount)], block);
  const from = Number(bits(word, 56, 64));
  return {
    id,
    epoch: Number(bits(word, 0, 32)),
    quorum: Number(bits(word, 32, 8)),
    reporters: words.slice(0, Number(count)).map(addressOf),
    proposed:
      from === 0
        ? null
        : { from, quorum: Number(bits(word, 48, 8)), reporters: words.slice(Number(count)).map(addressOf) },
  };
}
