import type { Feed, Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { useLoaded } from "../../app/loaded.js";
import { readSources, sourcesText } from "../../app/sources.js";
import type { Trust } from "../../app/trust.js";
import { answerText, countText, durationText, sigmaText } from "../../ui/format.js";
import { Card, Fact, Facts, Hash, Link, Skeleton } from "../../ui/parts.js";
import { ModelLink, SetupPill } from "../../ui/states.js";

/** Whom and what the feed's answers rest on, at a glance. */
export function TrustStrip(props: { readonly hub: Hub; readonly feed: Feed; readonly trust: Trust | undefined }): VNode {
  const { hub, feed, trust } = props;
  const sources = useLoaded(() => readSources(hub, feed), [hub, feed.id, feed.latest?.id], { keep: true }).value;
  return (
    <section class="card trust" aria-label="What the answers rest on">
      <Facts>
        <Fact name="Reporters" under={trust && liarsText((trust.committee.quorum - 1) / 2)}>
          {trust ? `${String(trust.committee.quorum)} of ${String(trust.committee.reporters.length)} must sign` : <Skeleton />}
        </Fact>
        <Fact name="Sources" under={sources ? sourcesText(sources) : undefined}>
          {"each reporter's own"}
        </Fact>
        <Fact name="Model" under={trust && (trust.model.architecture.bindsModel ? "private weights, pinned by hash" : "public weights")}>
          <ModelLink number={feed.modelNumber} />
        </Fact>
        <Fact name="Set-up (SRS)">{trust ? <SetupPill trust={trust} /> : <Skeleton />}</Fact>
        <Fact name="A report is due" under={`stale ${durationText(feed.terms.maxAge)} after that`}>
          every {durationText(feed.terms.heartbeat)}
        </Fact>
        <Fact name="Latest spread" under={feed.terms.maxSpread === 0 ? "unbounded" : `at most ${sigmaText(feed.terms.maxSpread)}`}>
          {feed.latest === null ? "–" : sigmaText(feed.latest.spread)}
        </Fact>
        <Fact name="Adapter" under="Chainlink's interface">
          {feed.linked ? "linked" : "not linked"}
        </Fact>
      </Facts>
    </section>
  );
}

/** The terms of a feed, which never change, and its reporters. */
export function TermsCard(props: { readonly feed: Feed; readonly trust: Trust | undefined }): VNode {
  const { terms, proposals } = props.feed;
  const { trust } = props;
  return (
    <Card title="Terms">
      <Facts>
        <Fact name="Moves are measured" under={terms.kind === "relative" ? "against the smaller answer" : "in the answer's own units"}>
          {terms.kind}
        </Fact>
        <Fact name="Sigma" under="a usual move in a heartbeat">
          {terms.kind === "relative" ? `${countText(terms.sigma)} ppm` : answerText(terms.sigma, terms.decimals)}
        </Fact>
        <Fact name="Decimals">{terms.decimals}</Fact>
        <Fact name="Age of a report" under={`ahead by ${durationText(terms.maxSkew)} at most`}>
          at most {durationText(terms.maxAge)}
        </Fact>
        <Fact name="A hold is confirmed" under={`within ${sigmaText(terms.tolerance)}, over ${durationText(terms.confirmDelay)}`}>
          by {countText(terms.confirmations)} further reports
        </Fact>
        <Fact name="Repeats">{terms.maxRepeats === 0 ? "any number" : `at most ${String(terms.maxRepeats)} in a row`}</Fact>
        <Fact name="Committee" under={trust && `epoch ${String(trust.committee.epoch)}`}>
          {terms.committee}
        </Fact>
        <Fact name="Peers">
          {terms.peers.length === 0
            ? "none"
            : terms.peers.map((peer) => (
                <Link key={peer} to={{ page: "feed", feedId: peer }} class="mono">
                  {peer.slice(0, 10)}…{" "}
                </Link>
              ))}
        </Fact>
        {proposals.model !== null && (
          <Fact name="Proposed model" under="see the model's page">
            <ModelLink number={proposals.model.number} />
          </Fact>
        )}
      </Facts>
      {trust && (
        <>
          <h3 class="terms-title">Reporters</h3>
          <ul class="reporters">
            {trust.committee.reporters.map((each) => (
              <li key={each}>
                <Hash value={each} name="the reporter's address" />
              </li>
            ))}
          </ul>
        </>
      )}
    </Card>
  );
}

function liarsText(liars: number): string {
  return liars === 0 ? "no lie among them is outvoted" : `${String(liars)} of them may lie without effect`;
}
