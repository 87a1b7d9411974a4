import "./feeds.css";

import { readFeeds, readRoundsOf, type Feed, type Hub, type Round } from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { head } from "../../app/connection.js";
import { useLoaded } from "../../app/loaded.js";
import { readTrust, type Trust } from "../../app/trust.js";
import { answerNumber, changeText, durationText } from "../../ui/format.js";
import { Age, Answer, Card, ErrorNote, Link, Note, Pill, Skeleton } from "../../ui/parts.js";
import { Sparkline } from "../../ui/sparkline.js";
import { FeedState, ModelLink, SetupPill } from "../../ui/states.js";

/** Rounds of a sparkline. */
const SPARK_ROUNDS = 48;

/** All feeds of a hub, with what each rests on. */
export function FeedsPage(props: { readonly hub: Hub }): VNode {
  const { hub } = props;
  const block = head.value?.number;
  const feeds = useLoaded(() => readFeeds(hub), [hub, block], { keep: true });
  const key = (feeds.value ?? []).map((feed) => `${feed.id}:${String(feed.latest?.id ?? 0)}:${String(feed.modelNumber)}`).join();
  const lines = useLoaded(() => readLines(hub, feeds.value ?? []), [hub, key], { keep: true });
  const trust = useLoaded(() => readTrust(hub, feeds.value ?? []), [hub, key], { keep: true });
  const insecure = (feeds.value ?? []).filter((feed) => trust.value?.get(feed.id)?.setup === "insecure");
  return (
    <div class="page">
      <header class="page-head">
        <h1>Feeds</h1>
        {feeds.value !== undefined && <Summary feeds={feeds.value} />}
      </header>
      {feeds.error && <ErrorNote error={feeds.error} again={feeds.again} />}
      {trust.error && <ErrorNote error={trust.error} again={trust.again} />}
      {insecure.length > 0 && <InsecureNote feeds={insecure} all={feeds.value?.length ?? 0} />}
      <Card isFlush>
        <div class="feeds-wrap">
          <table class="table feeds" aria-label="Feeds" aria-busy={feeds.isLoading && feeds.value === undefined}>
            <thead>
              <tr>
                <th scope="col">Feed</th>
                <th scope="col" class="number">
                  Answer
                </th>
                <th scope="col">
                  <span class="hidden">Latest rounds</span>
                </th>
                <th scope="col">Age</th>
                <th scope="col">State</th>
                <th scope="col">Reporters</th>
                <th scope="col">Model</th>
                <th scope="col">Set-up</th>
              </tr>
            </thead>
            <tbody>
              {feeds.value === undefined && !feeds.error
                ? [0, 1, 2].map((i) => <WaitingRow key={i} />)
                : feeds.value?.map((feed) => (
                    <FeedRow key={feed.id} feed={feed} line={lines.value?.get(feed.id)} trust={trust.value?.get(feed.id)} />
                  ))}
            </tbody>
          </table>
        </div>
        {feeds.value?.length === 0 && <p class="empty">The hub has no feeds yet.</p>}
      </Card>
    </div>
  );
}

function Summary(props: { readonly feeds: readonly Feed[] }): VNode {
  const held = props.feeds.filter((feed) => feed.status === "held").length;
  return (
    <p class="soft">
      {props.feeds.length} feeds
      {held > 0 && (
        <>
          {" · "}
          <Pill tone="held">{held} held</Pill>
        </>
      )}
    </p>
  );
}

/** Says loudly that proofs of some feeds can be forged. */
export function InsecureNote(props: { readonly feeds: readonly Feed[]; readonly all: number }): VNode {
  const { feeds, all } = props;
  const names = feeds.length === all && all > 1 ? "All feeds" : feeds.map((feed) => feed.terms.description).join(", ");
  return (
    <Note tone="bad" title="Insecure set-up: proofs can be forged">
      <p>
        {names}: the verifier is keyed with a set-up (SRS) that is not the public ceremony's. Whoever made it can prove anything. That is fit
        for tests on a local chain, and for nothing of value.
      </p>
    </Note>
  );
}

function FeedRow(props: { readonly feed: Feed; readonly line: readonly Round[] | undefined; readonly trust: Trust | undefined }): VNode {
  const { feed, line, trust } = props;
  const { latest, terms } = feed;
  const first = line?.[0];
  const change = first && latest ? changeText(first.answer, latest.answer) : null;
  return (
    <tr>
      <th scope="row" class="feeds-name">
        <Link to={{ page: "feed", feedId: feed.id }}>{terms.description}</Link>
        <small>every {durationText(terms.heartbeat)}</small>
      </th>
      <td class="number feeds-answer">
        {latest === null ? <span class="faint">–</span> : <Answer value={latest.answer} decimals={terms.decimals} />}
        {change !== null && <small class={change.startsWith("−") ? "down" : change.startsWith("+") ? "up" : ""}>{change}</small>}
      </td>
      <td class="feeds-spark">
        {line && line.length > 1 && (
          <Sparkline values={line.map((round) => answerNumber(round.answer, terms.decimals))} tone={toneOf(line)} />
        )}
      </td>
      <td data-label="Age">{latest === null ? "–" : <Age time={latest.observedAt} />}</td>
      <td data-label="State">
        <FeedState feed={feed} />
      </td>
      <td data-label="Reporters">
        {trust === undefined ? <Skeleton /> : <Reporters trust={trust} latest={latest} />}
      </td>
      <td data-label="Model">
        {trust === undefined ? (
          <Skeleton />
        ) : (
          <>
            <ModelLink number={feed.modelNumber} />
            <small>{trust.model.architecture.bindsModel ? "private weights" : "public"}</small>
          </>
        )}
      </td>
      <td data-label="Set-up">{trust === undefined ? <Skeleton /> : <SetupPill trust={trust} />}</td>
    </tr>
  );
}

function Reporters(props: { readonly trust: Trust; readonly latest: Round | null }): VNode {
  const { quorum, reporters } = props.trust.committee;
  return (
    <>
      {quorum} of {reporters.length}
      <small>{props.latest === null ? "must sign" : `${String(props.latest.count)} signed the latest`}</small>
    </>
  );
}

function WaitingRow(): VNode {
  return (
    <tr>
      {Array.from({ length: 8 }, (_, i) => (
        <td key={i}>
          <Skeleton />
        </td>
      ))}
    </tr>
  );
}

function toneOf(line: readonly Round[]): "good" | "bad" | "plain" {
  const [first, last] = [line[0], line.at(-1)];
  if (!first || !last || first.answer === last.answer) return "plain";
  return last.answer > first.answer ? "good" : "bad";
}

async function readLines(hub: Hub, feeds: readonly Feed[]): Promise<ReadonlyMap<string, readonly Round[]>> {
  const wanted = feeds.map((feed) => {
    const last = feed.latest?.id ?? 0;
    const first = Math.max(1, last - SPARK_ROUNDS + 1);
    return { feedId: feed.id, ids: Array.from({ length: last - first + 1 }, (_, i) => first + i) };
  });
  const rounds = await readRoundsOf(hub, wanted);
  return new Map(feeds.map((feed, i) => [feed.id, rounds[i] ?? []]));
}
