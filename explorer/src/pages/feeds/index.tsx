import type { Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

/** All feeds of a hub. */
export function FeedsPage(props: { readonly hub: Hub }): VNode {
  return <p>{props.hub.address}</p>;
}
