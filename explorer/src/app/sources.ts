import { findRound, readSigned, type Feed, type Hub } from "@verifiable-oracle/client";

/** Where the latest answer of a feed came from, as far as its chain tells. It knows reporters, and hashes of readings. */
export interface Sources {
  /** Reporters of the latest round who had an answer. */
  readonly reporters: number;
  /** Those of them who signed a hash of what their sources said: anybody can ask them for the readings. */
  readonly committed: number;
}

/**
 * Return where the latest answer of a feed came from; null if it has none, or if its transaction does not show it.
 *
 * @throws EndpointError
 */
export async function readSources(hub: Hub, feed: Feed): Promise<Sources | null> {
  if (feed.latest === null) return null;
  const { rows } = await readSigned(hub, await findRound(hub, feed.id, feed.latest.id));
  const answering = rows.filter((row) => row.answer !== null);
  return answering.length === 0
    ? null
    : { reporters: answering.length, committed: answering.filter((row) => BigInt(row.readings) !== 0n).length };
}

/** Say which of the reporters can be asked for their readings. */
export function sourcesText({ reporters, committed }: Sources): string {
  if (committed === 0) return "nobody signed readings: the chain can't tell which";
  return `${String(committed)} of ${String(reporters)} signed a hash of their readings`;
}
