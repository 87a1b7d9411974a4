// What the page and its worker say to each other. All of it can be cloned between them.

import type { Address, Hex, PublicFiles, ReportTarget, RoundCheck, Step, StepBegun } from "@verifiable-oracle/client";

/** What a worker is to check with. It comes first, once. */
export interface Setting {
  readonly hub: Address;
  readonly endpoints: readonly string[];
  readonly fromBlock: bigint;
  readonly publicFiles: readonly PublicFiles[];
}

/** A wish: one report, or a feed's latest rounds. */
export type Wish =
  | { readonly kind: "report"; readonly id: number; readonly target: ReportTarget }
  | { readonly kind: "latest"; readonly id: number; readonly feedId: Hex; readonly count: number };

/** What the page says. */
export type ToWorker = { readonly kind: "setting"; readonly setting: Setting } | Wish;

/** What the worker says, each about a wish. */
export type FromWorker =
  | { readonly kind: "begin"; readonly id: number; readonly begun: StepBegun }
  | { readonly kind: "step"; readonly id: number; readonly step: Step }
  | { readonly kind: "check"; readonly id: number; readonly check: RoundCheck }
  | { readonly kind: "done"; readonly id: number }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };
