import type { Hex, Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

/** The report that a page is about: the one that became a round, or one that a transaction brought and that was held. */
export type Target = { readonly roundId: number } | { readonly transaction: Hex; readonly logIndex: number };

/** One report: who signed what, what the model said, and a check of all of it. */
export function RoundPage(props: { readonly hub: Hub; readonly feedId: Hex; readonly target: Target }): VNode {
  return <p>{props.feedId}</p>;
}
