import "./check.css";

import type { Feed, Hub, RoundCheck, StepState } from "@verifiable-oracle/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { hashesOfModel, modelOf } from "../app/trust.js";
import { countText } from "../ui/format.js";
import { Card, ErrorNote, Link, Note } from "../ui/parts.js";
import { checkLatest, type RunningCheck } from "./checker.js";
import { StateIcon } from "./steps.js";

const COUNT = 100;

/** Checks a feed's last hundred rounds, one after the other, and shows each as a square. */
export function CheckLatest(props: { readonly hub: Hub; readonly feed: Feed }): VNode | null {
  const { hub, feed } = props;
  const [checks, setChecks] = useState<readonly RoundCheck[]>([]);
  const [state, setState] = useState<"idle" | "busy" | "ended">("idle");
  const [error, setError] = useState<Error | null>(null);
  const running = useRef<RunningCheck | null>(null);
  useEffect(() => () => running.current?.stop(), [hub, feed.id]);
  const wanted = Math.min(COUNT, feed.latest?.id ?? 0);
  if (wanted === 0) return null;

  const start = async (): Promise<void> => {
    setChecks([]);
    setError(null);
    setState("busy");
    try {
      const { model } = await modelOf(hub, feed.modelNumber);
      running.current = checkLatest(hub, hashesOfModel(model), feed.id, COUNT, {
        onCheck: (check) => {
          setChecks((before) => [...before, check]);
        },
      });
      await running.current.ended;
    } catch (reason) {
      setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    setState("ended");
  };
  const counts = countsOf(checks);
  return (
    <Card
      title="Check it yourself"
      end={
        state === "busy" ? (
          <button
            type="button"
            class="button"
            onClick={() => {
              running.current?.stop();
            }}
          >
            Stop
          </button>
        ) : (
          <button type="button" class="button button-main" onClick={() => void start()}>
            Check the last {countText(COUNT)}
          </button>
        )
      }
    >
      {state === "idle" ? (
        <p class="soft">
          Every round can be verified here, in this browser: signatures, history, features, and the proof in the verifier's own code. Open a
          round for each step, or check {wanted === 1 ? "it" : `the last ${countText(wanted)} in one go`}.
        </p>
      ) : (
        <>
          <p role="status" aria-label="Result of the check">
            <b>{countText(checks.length)}</b> of {countText(wanted)} checked: {countText(counts.holds)} hold, {countText(counts.fails)} fail,{" "}
            {countText(counts.unchecked)} unchecked{state === "busy" ? " …" : "."}
            {state === "ended" && checks.length > 0 && ` ${secondsText(checks)} a round.`}
          </p>
          <ul class="squares" aria-label="Checked rounds">
            {checks.map((check) => (
              <li key={check.facts.roundId}>
                <Link
                  to={{ page: "round", feedId: feed.id, roundId: check.facts.roundId }}
                  class={`square square-${check.verdict}`}
                  label={`Round ${String(check.facts.roundId)}: ${check.verdict}`}
                >
                  <StateIcon state={check.verdict} />
                </Link>
              </li>
            ))}
          </ul>
          <Doubts checks={checks} />
          {error && <ErrorNote error={error} />}
        </>
      )}
    </Card>
  );
}

/** What does not hold, and what all checks warn of: each once. */
function Doubts(props: { readonly checks: readonly RoundCheck[] }): VNode {
  const failed = props.checks.filter((check) => check.verdict !== "holds").slice(0, 3);
  const liars = [...new Set(props.checks.flatMap((check) => check.steps.flatMap((step) => step.liars)))];
  const warnings = [...new Set(props.checks.flatMap((check) => check.warnings))].slice(0, 3);
  return (
    <div class="doubts">
      {liars.length > 0 && <Note tone="bad" title={`${liars.join(", ")}: don't believe this endpoint`} />}
      {failed.map((check) => (
        <Note key={check.facts.roundId} tone={check.verdict === "fails" ? "bad" : "held"} title={`Round ${countText(check.facts.roundId)}: ${check.verdict}`}>
          {check.steps
            .filter((step) => step.state !== "holds" && !step.optional)
            .map((step) => (
              <p key={step.id}>{step.detail}</p>
            ))}
        </Note>
      ))}
      {warnings.map((warning) => (
        <Note key={warning} tone="held" title="Mind this">
          <p>{warning}</p>
        </Note>
      ))}
    </div>
  );
}

/** Return how many checks have each verdict. */
export function countsOf(checks: readonly Pick<RoundCheck, "verdict">[]): Readonly<Record<StepState, number>> {
  const counts = { holds: 0, fails: 0, unchecked: 0 };
  for (const check of checks) counts[check.verdict]++;
  return counts;
}

function secondsText(checks: readonly RoundCheck[]): string {
  const total = checks.reduce((sum, check) => sum + check.milliseconds, 0);
  return `${(total / checks.length / 1_000).toFixed(2)} s`;
}
