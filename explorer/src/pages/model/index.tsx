import "./model.css";

import {
  featureNames,
  readCards,
  readChanges,
  readFeeds,
  readModels,
  wholeRange,
  type CardContract,
  type Feed,
  type FeedChange,
  type Hub,
  type Model,
  type ProvenCard,
  type ShadowTally,
} from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { head } from "../../app/connection.js";
import { useLoaded } from "../../app/loaded.js";
import { config } from "../../app/settings.js";
import { modelOf } from "../../app/trust.js";
import { countText } from "../../ui/format.js";
import { Card, ErrorNote, Fact, Facts, Hash, Link, Note, Pill, Skeleton, When } from "../../ui/parts.js";
import { FeedState, ModelLink } from "../../ui/states.js";
import { readDescription, type Description } from "./description.js";
import { shareText, usesOf, type Use } from "./uses.js";

/** The most feeds whose history is looked through for a model's proposals and activations. */
const MOST_FEEDS = 40;

/** All models of a hub. */
export function ModelsPage(props: { readonly hub: Hub }): VNode {
  const { hub } = props;
  const block = head.value?.number;
  const models = useLoaded(() => readModels(hub), [hub, block], { keep: true });
  const feeds = useLoaded(() => readFeeds(hub), [hub, block], { keep: true });
  const cards = useLoaded(() => readAllCards(hub, null), [hub]);
  return (
    <div class="page">
      <header class="page-head">
        <h1>Models</h1>
        {models.value !== undefined && <p class="soft">{models.value.length} models</p>}
      </header>
      {models.error && <ErrorNote error={models.error} again={models.again} />}
      <Card isFlush>
        <div class="table-wrap">
          <table class="table" aria-label="Models" aria-busy={models.isLoading && models.value === undefined}>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Weights</th>
                <th scope="col">Sees</th>
                <th scope="col">Circuits</th>
                <th scope="col">Judges</th>
                <th scope="col">Proven card</th>
              </tr>
            </thead>
            <tbody>
              {models.value?.map((model) => (
                <tr key={model.number}>
                  <th scope="row">
                    <ModelLink number={model.number} />
                  </th>
                  <td>
                    <Weights model={model} />
                  </td>
                  <td>{model.architecture.features.length} features</td>
                  <td>{model.architecture.circuits.map((each) => each.batchSize).join(", ")} at once</td>
                  <td>
                    <Judged feeds={feeds.value} model={model.number} />
                  </td>
                  <td>
                    <CardSummary cards={cards.value?.cards.filter((each) => each.modelNumber === model.number)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {models.value?.length === 0 && <p class="empty">The hub has no models yet.</p>}
      </Card>
    </div>
  );
}

/** One model: what it is, its cards, and the feeds that use it or may use it soon. */
export function ModelPage(props: { readonly hub: Hub; readonly modelNumber: number }): VNode {
  const { hub, modelNumber } = props;
  const block = head.value?.number;
  const found = useLoaded(() => modelOf(hub, modelNumber), [hub, modelNumber]);
  const feeds = useLoaded(() => readFeeds(hub), [hub, block], { keep: true });
  const cards = useLoaded(() => readAllCards(hub, modelNumber), [hub, modelNumber, block], { keep: true });
  const model = found.value?.model;
  const described = useLoaded(async () => (model ? readDescription(model) : null), [model]);
  const isShown = found.error === undefined; // of a model that is not there, nothing else is to be said
  return (
    <div class="page">
      <p class="crumbs">
        <Link to={{ page: "models" }}>Models</Link>
      </p>
      <header class="page-head">
        <h1>Model {modelNumber}</h1>
        {model && <Weights model={model} />}
        {found.value?.setup === "insecure" && <Pill tone="bad">insecure SRS</Pill>}
      </header>
      {found.error && <ErrorNote error={found.error} again={found.again} />}
      {found.value?.setup === "insecure" && (
        <Note tone="bad" title="Insecure set-up: proofs can be forged">
          <p>
            A verifier of this model is keyed with a reference string (SRS) that is not the public ceremony&rsquo;s. Whoever made it can
            prove any verdict of this model. That is fit for tests, and for nothing of value.
          </p>
        </Note>
      )}
      {model && <WhatItIs model={model} described={described.value ?? null} />}
      {isShown && <FeedsOfModel feeds={feeds.value} model={modelNumber} />}
      {feeds.error && <ErrorNote error={feeds.error} again={feeds.again} />}
      {isShown && <ProvenCards contract={cards.value} model={model} />}
      {cards.error && <ErrorNote error={cards.error} again={cards.again} />}
      {isShown && feeds.value && <History hub={hub} feeds={feeds.value} model={modelNumber} />}
    </div>
  );
}

async function readAllCards(hub: Hub, modelNumber: number | null): Promise<CardContract | null> {
  const { modelCards, fromBlock } = config.value;
  return modelCards === null ? null : readCards(hub, modelCards, modelNumber, await wholeRange(hub, fromBlock));
}

function Weights(props: { readonly model: Model }): VNode {
  return props.model.architecture.bindsModel ? (
    <Pill tone="accent" title="Nobody sees the weights. Each proof shows that they are those of this hash.">
      private weights
    </Pill>
  ) : (
    <Pill title="The weights are in the verifying key: anybody can compute each score.">public weights</Pill>
  );
}

function WhatItIs(props: { readonly model: Model; readonly described: Description | null }): VNode {
  const { model, described } = props;
  const { architecture } = model;
  return (
    <Card title="What it is">
      <div class="model-what">
        <Facts>
          {described !== null && (
            <Fact name="Name" under="as its public files say">
              {described.name}
            </Fact>
          )}
          <Fact name="Hash of its weights" under={architecture.bindsModel ? "each proof is bound to it" : "none: the key holds the weights"}>
            {architecture.bindsModel ? <Hash value={`0x${model.hash.toString(16).padStart(64, "0")}`} name="the hash of the weights" /> : "–"}
          </Fact>
          <Fact name="Artifact" under="hash of its circuit's files">
            <Hash value={model.artifactHash} name="the artifact's hash" />
          </Fact>
          <Fact name="Architecture" under={`${String(architecture.outputs)} ${architecture.outputs === 1 ? "score" : "scores"} a window`}>
            {architecture.id}
          </Fact>
          <Fact name="A proof publishes" under={described?.means}>
            {model.scoreUnit === 1n ? "verdicts: held or not" : "scores"}
          </Fact>
        </Facts>
        <div>
          <h3>Features, in order</h3>
          <ul class="chips">
            {namesOf(architecture.features).map((name) => (
              <li key={name}>
                <code>{name}</code>
              </li>
            ))}
          </ul>
        </div>
        <div class="table-wrap">
          <table class="table" aria-label="Circuits">
            <thead>
              <tr>
                <th scope="col">Windows a proof</th>
                <th scope="col">Verifier</th>
                <th scope="col">Hash of its code</th>
              </tr>
            </thead>
            <tbody>
              {architecture.circuits.map((circuit) => (
                <tr key={circuit.batchSize}>
                  <td>{circuit.batchSize}</td>
                  <td>
                    <Hash value={circuit.verifier} name="the verifier's address" />
                  </td>
                  <td>
                    <Hash value={circuit.codeHash} name="the hash of the verifier's code" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
    </Card>
  );
}

function namesOf(codes: readonly number[]): readonly string[] {
  try {
    return featureNames(codes);
  } catch {
    return codes.map((code) => `feature ${String(code)}, unknown to this page`);
  }
}

function Judged(props: { readonly feeds: readonly Feed[] | undefined; readonly model: number }): VNode {
  if (props.feeds === undefined) return <Skeleton />;
  const judged = props.feeds.filter((feed) => feed.modelNumber === props.model);
  if (judged.length === 0) return <span class="faint">no feed</span>;
  const shown = judged.slice(0, 3);
  return (
    <>
      {shown.map((feed, i) => (
        <span key={feed.id}>
          {i > 0 && ", "}
          <Link to={{ page: "feed", feedId: feed.id }}>{feed.terms.description}</Link>
        </span>
      ))}
      {judged.length > shown.length && ` and ${String(judged.length - shown.length)} more`}
    </>
  );
}

const USES: Readonly<Record<Use["kind"], string>> = {
  judges: "judges it now",
  proposed: "is proposed for it",
  previous: "judged it before",
};

function FeedsOfModel(props: { readonly feeds: readonly Feed[] | undefined; readonly model: number }): VNode {
  const uses = usesOf(props.feeds ?? [], props.model);
  return (
    <Card title="Feeds" isFlush>
      {props.feeds === undefined ? (
        <p class="empty">
          <Skeleton />
        </p>
      ) : uses.length === 0 ? (
        <p class="empty">It judges no feed, and is proposed for none.</p>
      ) : (
        <div class="table-wrap">
          <table class="table" aria-label="Feeds of this model">
            <thead>
              <tr>
                <th scope="col">Feed</th>
                <th scope="col">State</th>
                <th scope="col">The model</th>
                <th scope="col">What follows</th>
              </tr>
            </thead>
            <tbody>
              {uses.map((use) => (
                <tr key={`${use.feed.id}${use.kind}`}>
                  <th scope="row">
                    <Link to={{ page: "feed", feedId: use.feed.id }}>{use.feed.terms.description}</Link>
                  </th>
                  <td>
                    <FeedState feed={use.feed} />
                  </td>
                  <td>{USES[use.kind]}</td>
                  <td>
                    <Follows use={use} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Follows(props: { readonly use: Use }): VNode {
  const { use } = props;
  switch (use.kind) {
    case "judges":
      return use.other === null ? (
        <span class="faint">no other model is proposed</span>
      ) : (
        <>
          <ModelLink number={use.other} /> is proposed
        </>
      );
    case "proposed":
      return (
        <div class="tally">
          <span>
            It may judge from <When time={use.from} />
            {use.shadow !== null && ", if its shadow tally allows it"}
          </span>
          {use.shadow !== null && <Tally tally={use.shadow} />}
        </div>
      );
    case "previous":
      return (
        <>
          a rollback can return to it until <When time={use.until} />
        </>
      );
  }
}

/** How a proposed model's verdicts agree with those of the active one. */
function Tally(props: { readonly tally: ShadowTally }): VNode {
  const { tally } = props;
  const isTooDifferent = tally.disagreements > tally.maxDisagreements;
  return (
    <div class="tally" aria-label="Shadow tally" role="group">
      <progress max={Math.max(1, tally.minCompared)} value={Math.min(tally.compared, tally.minCompared)} aria-label="Verdicts compared" />
      <small>
        {countText(tally.compared)} of {countText(tally.minCompared)} verdicts compared,{" "}
        <span class={isTooDifferent ? "tally-bad" : ""}>
          {countText(tally.disagreements)} {tally.disagreements === 1 ? "disagrees" : "disagree"} (at most {countText(tally.maxDisagreements)})
        </span>
        , {countText(tally.reports)} judged in all
      </small>
    </div>
  );
}

function CardSummary(props: { readonly cards: readonly ProvenCard[] | undefined }): VNode {
  const complete = props.cards?.filter((each) => each.complete) ?? [];
  const first = complete[0];
  if (first === undefined) return <span class="faint">none</span>;
  return (
    <>
      {countText(first.caught)} of {countText(first.faults)} faults caught
    </>
  );
}

function ProvenCards(props: { readonly contract: CardContract | null | undefined; readonly model: Model | undefined }): VNode | null {
  const { contract, model } = props;
  if (contract === undefined) return null;
  return (
    <Card title="Proven card">
      {contract === null || contract.code === "none" ? (
        <p class="soft">No contract of proven cards is known here. Whoever owns the model can publish one: `oracle card publish`.</p>
      ) : contract.code === "other" ? (
        <Note tone="bad" title="These cards mean nothing">
          <p>The contract at {contract.address} is not this release&rsquo;s: anybody can have written its counts.</p>
        </Note>
      ) : contract.cards.length === 0 ? (
        <p class="soft">Nothing is proven yet about how well it judges. Ask whoever owns it for a card of your benchmark.</p>
      ) : (
        <div class="cards">
          {contract.cards.map((card) => (
            <OneCard key={card.id} card={card} model={model} />
          ))}
          <p class="faint">
            Counted by <Hash value={contract.address} name="the address of the contract of cards" /> from proofs of this model&rsquo;s
            verdicts on a public benchmark. Build the benchmark again and compare the root: <code>oracle card build</code>. A card says
            nothing about other data.
          </p>
        </div>
      )}
    </Card>
  );
}

function OneCard(props: { readonly card: ProvenCard; readonly model: Model | undefined }): VNode {
  const { card, model } = props;
  const circuit = model?.architecture.circuits.find((each) => each.batchSize === card.batchSize);
  const isOurs =
    model === undefined ||
    (card.modelHash === model.hash && circuit?.verifier.toLowerCase() === card.verifier.toLowerCase());
  return (
    <section class="one-card" aria-label={`Proven card of ${String(card.batches)} batches`}>
      {!isOurs && (
        <Note tone="bad" title="The card is of another model">
          <p>Its hash or its verifier is not what the hub has for this model. Don&rsquo;t believe its counts.</p>
        </Note>
      )}
      {!card.complete && (
        <Note tone="held" title="Not all of it is proven">
          <p>
            {countText(card.counted)} of {countText(card.batches)} batches are counted: whoever submits them chooses what the counts show.
          </p>
        </Note>
      )}
      <div class="figures">
        <Figure name="Faults caught" part={card.caught} whole={card.faults} tone="good" />
        <Figure name="False holds" part={card.falseHolds} whole={card.normals} tone="bad" />
      </div>
      <Facts>
        <Fact name="Batches" under={`${String(card.batchSize)} windows a proof`}>
          {countText(card.counted)} of {countText(card.batches)}
        </Fact>
        <Fact name="Benchmark's root">
          <Hash value={card.root} name="the benchmark's root" />
        </Fact>
        <Fact name="Card">
          <Hash value={card.id} name="the card's id" />
        </Fact>
      </Facts>
    </section>
  );
}

function Figure(props: { readonly name: string; readonly part: number; readonly whole: number; readonly tone: "good" | "bad" }): VNode {
  const { name, part, whole, tone } = props;
  return (
    <div class={`figure figure-${tone}`}>
      <span class="figure-name">{name}</span>
      <span class="figure-value">{shareText(part, whole)}</span>
      <span class="faint">
        {countText(part)} of {countText(whole)} {tone === "good" ? "faulty" : "normal"} windows
      </span>
      <meter min={0} max={Math.max(1, whole)} value={part} aria-label={`${name}: ${String(part)} of ${String(whole)}`} />
    </div>
  );
}

const CHANGES: Readonly<Partial<Record<FeedChange["kind"], string>>> = {
  added: "judges it from the beginning",
  "model proposed": "was proposed",
  "model activated": "began to judge",
  "model proposal cancelled": "is no longer proposed",
  "model rolled back": "judges again, after a rollback",
};

function History(props: { readonly hub: Hub; readonly feeds: readonly Feed[]; readonly model: number }): VNode {
  const { hub, feeds, model } = props;
  const looked = feeds.slice(0, MOST_FEEDS);
  const load = async (signal: AbortSignal): Promise<FeedChange[]> => {
    const range = await wholeRange(hub, config.value.fromBlock);
    const found = await Promise.all(looked.map((feed) => readChanges(hub, feed.id, range, { signal })));
    return found
      .flat()
      .filter((each) => each.modelNumber === model || (each.otherModel === model && each.kind === "model rolled back"))
      .sort((a, b) => Number(b.place.block - a.place.block) || b.place.logIndex - a.place.logIndex);
  };
  const loaded = useLoaded(load, [hub, model, head.value?.number], { keep: true });
  const names = new Map(feeds.map((feed) => [feed.id, feed.terms.description]));
  return (
    <Card title="History" isFlush>
      {loaded.error && <ErrorNote error={loaded.error} again={loaded.again} />}
      {loaded.value === undefined ? (
        <p class="empty">
          <Skeleton />
        </p>
      ) : loaded.value.length === 0 ? (
        <p class="empty">No feed has had it, and it was proposed for none.</p>
      ) : (
        <div class="table-wrap">
          <table class="table" aria-label="History of this model">
            <thead>
              <tr>
                <th scope="col">Feed</th>
                <th scope="col">The model</th>
                <th scope="col">Block</th>
                <th scope="col">Transaction</th>
              </tr>
            </thead>
            <tbody>
              {loaded.value.map((each) => (
                <tr key={`${each.place.transaction}${String(each.place.logIndex)}`}>
                  <th scope="row">
                    <Link to={{ page: "feed", feedId: each.feedId }}>{names.get(each.feedId) ?? each.feedId}</Link>
                  </th>
                  <td>{each.modelNumber === model ? CHANGES[each.kind] : "was rolled back"}</td>
                  <td>{countText(each.place.block)}</td>
                  <td>
                    <Hash value={each.place.transaction} name="the transaction" />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {feeds.length > looked.length && <p class="empty">Only the first {MOST_FEEDS} feeds were looked through.</p>}
    </Card>
  );
}
