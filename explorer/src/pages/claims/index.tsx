import "../../check/check.css";
import "./claims.css";

import {
  isAddress,
  verifyInferenceProof,
  type Address,
  type ClaimCheck,
  type ClaimStepId,
  type Hub,
  type Step,
  type StepBegun,
  type ToldBound,
} from "@verifiable-oracle/client";
import type { VNode } from "preact";
import { useRef, useState } from "preact/hooks";

import { loadPublicFiles, pickedFiles, readPicked } from "../../app/public-files.js";
import { config, settings } from "../../app/settings.js";
import { Outcome, Steps } from "../../check/steps.js";
import { Card, Fact, Facts, Hash, Note, When } from "../../ui/parts.js";

/** The largest file that is read: a claim has a few kilobytes. */
const LARGEST = 1 << 20;

const YEAR_3000 = 32_503_680_000;

/** A check of a claim: its file, how far it is, and its end. */
interface Run {
  readonly file: string;
  readonly begun: StepBegun<ClaimStepId> | null;
  readonly steps: readonly Step<ClaimStepId>[];
  readonly check: ClaimCheck | null;
  readonly error: Error | null;
}

/** Verifies a claim file that somebody drops on the page. It is sent nowhere. */
export function ClaimsPage(props: { readonly hub: Hub | null }): VNode {
  const [run, setRun] = useState<Run | null>(null);
  const [registry, setRegistry] = useState<string>(config.value.claimRegistry ?? "");
  const latest = useRef(0);
  const isWrong = registry !== "" && !isAddress(registry, { strict: false });

  const verify = async (file: File): Promise<void> => {
    const id = ++latest.current;
    let told: Run = { file: file.name, begun: null, steps: [], check: null, error: null };
    const tell = (more: Partial<Run>): void => {
      told = { ...told, ...more };
      if (latest.current === id) setRun(told);
    };
    tell({});
    try {
      const check = await checkFile(file, addressOf(registry), {
        onBegin: (begun) => {
          tell({ begun });
        },
        onStep: (step) => {
          tell({ steps: [...told.steps, step] });
        },
      });
      tell({ check, steps: check.steps, begun: null });
    } catch (reason) {
      tell({ error: reason instanceof Error ? reason : new Error(String(reason)) });
    }
  };

  return (
    <div class="page claims">
      <header class="page-head">
        <h1>Claims</h1>
      </header>
      <Card title="Verify a claim">
        <div class="claims-form">
          <p class="soft">
            A claim proves that a committed model gave an output within bounds, on data that stay private. Whoever has made one gives you
            its file. It is verified here, in your browser, and sent nowhere.
          </p>
          <Drop onFile={(file) => void verify(file)} isBusy={run !== null && run.check === null && run.error === null} />
          <div class="field">
            <label for="registry">Registry of claims</label>
            <input
              id="registry"
              value={registry}
              spellcheck={false}
              autocomplete="off"
              placeholder="0x…"
              aria-invalid={isWrong}
              aria-describedby="registry-help"
              onInput={(event) => {
                setRegistry(event.currentTarget.value.trim());
              }}
            />
            {isWrong ? (
              <p class="field-error" id="registry-help">
                This is no address: 0x and 40 hexadecimal digits.
              </p>
            ) : (
              <small id="registry-help">{registryHelp(props.hub)}</small>
            )}
          </div>
          <PublicFilesField />
        </div>
      </Card>
      {run !== null && <Checked run={run} />}
    </div>
  );
}

function registryHelp(hub: Hub | null): string {
  if (hub !== null) return `It is asked on chain ${String(hub.chainId)}, by the endpoints of the settings. Empty: the proof alone is verified.`;
  return "Choose an endpoint in the settings, and the registry is asked. Without one, the proof alone is verified.";
}

function addressOf(registry: string): Address | null {
  return isAddress(registry, { strict: false }) ? registry : null;
}

async function checkFile(
  file: File,
  registry: Address | null,
  watcher: { onBegin: (begun: StepBegun<ClaimStepId>) => void; onStep: (step: Step<ClaimStepId>) => void },
): Promise<ClaimCheck> {
  if (file.size > LARGEST) throw new Error(`${file.name} is larger than a claim can be. Take the file that \`oracle claim prove\` wrote.`);
  const [text, publicFiles] = await Promise.all([file.text(), loadPublicFiles(config.value.publicFiles)]);
  const { endpoints } = settings.value;
  const asked = registry === null || endpoints.length === 0 ? {} : { registry: { address: registry, endpoints } };
  return verifyInferenceProof(text, { publicFiles, ...asked, ...watcher });
}

