import "../../check/check.css";
import "./round.css";

import {
  findRound,
  readFeed,
  readReportsIn,
  readRounds,
  readSigned,
  type AcceptedReport,
  type Feed,
  type HeldReport,
  type Hex,
  type Hub,
  type Round,
} from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { useLoaded } from "../../app/loaded.js";
import { modelOf } from "../../app/trust.js";
import { ageText, answerText, changeText, countText, sigmaText } from "../../ui/format.js";
import { BackIcon, ForwardIcon } from "../../ui/icons.js";
import { Age, Card, ErrorNote, Fact, Facts, Hash, Link, Note, Pill, Skeleton, When } from "../../ui/parts.js";
import { ModelLink, REASONS, SetupPill, Verdict } from "../../ui/states.js";
import { InsecureNote } from "../feeds/index.js";
import { blockOfReport } from "./locate.js";
import { ReportCard } from "./report.js";

/** The report that a page is about: the one that became a round, or one that a transaction brought and that was held. */
export type Target = { readonly roundId: number } | { readonly transaction: Hex; readonly logIndex: number };

/** A report with what the hub keeps of it. */
export interface Told {
  readonly feed: Feed;
  readonly report: AcceptedReport | HeldReport;
  /** The round that it became; null if it was held. */
  readonly round: Round | null;
  /** The round before; null of a first one. */
  readonly before: Round | null;
}

/** One report: who signed what, what the model said, and a check of all of it. */
export function RoundPage(props: { readonly hub: Hub; readonly feedId: Hex; readonly target: Target }): VNode {
  const { hub, feedId, target } = props;
  const key = "roundId" in target ? `round ${String(target.roundId)}` : `${target.transaction} ${String(target.logIndex)}`;
  const feed = useLoaded(() => readFeed(hub, feedId), [hub, feedId], { keep: true });
  const told = useLoaded(() => tellOf(hub, feedId, target), [hub, feedId, key]);
  // The model of the report: the feed may have another one by now.
  const trust = useLoaded(async () => (told.value ? modelOf(hub, told.value.report.modelNumber) : undefined), [hub, told.value]);
  const roundId = "roundId" in target ? target.roundId : (told.value?.report.roundId ?? null);
  const isHeld = !("roundId" in target) && (told.value === undefined || told.value.round === null);
  return (
    <article class="page">
      <header class="page-head">
        <div>
          <p class="crumbs">
            <Link to={{ page: "feeds" }}>Feeds</Link> /{" "}
            <Link to={{ page: "feed", feedId }}>{feed.value?.terms.description ?? "feed"}</Link>
          </p>
          <h1>{isHeld ? `Held report for round ${roundId === null ? "…" : countText(roundId)}` : `Round ${countText(roundId ?? 0)}`}</h1>
        </div>
        {roundId !== null && feed.value && <Neighbours feed={feed.value} roundId={roundId} isHeld={isHeld} />}
      </header>
      {feed.error && <ErrorNote error={feed.error} again={feed.again} />}
      {told.error && <ErrorNote error={told.error} again={told.again} />}
      {trust.value?.setup === "insecure" && feed.value && <InsecureNote feeds={[feed.value]} all={1} />}
      {told.value === undefined ? (
        !told.error && (
          <Card>
            <p role="status" class="soft">
              Looking for the report …
            </p>
          </Card>
        )
      ) : (
        <Shown hub={hub} told={told.value} setup={trust.value && <SetupPill trust={trust.value} />} />
      )}
    </article>
  );
}

function Neighbours(props: { readonly feed: Feed; readonly roundId: number; readonly isHeld: boolean }): VNode {
  const { feed, roundId, isHeld } = props;
  const latest = feed.latest?.id ?? 0;
  const next = isHeld ? roundId : roundId + 1;
  return (
    <nav class="turns" aria-label="Neighbouring rounds">
      {roundId > 1 && (
        <Link to={{ page: "round", feedId: feed.id, roundId: roundId - 1 }} class="icon-button" label={`Round ${String(roundId - 1)}`}>
          <BackIcon />
        </Link>
      )}
      {next <= latest && (
        <Link to={{ page: "round", feedId: feed.id, roundId: next }} class="icon-button" label={`Round ${String(next)}`}>
          <ForwardIcon />
        </Link>
      )}
    </nav>
  );
}

