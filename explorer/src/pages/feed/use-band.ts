import type { Feed } from "@verifiable-oracle/client";

import type { Trust } from "../../app/trust.js";
import type { BandModel } from "./band.js";

/** Return what a public model would accept; null while it is not known, or the model is private. */
export function useBand(_feed: Feed, _trust: Trust | undefined): BandModel | null {
  return null;
}
