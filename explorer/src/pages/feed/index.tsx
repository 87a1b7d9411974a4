import type { Hex, Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

/** One feed: its answers over time, its holds, its rounds. */
export function FeedPage(props: { readonly hub: Hub; readonly feedId: Hex }): VNode {
  return <p>{props.feedId}</p>;
}
