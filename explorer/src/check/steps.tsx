import type { ClaimCheck, RoundCheck, Step, StepBegun, StepState } from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { dateText, countText } from "../ui/format.js";
import { FailsIcon, HoldsIcon, UncheckedIcon } from "../ui/icons.js";
import { Hash, Note } from "../ui/parts.js";

/** The steps of a check, as they come. */
export function Steps(props: { readonly steps: readonly Step<string>[]; readonly begun: StepBegun<string> | null }): VNode {
  const { steps, begun } = props;
  const isUnderWay = begun !== null && !steps.some((step) => step.id === begun.id);
  return (
    <ol class="steps" aria-label="Steps of the check">
      {steps.map((step) => (
        <StepItem key={step.id} step={step} />
      ))}
      {isUnderWay && (
        <li key={begun.id} class="step step-busy">
          <span class="step-icon">
            <span class="dot dot-busy" />
          </span>
          <div>
            <p class="step-title">{begun.title} …</p>
          </div>
        </li>
      )}
    </ol>
  );
}

function StepItem(props: { readonly step: Step<string> }): VNode {
  const { step } = props;
  return (
    <li class={`step step-${step.state}`}>
      <span class="step-icon">
        <StateIcon state={step.state} />
      </span>
      <div>
        <p class="step-title">
          {step.title} <span class="step-state">{step.state}</span>
          <span class="step-time">{countText(Math.round(step.milliseconds))} ms</span>
        </p>
        <p class="step-detail">{step.detail}</p>
        {step.liars.length > 0 && <p class="step-liars">Not to be believed: {step.liars.join(", ")}</p>}
      </div>
    </li>
  );
}

/** The sign of a state. The word is always beside it. */
export function StateIcon(props: { readonly state: StepState }): VNode {
  return props.state === "holds" ? <HoldsIcon /> : props.state === "fails" ? <FailsIcon /> : <UncheckedIcon />;
}

const RESULTS: Readonly<Record<StepState, string>> = {
  holds: "It holds: it was verified here",
  fails: "It does not hold",
  unchecked: "Not everything could be checked",
};

/** The result of the check of a report: what it shows, what it does not, and whom it names. */
export function Result(props: { readonly check: RoundCheck }): VNode {
  const { check } = props;
  return (
    <div class="result">
      <Outcome check={check} />
      {check.anchor !== null && (
        <p class="anchor">
          Read at block {countText(check.anchor.block)}, <Hash value={check.anchor.hash} name="the block's hash" />
          {check.anchor.isProven ? ", which the words follow from (eth_getProof)" : ""}, as {check.anchor.endpoints.join(" and ")}{" "}
          {check.anchor.endpoints.length === 1 ? "says" : "say"}. Compare the hash with what others say of this block.
          {check.facts.blockTime !== null && ` The report's block is of ${dateText(check.facts.blockTime)}.`}
        </p>
      )}
    </div>
  );
}

function held(steps: readonly Step<string>[]): string {
  const open = steps.filter((step) => step.state !== "holds");
  const rest = open.length === 0 ? "" : ` Not checked: ${open.map((step) => step.title.toLowerCase()).join(", ")}.`;
  return `${countText(steps.length - open.length)} of ${countText(steps.length)} steps hold.${rest}`;
}

/** What the check of a report and of a claim have in common: the verdict, the liars, what to mind, what remains. */
export function Outcome(props: { readonly check: RoundCheck | ClaimCheck }): VNode {
  const { check } = props;
  const steps: readonly Step<string>[] = check.steps;
  const liars = [...new Set(steps.flatMap((step) => step.liars))];
  const failed = steps.filter((step) => step.state !== "holds" && !step.optional);
  return (
    <>
      <div class={`verdict verdict-${check.verdict}`} role="status" aria-label="Result of the check">
        <StateIcon state={check.verdict} />
        <div>
          <p class="verdict-word">{RESULTS[check.verdict]}</p>
          <p>
            {failed.length === 0
              ? `${held(steps)} In ${(check.milliseconds / 1_000).toFixed(1)} s, on this machine.`
              : failed.map((step) => `${step.state === "fails" ? "Fails" : "Unchecked"}: ${step.title}. `)}
          </p>
        </div>
      </div>
      {liars.length > 0 && (
        <Note tone="bad" title={`${liars.join(", ")}: don't believe this endpoint`}>
          <p>The check shows that it altered or withheld something. Take another one in the settings, and check again.</p>
        </Note>
      )}
      {check.warnings.map((warning) => (
        <Note key={warning} tone={/srs|reference string|set-up|forge/i.test(warning) ? "bad" : "held"} title="Mind this">
          <p>{warning}</p>
        </Note>
      ))}
      {check.remains.length > 0 && (
        <details class="remains">
          <summary>What a page can't show, and the command that does</summary>
          <ul>
            {check.remains.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
