import type { FeatureValue, Feed, Hub, RoundCheck, SignedReport, SignedRow, Step, StepBegun } from "@verifiable-oracle/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { hashesOfModel, modelOf } from "../../app/trust.js";
import { checkReport, type RunningCheck } from "../../check/checker.js";
import { Result, Steps } from "../../check/steps.js";
import { answerText, countText } from "../../ui/format.js";
import { Card, ErrorNote, Hash, Pill, Skeleton } from "../../ui/parts.js";
import { featureText, featureTitle } from "./features.js";
import type { Told } from "./index.js";

/** What was signed, what the model saw, and the check of both. */
export function ReportCard(props: {
  readonly hub: Hub;
  readonly told: Told;
  readonly signed: SignedReport | undefined;
}): VNode {
  const { hub, told, signed } = props;
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const [begun, setBegun] = useState<StepBegun | null>(null);
  const [check, setCheck] = useState<RoundCheck | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(false);
  const running = useRef<RunningCheck | null>(null);
  const turns = useRef(0);
  const { place } = told.report;
  useEffect(() => {
    setSteps([]);
    setBegun(null);
    setCheck(null);
    setError(null);
    setBusy(false);
    return () => {
      // A check of another page goes on in vain otherwise.
      turns.current++;
      running.current?.stop();
      running.current = null;
    };
  }, [hub, place.transaction, place.logIndex]);

  const start = async (): Promise<void> => {
    setSteps([]);
    setBegun(null);
    setCheck(null);
    setError(null);
    setBusy(true);
    const { feedId, roundId } = told.report;
    const target =
      told.round === null ? { feedId, transaction: place.transaction, logIndex: place.logIndex } : { feedId, roundId };
    const turn = ++turns.current;
    try {
      const { model } = await modelOf(hub, told.report.modelNumber);
      if (turn !== turns.current) return;
      running.current = checkReport(hub, hashesOfModel(model), target, {
        onBegin: setBegun,
        onStep: (step) => {
          setSteps((before) => [...before.filter((each) => each.id !== step.id), step]);
        },
        onCheck: setCheck,
      });
      await running.current.ended;
    } catch (reason) {
      if (turn === turns.current) setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
    if (turn !== turns.current) return;
    running.current = null;
    setBusy(false);
  };
  const isIdle = !isBusy && check === null && error === null;
  return (
    <div class="round-columns">
      <Card
        title="Check it here"
        end={
          <button type="button" class={isIdle ? "button button-main" : "button"} disabled={isBusy} onClick={() => void start()}>
            {isBusy ? "Checking …" : check === null ? "Check it here" : "Check it again"}
          </button>
        }
      >
        {isIdle && (
          <p class="soft">
            In this browser, from what the endpoint gives, believing none of it: the calldata, each signature, the feed's history, the
            features, the statement, and the proof in the verifier's own code.
          </p>
        )}
        {check !== null && <Result check={check} />}
        {error && <ErrorNote error={error} />}
        {(steps.length > 0 || begun !== null) && <Steps steps={steps} begun={isBusy ? begun : null} />}
      </Card>
      <div class="round-side">
        <SignedCard feed={told.feed} rows={signed?.rows ?? check?.facts.signed} isChecked={check?.verdict === "holds"} />
        <FeaturesCard features={check?.facts.features ?? []} scores={told.report.scores} />
        {signed !== undefined && signed.proofBytes > 0 && (
          <Card title="The proof">
            <p class="soft">
              {countText(signed.proofBytes)} bytes for {countText(signed.judged)} {signed.judged === 1 ? "feed" : "feeds"} that{" "}
              {signed.judged === 1 ? "is" : "are"} judged, of {countText(signed.listed)} in the report.
              {check?.facts.verifier != null && (
                <>
                  {" "}
                  Verifier <Hash value={check.facts.verifier} name="the verifier's address" />
                  {check.facts.verifierGas !== null && `, ${countText(check.facts.verifierGas)} gas here`}.
                </>
              )}
            </p>
          </Card>
        )}
      </div>
    </div>
  );
}

function SignedCard(props: { readonly feed: Feed; readonly rows: readonly SignedRow[] | undefined; readonly isChecked: boolean }): VNode {
  const { feed, rows } = props;
  return (
    <Card title="What each reporter signed" isFlush end={<span class="faint small">{props.isChecked ? "verified" : "unchecked"}</span>}>
      {rows === undefined ? (
        <p class="card-body">
          <Skeleton width="12rem" />
        </p>
      ) : (
        <div class="table-wrap">
          <table class="table" aria-label="Signed answers">
            <thead>
              <tr>
                <th scope="col">Reporter</th>
                <th scope="col" class="number">
                  Answer
                </th>
                <th scope="col">Readings</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.reporter}>
                  <td>
                    <Hash value={row.reporter} name="the reporter's address" />
                  </td>
                  <td class="number">
                    {row.isMedian && <Pill tone="accent">median</Pill>}{" "}
                    <span class={row.isMedian ? "strong" : ""}>{row.answer === null ? "none" : answerText(row.answer, feed.terms.decimals)}</span>
                  </td>
                  <td>{BigInt(row.readings) === 0n ? <span class="faint">none kept</span> : <Hash value={row.readings} name="the hash of the readings" />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function FeaturesCard(props: { readonly features: readonly FeatureValue[]; readonly scores: readonly bigint[] }): VNode {
  const { features, scores } = props;
  return (
    <Card title="What the model saw" isFlush={features.length > 0}>
      {features.length === 0 ? (
        <p class="soft">The features follow from the feed's history. A check derives them, and shows them here.</p>
      ) : (
        <div class="table-wrap">
          <table class="table" aria-label="Features">
            <tbody>
              {features.map(({ name, value }) => (
                <tr key={name}>
                  <th scope="row">{featureTitle(name)}</th>
                  <td class="number">{featureText(name, value)}</td>
                  <td class="feature-bar">
                    <FeatureBar name={name} value={value} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class={features.length > 0 ? "card-body small soft" : "small soft"}>
        {scores.length === 1 ? "Score" : "Scores"}:{" "}
        {scores.map((score, i) => (
          <span key={i} class={score > 0n ? "held-text" : ""} title={score.toString()}>
            {i > 0 && ", "}
            {scoreText(score)}
          </span>
        ))}
        {". Above 0 means anomalous."}
      </p>
    </Card>
  );
}

/** A move as a bar from the middle, up to five sigmas. */
function FeatureBar(props: { readonly name: string; readonly value: number }): VNode | null {
  if (!/move|past/.test(props.name)) return null;
  const share = Math.max(-1, Math.min(1, props.value / 5_000));
  const x = share < 0 ? 50 + share * 50 : 50;
  return (
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <path d="M50 0V10" class="feature-zero" />
      <rect x={x} y="2" width={Math.abs(share) * 50} height="6" class={Math.abs(props.value) > 3_000 ? "feature-large" : "feature-usual"} />
    </svg>
  );
}

/** Return a score as a short number: its size is what counts. */
export function scoreText(score: bigint): string {
  const text = (score < 0n ? -score : score).toString();
  const sign = score < 0n ? "−" : "";
  if (text.length <= 6) return `${sign}${countText(BigInt(text))}`;
  return `${sign}${text.slice(0, 1)}.${text.slice(1, 3)} × 10^${String(text.length - 1)}`;
}

