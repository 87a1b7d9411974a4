import "./feed.css";

import {
  readFeed,
  readRounds,
  type Feed,
  type Hex,
  type Hub,
} from "@verifiable-oracle/client";
import { useMemo } from "preact/hooks";
import type { VNode } from "preact";

import { head } from "../../app/connection.js";
import { useLoaded } from "../../app/loaded.js";
import { config } from "../../app/settings.js";
import { readTrust, type Trust } from "../../app/trust.js";
import { answerText, countText, sigmaText } from "../../ui/format.js";
import { Age, Answer, Card, ErrorNote, Hash, Link, Note, Skeleton } from "../../ui/parts.js";
import { confirmableFrom, FeedState, REASONS } from "../../ui/states.js";
import { CheckLatest } from "../../check/latest.js";
import { InsecureNote } from "../feeds/index.js";
import { Chart } from "./chart.js";
import { HoldsCard } from "./holds.js";
import { HoldsStore } from "./holds-store.js";
import { RoundsCard } from "./rounds.js";
import { RoundsStore } from "./rounds-store.js";
import { TermsCard, TrustStrip } from "./terms.js";
import { useBand } from "./use-band.js";
import { useHolds } from "./use-holds.js";

/** One feed: its answers over time, its holds, its rounds. */
export function FeedPage(props: { readonly hub: Hub; readonly feedId: Hex }): VNode {
  const { hub, feedId } = props;
  const block = head.value?.number;
  const feed = useLoaded(() => readFeed(hub, feedId), [hub, feedId, block], { keep: true });
  if (feed.value === undefined) {
    return <div class="page">{feed.error ? <ErrorNote error={feed.error} again={feed.again} /> : <Waiting />}</div>;
  }
  return (
    <>
      {feed.error && <ErrorNote error={feed.error} again={feed.again} />}
      <Shown hub={hub} feed={feed.value} />
    </>
  );
}

function Waiting(): VNode {
  return (
    <>
      <div class="page-head" role="status" aria-label="Loading the feed">
        <Skeleton width="14rem" />
      </div>
      <Card>
        <div class="chart-box" />
      </Card>
    </>
  );
}

function Shown(props: { readonly hub: Hub; readonly feed: Feed }): VNode {
  const { hub, feed } = props;
  const rounds = useMemo(() => new RoundsStore(hub, feed.id, feed.latest?.id ?? 0, readRounds), [hub, feed.id]);
  if (feed.latest !== null) rounds.add(feed.latest);
  const begin = useLoaded(async () => (await rounds.rounds([1]))[0]?.observedAt ?? null, [rounds, feed.latest === null]);
  const holdsStore = useMemo(() => new HoldsStore(hub, config.peek().fromBlock), [hub, feed.id]);
  const holds = useHolds(holdsStore, feed);
  const trust = useLoaded(async () => (await readTrust(hub, [feed])).get(feed.id), [hub, feed.id, feed.modelNumber], { keep: true });
  const band = useBand(feed, trust.value);
  return (
    <article class="page">
      <Head feed={feed} />
      {trust.value?.setup === "insecure" && <InsecureNote feeds={[feed]} all={1} />}
      {feed.held !== null && <HeldNote feed={feed} />}
      {trust.error && <ErrorNote error={trust.error} again={trust.again} />}
      <TrustStrip hub={hub} feed={feed} trust={trust.value} />
      <Card>
        {begin.error ? (
          <ErrorNote error={begin.error} again={begin.again} />
        ) : feed.latest === null ? (
          <p class="empty">No report has been accepted yet.</p>
        ) : begin.value === undefined || begin.value === null ? (
          <div class="chart-box" role="status" aria-label="Loading the chart" />
        ) : (
          <Chart feed={feed} store={rounds} holds={holds.known.holds} begin={begin.value} band={band} />
        )}
      </Card>
      <CheckLatest hub={hub} feed={feed} />
      <div class="feed-tables">
        <RoundsCard feed={feed} store={rounds} trust={trust.value} />
        <HoldsCard feed={feed} holds={holds} />
      </div>
      <Further feed={feed} trust={trust.value} />
    </article>
  );
}

function Head(props: { readonly feed: Feed }): VNode {
  const { feed } = props;
  const { latest, terms } = feed;
  return (
    <header class="feed-head">
      <div>
        <p class="crumbs">
          <Link to={{ page: "feeds" }}>Feeds</Link>
        </p>
        <h1>{terms.description}</h1>
      </div>
      <p class="feed-answer">
        <span>{latest === null ? "–" : <Answer value={latest.answer} decimals={terms.decimals} />}</span>
        <FeedState feed={feed} />
        {latest !== null && (
          <small>
            observed <Age time={latest.observedAt} ago /> · round{" "}
            <Link to={{ page: "round", feedId: feed.id, roundId: latest.id }}>{countText(latest.id)}</Link>
          </small>
        )}
      </p>
    </header>
  );
}

function HeldNote(props: { readonly feed: Feed }): VNode | null {
  const { held, terms } = props.feed;
  if (held === null) return null;
  const isConfirmable = held.reason === "anomalous";
  return (
    <Note tone="held" title={`${answerText(held.answer, terms.decimals)} is held back: ${REASONS[held.reason]}`}>
      <p>
        {isConfirmable
          ? `${countText(held.confirmations)} of ${countText(terms.confirmations)} further reports agree, within ${sigmaText(terms.tolerance)} of ` +
            `${answerText(held.firstAnswer, terms.decimals)}. `
          : "No further report confirms it. "}
        It ends with a report that the model accepts{isConfirmable ? ", or by confirmation" : ""}. Until then the latest round is in doubt.
      </p>
      <p class="soft">
        Held for <Age time={held.firstObservedAt} />
        {isConfirmable && (
          <>
            {" "}
            · <EarliestConfirmation time={confirmableFrom(held, terms.confirmDelay)} />
          </>
        )}
      </p>
    </Note>
  );
}

function EarliestConfirmation(props: { readonly time: number }): VNode {
  const date = new Date(props.time * 1_000);
  return (
    <span>
      it can be confirmed from <time dateTime={date.toISOString()}>{date.toLocaleTimeString("en-GB")}</time> on
    </span>
  );
}

function Further(props: { readonly feed: Feed; readonly trust: Trust | undefined }): VNode {
  const { feed, trust } = props;
  return (
    <>
      <TermsCard feed={feed} trust={trust} />
      <p class="faint small">
        Feed <Hash value={feed.id} name="the feed's id" isWhole />
      </p>
    </>
  );
}