/** The place where a file is dropped, or chosen. */
function Drop(props: { readonly onFile: (file: File) => void; readonly isBusy: boolean }): VNode {
  const [isOver, setOver] = useState(false);
  const take = (files: FileList | null | undefined): void => {
    const file = files?.[0];
    if (file) props.onFile(file);
  };
  return (
    <label
      class={`drop ${isOver ? "drop-over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => {
        setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      }}
    >
      <input
        type="file"
        accept=".json,application/json"
        class="drop-input"
        disabled={props.isBusy}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = ""; // the same file again is a change, too
        }}
      />
      <span class="drop-title">Drop a claim file here, or choose one</span>
      <span class="faint">claim.json, as the prover wrote it</span>
    </label>
  );
}

/** Lets somebody pick a folder of public files: the site may have none for this claim's circuit. */
function PublicFilesField(): VNode {
  const picked = pickedFiles.value;
  const served = config.value.publicFiles.length;
  return (
    <div class="field">
      <label for="public-files">Public files of the model&rsquo;s circuit</label>
      <input
        id="public-files"
        type="file"
        multiple
        aria-describedby="public-files-help"
        ref={(element) => {
          // A folder is chosen as a whole; it is an attribute that only some browsers know.
          element?.setAttribute("webkitdirectory", "");
        }}
        onChange={(event) => {
          void readPicked(event.currentTarget.files ?? []).then((found) => {
            pickedFiles.value = found;
          });
        }}
      />
      <small id="public-files-help">
        {picked.length > 0
          ? `Taken: ${picked.map((each) => each.name).join(", ")}.`
          : `They tie the verifier to its circuit. This site has those of ${String(served)} circuits; take others from whoever publishes the model.`}
      </small>
    </div>
  );
}

function Checked(props: { readonly run: Run }): VNode {
  const { run } = props;
  return (
    <>
      {run.error !== null && (
        <Note tone="bad" title={`${run.file} could not be checked`}>
          <p>{run.error.message}</p>
        </Note>
      )}
      {run.check?.facts && <Told facts={run.check.facts} file={run.file} />}
      <Card title="Check">
        <Steps steps={run.steps} begun={run.check === null && run.error === null ? run.begun : null} />
        {run.check !== null && (
          <div class="result">
            <Outcome check={run.check} />
          </div>
        )}
      </Card>
    </>
  );
}

/** What a claim says. */
function Told(props: { readonly facts: NonNullable<ClaimCheck["facts"]>; readonly file: string }): VNode {
  const { facts } = props;
  return (
    <Card title="What the claim says" end={<span class="faint">{props.file}</span>}>
      <Facts>
        {facts.bounds.map((bound) => (
          <Fact key={`${String(bound.output)}${String(bound.isChange)}`} name={nameOf(bound, facts.bounds.length)}>
            {boundText(bound, facts.unit)}
          </Fact>
        ))}
        <Fact name="Model" under={<Hash value={facts.modelId} name="the model's id" />}>
          {facts.model}
        </Fact>
        <Fact name="Subject" under="Only this account can use it">
          <Hash value={facts.subject} name="the subject's address" />
        </Fact>
        <Fact name="Who vouches for the data" under={facts.issuedAt === null ? undefined : <When time={facts.issuedAt} />}>
          {facts.issuer === null ? "nobody yet" : <Hash value={facts.issuer} name="the issuer's address" />}
        </Fact>
        <Fact name="Expires">{facts.expiresAt > YEAR_3000 ? "never" : <When time={facts.expiresAt} />}</Fact>
      </Facts>
    </Card>
  );
}

function nameOf(bound: ToldBound, count: number): string {
  const which = count === 1 ? "The output" : `Output ${String(bound.output)}`;
  return bound.isChange ? `${which} has changed by` : `${which} is`;
}

/** Return a bound in units of the model's output: of a classifier, these are log-odds or scores, as its owner says. */
export function boundText(bound: ToldBound, unit: bigint): string {
  const text = (value: bigint): string => Number((Number(value) / Number(unit)).toPrecision(6)).toString();
  return `between ${text(bound.lo)} and ${text(bound.hi)}`;
}