function Shown(props: { readonly hub: Hub; readonly told: Told; readonly setup: VNode | undefined }): VNode {
  const { hub, told } = props;
  const { feed, report, round, before } = told;
  const { terms } = feed;
  const signed = useLoaded(() => readSigned(hub, report), [hub, report]);
  const change = before === null ? null : changeText(before.answer, report.answer);
  return (
    <>
      <section class="card round-head" aria-label="The report">
        <p class="round-answer">
          <span>{answerText(report.answer, terms.decimals)}</span>
          {round === null ? <Pill tone="held">held</Pill> : <Verdict round={round} />}
        </p>
        {"reason" in report && <p class="soft">It was held because {REASONS[report.reason]}.</p>}
        <Facts>
          <Fact name="Observed" under={<When time={report.observedAt} />}>
            <Age time={report.observedAt} ago />
          </Fact>
          <Fact name="From the round before" under={before === null ? "there is none" : `${answerText(before.answer, terms.decimals)}, ${ageText(report.observedAt - before.observedAt)} earlier`}>
            {change ?? "–"}
          </Fact>
          <Fact name="Model" under={scoreText(report)}>
            <ModelLink number={report.modelNumber} />
          </Fact>
          <Fact name="Set-up (SRS)">{props.setup ?? <Skeleton />}</Fact>
          {round !== null && (
            <>
              <Fact name="Signed by" under={`spread ${sigmaText(round.spread)}`}>
                {countText(round.count)} {round.count === 1 ? "reporter" : "reporters"}
              </Fact>
              <Fact name="In a block" under={<When time={round.publishedAt} />}>
                {ageText(round.publishedAt - round.observedAt)} later
              </Fact>
            </>
          )}
          {"reason" in report && (
            <Fact name="Confirmations" under={`${countText(terms.confirmations)} are needed`}>
              {countText(report.confirmations)}
            </Fact>
          )}
          <Fact name="Transmitter" under={signed.value?.way === "relayed" ? "a contract called the hub" : "called the hub"}>
            <Hash value={report.submitter} name="the transmitter's address" />
          </Fact>
          <Fact name="Transaction" under={`block ${countText(report.place.block)}`}>
            <Hash value={report.place.transaction} name="the transaction's hash" />
          </Fact>
          <Fact name="Gas" under={signed.value?.fee == null ? undefined : `${weiText(signed.value.fee)} ETH`}>
            {signed.value ? signed.value.gasUsed === null ? "not told" : countText(signed.value.gasUsed) : <Skeleton />}
          </Fact>
        </Facts>
      </section>
      {signed.error && <ErrorNote error={signed.error} again={signed.again} />}
      {signed.value?.rows.length === 0 && (
        <Note title="The submission is not in the transaction's own data">
          <p>A contract made it. A check can still find it, if the endpoint traces transactions.</p>
        </Note>
      )}
      <ReportCard hub={hub} told={told} signed={signed.value} />
    </>
  );
}

async function tellOf(hub: Hub, feedId: Hex, target: Target): Promise<Told> {
  const feed = await readFeed(hub, feedId);
  const report = "roundId" in target ? await findRound(hub, feedId, target.roundId) : await findHeld(hub, feedId, target);
  const isRound = "confirmed" in report;
  const wanted = [report.roundId - 1, ...(isRound ? [report.roundId] : [])].filter((id) => id > 0);
  const rounds = await readRounds(hub, feedId, wanted);
  return {
    feed,
    report,
    round: (isRound ? rounds.at(-1) : null) ?? null,
    before: rounds.find((each) => each.id === report.roundId - 1) ?? null,
  };
}

async function findHeld(hub: Hub, feedId: Hex, target: Exclude<Target, { roundId: number }>): Promise<AcceptedReport | HeldReport> {
  const block = await blockOfReport(hub.endpoint, target.transaction);
  const reports = await readReportsIn(hub, feedId, block);
  const found = reports.find(
    ({ place }) => place.transaction.toLowerCase() === target.transaction && place.logIndex === target.logIndex,
  );
  if (found !== undefined) return found;
  throw new Error(`The transaction ${target.transaction} brought no report of this feed, says ${hub.endpoint.name}.`);
}

function scoreText(report: AcceptedReport | HeldReport): string {
  const above = report.scores.filter((score) => score > 0n).length;
  return above === 0 ? `all ${countText(report.scores.length)} scores are 0 or less` : `${countText(above)} of ${countText(report.scores.length)} scores above 0`;
}

function weiText(wei: bigint): string {
  return answerText(wei / 10n ** 9n, 9, 0);
}
