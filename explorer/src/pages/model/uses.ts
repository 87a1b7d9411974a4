import type { Feed, ShadowTally } from "@verifiable-oracle/client";

/** What a model is for a feed. Times are unix seconds. */
export type Use =
  | { readonly kind: "judges"; readonly feed: Feed; readonly other: number | null }
  | { readonly kind: "proposed"; readonly feed: Feed; readonly from: number; readonly shadow: ShadowTally | null }
  | { readonly kind: "previous"; readonly feed: Feed; readonly until: number };

/** Return what a model is for each feed that it judges, may judge, or has judged and may judge again. */
export function usesOf(feeds: readonly Feed[], model: number): Use[] {
  return feeds.flatMap((feed): Use[] => {
    const { model: proposed, previous } = feed.proposals;
    const found: Use[] = [];
    if (feed.modelNumber === model) found.push({ kind: "judges", feed, other: proposed?.number ?? null });
    if (proposed?.number === model) {
      const shadow = feed.shadow?.modelNumber === model && feed.shadow.minCompared > 0 ? feed.shadow : null;
      found.push({ kind: "proposed", feed, from: proposed.from, shadow });
    }
    if (previous?.number === model && feed.modelNumber !== model) {
      found.push({ kind: "previous", feed, until: previous.until });
    }
    return found;
  });
}

/** Return a part of a whole in per cent; a dash if there is nothing. */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return "–";
  const share = (100 * part) / whole;
  // What is not all of it is not shown as 100 %.
  const rounded = part < whole && share > 99.9 ? 99.9 : part > 0 && share < 0.1 ? 0.1 : share;
  return `${rounded.toFixed(Number.isInteger(rounded) ? 0 : 1)} %`;
}
