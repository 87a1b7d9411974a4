import type { Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

/** All models of a hub. */
export function ModelsPage(props: { readonly hub: Hub }): VNode {
  return <p>{props.hub.address}</p>;
}

/** One model: what it is, its cards, and the feeds that use it or may use it soon. */
export function ModelPage(props: { readonly hub: Hub; readonly modelNumber: number }): VNode {
  return <p>{props.modelNumber}</p>;
}
