/** Steps of a check, as they are recorded and told. */
import { EndpointError, HubError } from "../read/errors.js";
import { SlotError } from "../read/slots.js";
import { MalformedSubmission } from "./calldata.js";
import { CheckError, Unknown, Unproven } from "./errors.js";
import { ImpossibleValue } from "./features.js";
import type { Step, StepState, Watcher } from "./types.js";

/** What a step that holds found out. */
export interface Found {
  readonly detail: string;
  /** Set if the step can't be verified here, and the check's verdict does not depend on it. */
  readonly open?: boolean;
}

/** Records the steps of one check, and tells a watcher. */
export class Recorder<Id extends string> {
  readonly steps: Step<Id>[] = [];

  constructor(
    private readonly titles: Readonly<Record<Id, string>>,
    private readonly watcher: Watcher<Id>,
  ) {}

  /** True if no step has failed. */
  get isClean(): boolean {
    return this.steps.every((step) => step.state !== "fails");
  }

  /** The verdict of the check. */
  get verdict(): StepState {
    if (!this.isClean) return "fails";
    return this.steps.some((step) => step.state === "unchecked" && !step.optional) ? "unchecked" : "holds";
  }

  /**
   * Take a step. What it raises becomes its state.
   *
   * @returns What `take` returned besides what it found, or null if the step does not hold.
   */
  async step<T>(id: Id, take: () => Promise<Found & { value: T }> | (Found & { value: T })): Promise<T | null> {
    const title = this.titles[id];
    const begun = performance.now();
    this.watcher.onBegin?.({ id, title });
    const end = (state: StepState, detail: string, optional: boolean, liars: readonly string[]): void => {
      const step = { id, title, state, detail, optional, liars: [...liars], milliseconds: performance.now() - begun };
      this.steps.push(step);
      this.watcher.onStep?.(step);
    };
    try {
      const { detail, open, value } = await take();
      end(open === true ? "unchecked" : "holds", detail, open === true, []);
      return value;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === null) throw error;
      end(refusal.state, sentence(refusal.detail), false, refusal.liars);
      return null;
    }
  }

  /** Take over what another recorder has recorded, and tell it. */
  take(other: Recorder<Id>): void {
    for (const step of other.steps) {
      this.watcher.onBegin?.({ id: step.id, title: step.title });
      this.steps.push(step);
      this.watcher.onStep?.(step);
    }
  }

  /** Say of steps that they were not taken. */
  skip(ids: readonly Id[], why: string): void {
    for (const id of ids) {
      const step = { id, title: this.titles[id], state: "unchecked" as const, detail: why, optional: false, liars: [], milliseconds: 0 };
      this.steps.push(step);
      this.watcher.onStep?.(step);
    }
  }
}

function refusalOf(error: unknown): { state: StepState; detail: string; liars: readonly string[] } | null {
  if (error instanceof CheckError) return null;
  if (error instanceof Unproven) return { state: "fails", detail: error.message, liars: error.liars };
  if (error instanceof Unknown) return { state: "unchecked", detail: error.message, liars: [] };
  if (error instanceof EndpointError) {
    return error.meaning === "nonsense"
      ? { state: "fails", detail: error.message, liars: [error.endpoint] }
      : { state: "unchecked", detail: error.message, liars: [] };
  }
  const isWrong = [HubError, SlotError, MalformedSubmission, ImpossibleValue].some((each) => error instanceof each);
  return isWrong && error instanceof Error ? { state: "fails", detail: error.message, liars: [] } : null;
}

function sentence(text: string): string {
  const first = text.slice(0, 1).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
