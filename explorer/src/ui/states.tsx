import { isStale, type Feed, type HeldAnswer, type Hold, type HoldReason, type Round } from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { now } from "../app/clock.js";
import type { Trust } from "../app/trust.js";
import { Link, Pill, type Tone } from "./parts.js";

/** The state of a feed in one word, the most serious one first. */
export function stateOf(feed: Feed, time: number): { readonly word: string; readonly tone: Tone; readonly meaning: string } {
  if (feed.paused) return { word: "paused", tone: "bad", meaning: "The guardian or the admin has paused it: it takes no reports." };
  if (feed.status === "held") {
    return { word: "held", tone: "held", meaning: "An answer is held back. The latest round is in doubt until the hold ends." };
  }
  if (feed.status === "empty") return { word: "empty", tone: "plain", meaning: "It has no round yet." };
  if (isStale(feed, time)) {
    return { word: "stale", tone: "bad", meaning: "No round has come within its heartbeat and the age that a report may have." };
  }
  return { word: "ok", tone: "good", meaning: "The latest round is fresh, and nothing is held." };
}

/** The state of a feed, as a pill. */
export function FeedState(props: { readonly feed: Feed }): VNode {
  const { word, tone, meaning } = stateOf(props.feed, now.value);
  return (
    <Pill tone={tone} title={meaning}>
      {word}
    </Pill>
  );
}

/** Words for the reason of a hold. */
export const REASONS: Readonly<Record<HoldReason, string>> = {
  anomalous: "the model called it anomalous",
  "not positive": "it is zero or less",
  repeated: "it repeats the last answer too often",
};

/** Words for the end of a hold. */
export const ENDS: Readonly<Record<Hold["end"], { readonly word: string; readonly tone: Tone; readonly meaning: string }>> = {
  accepted: { word: "not confirmed", tone: "plain", meaning: "The model accepted a later report, and the hold ended." },
  confirmed: { word: "confirmed", tone: "jump", meaning: "Reports over time confirmed it, and it became a round." },
  open: { word: "goes on", tone: "held", meaning: "The hold has not ended." },
};

/** The set-up of a model's circuits, as a pill. An insecure one is red. */
export function SetupPill(props: { readonly trust: Pick<Trust, "setup"> }): VNode {
  return props.trust.setup === "ceremony" ? (
    <Pill tone="good" title="The verifier names the set-up of the public ceremony. A check shows that it uses it.">
      ceremony SRS
    </Pill>
  ) : (
    <Pill tone="bad" title="The verifier's set-up is not the public ceremony's: whoever made it can forge proofs.">
      insecure SRS
    </Pill>
  );
}

/** A round's verdict, as a pill. */
export function Verdict(props: { readonly round: Round }): VNode {
  return props.round.scoreRatio > 0 ? (
    <Pill tone="jump" title="The model called it anomalous, and reports over time confirmed it.">
      confirmed jump
    </Pill>
  ) : (
    <Pill tone="good" title="The model accepted it, and that is proven.">
      accepted
    </Pill>
  );
}

/** The model of a feed: a link. */
export function ModelLink(props: { readonly number: number }): VNode {
  return <Link to={{ page: "model", modelNumber: props.number }}>model {props.number}</Link>;
}

/** Return the time at which a held answer can be confirmed at the earliest, by both clocks. */
export function confirmableFrom(held: HeldAnswer, confirmDelay: number): number {
  return Math.max(held.firstObservedAt, held.firstSeenAt) + confirmDelay;
}
