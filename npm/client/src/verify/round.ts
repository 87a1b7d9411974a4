import type { Hex } from "viem";

import type { HubOptions, ReportTarget, RoundCheck, Watcher } from "./types.js";

/**
 * Checks reports of one hub. What they share, the state and the history of feeds, is read once.
 *
 * Nothing that an endpoint says is believed: see the steps of a check.
 */
export class HubVerifier {
  constructor(private readonly options: HubOptions) {}

  /**
   * Check one report.
   *
   * @throws CheckError if there is no such report, or an option is wrong.
   * @throws EndpointError if no endpoint answers.
   */
  check(_target: ReportTarget, _watcher: Watcher = {}): Promise<RoundCheck> {
    return Promise.reject(new Error(`not there yet: ${this.options.hub}`));
  }

  /** Check a feed's latest rounds, newest first, one after the other. Stop the iteration to stop checking. */
  async *latest(_feedId: Hex, _count: number): AsyncGenerator<RoundCheck, void, undefined> {
    yield await Promise.reject<RoundCheck>(new Error(`not there yet: ${this.options.hub}`));
  }
}

/** Check one report of a hub: see `HubVerifier.check`. */
export function verifyRound(options: HubOptions & ReportTarget & Watcher): Promise<RoundCheck> {
  return new HubVerifier(options).check(options, options);
}
