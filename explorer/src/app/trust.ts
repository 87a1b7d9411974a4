import { readCommittee, readModel, readSetup, type Committee, type Feed, type Hex, type Hub, type Model, type Setup } from "@verifiable-oracle/client";

/** Whom and what a reader of a feed trusts, at first sight. */
export interface Trust {
  readonly committee: Committee;
  readonly model: Model;
  /** The set-up of the model's circuits. "insecure": whoever made it can forge proofs. */
  readonly setup: Setup;
}

/** What was read of one hub. Models never change; committees do, so they are read again with each look. */
const models = new WeakMap<Hub, Map<number, Promise<{ model: Model; setup: Setup }>>>();

/** Return what the feeds of a hub rest on, by feed id. */
export async function readTrust(hub: Hub, feeds: readonly Feed[]): Promise<ReadonlyMap<string, Trust>> {
  const ids = [...new Set(feeds.map((feed) => feed.terms.committee))];
  const committees = new Map((await Promise.all(ids.map((id) => readCommittee(hub, id)))).map((each) => [each.id, each]));
  const found = await Promise.all(
    feeds.map(async (feed): Promise<[string, Trust] | null> => {
      const committee = committees.get(feed.terms.committee);
      return committee === undefined ? null : [feed.id, { committee, ...(await modelOf(hub, feed.modelNumber)) }];
    }),
  );
  return new Map(found.filter((each) => each !== null));
}

/** Return a model and its set-up. They are read once. */
export function modelOf(hub: Hub, number: number): Promise<{ model: Model; setup: Setup }> {
  const known = models.get(hub) ?? new Map<number, Promise<{ model: Model; setup: Setup }>>();
  models.set(hub, known);
  const found =
    known.get(number) ??
    readModel(hub, number).then(async (model) => ({ model, setup: (await readSetup(hub, model)).setup }));
  known.set(number, found);
  found.catch(() => known.delete(number)); // a failure may pass
  return found;
}

/** Return the hashes of a model's artifact and of the code of its verifiers, one for each circuit. */
export function hashesOfModel(model: Model): ReadonlySet<Hex> {
  return new Set([model.artifactHash, ...model.architecture.circuits.map(({ codeHash }) => codeHash)]);
}
