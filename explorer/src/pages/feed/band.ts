import type { Round } from "@verifiable-oracle/client";

import type { Band } from "./price-chart.js";

/** Computes which answers a public model would have accepted in the place of rounds. */
export interface BandModel {
  /**
   * Return the bands of rounds.
   *
   * @param rounds Ascending, without gaps. The first ones get no band: what came before them is missing.
   */
  of(rounds: readonly Round[]): ReadonlyMap<number, Band>;
}
