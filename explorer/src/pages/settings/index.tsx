import "./settings.css";

import { endpointName, getAddress, isAddress, type Address } from "@verifiable-oracle/client";
import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { connection, reconnect } from "../../app/connection.js";
import { choose, config, parseUrls, settings } from "../../app/settings.js";
import { FailsIcon, HoldsIcon, UncheckedIcon } from "../../ui/icons.js";
import { Card, ErrorNote, Note } from "../../ui/parts.js";
import { probe, type Finding, type Probed } from "./probe.js";

/** The hub and the endpoints, and what each endpoint can do. */
export function SettingsPage(): VNode {
  const current = settings.value;
  // Null until somebody types: the page may be drawn before the configuration has come.
  const [typedHub, setHub] = useState<string | null>(null);
  const [typedUrls, setUrls] = useState<string | null>(null);
  const hub = typedHub ?? current.hub ?? "";
  const urls = typedUrls ?? current.endpoints.join("\n");
  const [problem, setProblem] = useState<{ readonly field: "hub" | "urls"; readonly message: string } | null>(null);
  const [isSaved, setSaved] = useState(false);
  const [probed, setProbed] = useState<readonly Probed[]>([]);
  const [isProbing, setProbing] = useState(false);

  const read = (): { hub: Address; endpoints: string[] } | null => {
    setSaved(false);
    setProblem(null);
    const address = hub.trim();
    if (!isAddress(address, { strict: false })) {
      setProblem({ field: "hub", message: "That is no address: 0x and 40 hexadecimal digits. Take it from the contract that you use." });
      return null;
    }
    try {
      const endpoints = parseUrls(urls);
      if (endpoints.length > 0) return { hub: getAddress(address), endpoints };
      setProblem({ field: "urls", message: "Name at least one endpoint: a URL that answers JSON-RPC." });
    } catch (error) {
      setProblem({ field: "urls", message: error instanceof Error ? error.message : String(error) });
    }
    return null;
  };
  const save = (): void => {
    const chosen = read();
    if (chosen === null) return;
    choose(chosen);
    reconnect();
    setSaved(true);
  };
  const test = async (): Promise<void> => {
    const chosen = read();
    if (chosen === null) return;
    setProbing(true);
    setProbed(chosen.endpoints.map((url) => ({ endpoint: endpointName(url), findings: [] })));
    await Promise.all(
      chosen.endpoints.map(async (url, i) => {
        for await (const finding of probe(url, chosen.hub, config.value.fromBlock)) {
          setProbed((before) => before.map((each, k) => (k === i ? { ...each, findings: [...each.findings, finding] } : each)));
        }
      }),
    );
    setProbing(false);
  };
  const reset = (): void => {
    choose({ hub: null, endpoints: null });
    setHub(null);
    setUrls(null);
    setProbed([]);
    setProblem(null);
    setSaved(false);
  };
  const found = connection.value;
  return (
    <div class="page settings">
      <header class="page-head">
        <h1>Settings</h1>
      </header>
      {found.state === "failed" && <ErrorNote error={found.error} again={reconnect} />}
      <Card>
        <form
          class="settings-form"
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <div class="field">
            <label for="hub">Hub</label>
            <input
              id="hub"
              value={hub}
              spellcheck={false}
              autocomplete="off"
              placeholder="0x…"
              aria-invalid={problem?.field === "hub"}
              aria-describedby="hub-help"
              onInput={(event) => {
                setHub(event.currentTarget.value);
              }}
            />
            <small id="hub-help">The contract that keeps the feeds. Take its address from the contract that you use, not from a page like this.</small>
            {problem?.field === "hub" && (
              <p class="field-error" role="alert">
                {problem.message}
              </p>
            )}
          </div>
          <div class="field">
            <label for="urls">RPC endpoints, one a line</label>
            <textarea
              id="urls"
              rows={3}
              value={urls}
              spellcheck={false}
              autocomplete="off"
              placeholder="https://…"
              aria-invalid={problem?.field === "urls"}
              aria-describedby="urls-help"
              onInput={(event) => {
                setUrls(event.currentTarget.value);
              }}
            />
            <small id="urls-help">
              Pages are read from the first that serves the hub. A check asks all of them: with two of two companies, whoever lies or withholds
              something is named. They stay in this browser.
            </small>
            {problem?.field === "urls" && (
              <p class="field-error" role="alert">
                {problem.message}
              </p>
            )}
          </div>
          <div class="settings-buttons">
            <button type="submit" class="button button-main">
              Save
            </button>
            <button type="button" class="button" disabled={isProbing} onClick={() => void test()}>
              {isProbing ? "Testing …" : "Test the endpoints"}
            </button>
            {current.isChosen && (
              <button type="button" class="button" onClick={reset}>
                Forget my choice
              </button>
            )}
            <span role="status" class="soft">
              {isSaved ? (found.state === "connected" ? "Saved, and connected." : found.state === "connecting" ? "Saved. Connecting …" : "Saved.") : ""}
            </span>
          </div>
        </form>
      </Card>
      {probed.map((each) => (
        <Card key={each.endpoint} title={each.endpoint} isFlush>
          <ul class="findings" aria-label={`What ${each.endpoint} can do`}>
            {each.findings.map((finding) => (
              <FindingItem key={finding.name} finding={finding} />
            ))}
          </ul>
        </Card>
      ))}
      <Note title="What an endpoint can do to you">
        <p>
          Everything on these pages is what the endpoint says. It can't make a check hold: a check verifies signatures and proofs itself. It
          can show you another chain, or leave things out. Two endpoints that don't know each other, and a block's hash that you compare with
          any block explorer's, rule that out.
        </p>
      </Note>
    </div>
  );
}

function FindingItem(props: { readonly finding: Finding }): VNode {
  const { name, state, detail } = props.finding;
  const words = { good: "yes", weak: "partly", bad: "no" } as const;
  return (
    <li class={`finding finding-${state}`}>
      {state === "good" ? <HoldsIcon /> : state === "bad" ? <FailsIcon /> : <UncheckedIcon />}
      <span>
        <b>{name}</b> <span class="hidden">{words[state]}</span>
      </span>
      <span class="soft">{detail}</span>
    </li>
  );
}
