import type { Hub } from "@verifiable-oracle/client";
import type { VNode } from "preact";

/** Verifies a claim file that somebody drops on the page. It is sent nowhere. */
export function ClaimsPage(props: { readonly hub: Hub | null }): VNode {
  return <p>{props.hub?.address}</p>;
}
