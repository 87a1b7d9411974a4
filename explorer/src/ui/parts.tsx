import { useState } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";
import { EndpointError, HubError } from "@verifiable-oracle/client";

import { now } from "../app/clock.js";
import { hrefOf, type Route } from "../app/routes.js";
import { ageText, answerShort, answerText, dateText, shortDate, shortHex } from "./format.js";
import { InfoIcon, WarningIcon } from "./icons.js";

/** The colour of something's state. */
export type Tone = "plain" | "good" | "held" | "bad" | "jump" | "accent";

/** A word in a coloured pill. The word says it; the colour helps. */
export function Pill(props: { readonly tone?: Tone; readonly title?: string; readonly children: ComponentChildren }): VNode {
  const tone = props.tone ?? "plain";
  return (
    <span class={`pill pill-${tone}`} title={props.title}>
      {props.children}
    </span>
  );
}

/** A box with a title. */
export function Card(props: {
  readonly title?: string;
  readonly end?: ComponentChildren;
  readonly class?: string;
  /** True if the content goes up to the box's edges, as a table does. */
  readonly isFlush?: boolean;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <section class={`card ${props.class ?? ""}`} aria-label={props.title}>
      {props.title !== undefined && (
        <header class="card-head">
          <h2>{props.title}</h2>
          {props.end}
        </header>
      )}
      {props.isFlush === true ? props.children : <div class="card-body">{props.children}</div>}
    </section>
  );
}

/** A list of names and values. */
export function Facts(props: { readonly children: ComponentChildren }): VNode {
  return <dl class="facts">{props.children}</dl>;
}

/** One of the facts. */
export function Fact(props: { readonly name: string; readonly under?: ComponentChildren; readonly children: ComponentChildren }): VNode {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>
        {props.children}
        {props.under !== undefined && <small>{props.under}</small>}
      </dd>
    </div>
  );
}

/** A link to another page of the explorer. */
export function Link(props: { readonly to: Route; readonly class?: string; readonly label?: string; readonly children: ComponentChildren }): VNode {
  return (
    <a href={hrefOf(props.to)} class={props.class} aria-label={props.label}>
      {props.children}
    </a>
  );
}

/** An address or a hash, shortened. A press copies all of it. */
export function Hash(props: { readonly value: string; readonly name: string; readonly isWhole?: boolean }): VNode {
  const [isCopied, setCopied] = useState(false);
  const copy = (): void => {
    void navigator.clipboard.writeText(props.value).then(() => {
      setCopied(true);
      setTimeout(() => {
        setCopied(false);
      }, 1_200);
    });
  };
  const shown = isCopied ? "copied" : props.isWhole === true ? props.value : shortHex(props.value);
  return (
    <button type="button" class="copy" onClick={copy} title={`${props.value} – press to copy`} aria-label={`${shown}: copy ${props.name}`}>
      {shown}
    </button>
  );
}

/** A time as its age, which goes on. */
export function Age(props: { readonly time: number; readonly ago?: boolean }): VNode {
  const date = new Date(props.time * 1_000);
  return (
    <time dateTime={date.toISOString()} title={dateText(props.time)}>
      {ageText(now.value - props.time)}
      {props.ago === true ? " ago" : ""}
    </time>
  );
}

/** A time as a date: whole, or short with the rest under the pointer. */
export function When(props: { readonly time: number; readonly isShort?: boolean }): VNode {
  const whole = dateText(props.time);
  return (
    <time dateTime={new Date(props.time * 1_000).toISOString()} title={props.isShort === true ? whole : undefined}>
      {props.isShort === true ? shortDate(props.time, now.value) : whole}
    </time>
  );
}

/** An answer in seven digits. All of them are under the pointer. */
export function Answer(props: { readonly value: bigint; readonly decimals: number }): VNode {
  return <span title={answerText(props.value, props.decimals)}>{answerShort(props.value, props.decimals)}</span>;
}

/** Something to know, or what went wrong. */
export function Note(props: {
  readonly tone?: "plain" | "held" | "bad";
  readonly title: string;
  readonly actions?: ComponentChildren;
  readonly children?: ComponentChildren;
}): VNode {
  const tone = props.tone ?? "plain";
  return (
    <div class={`note note-${tone}`} role={tone === "bad" ? "alert" : "note"}>
      {tone === "plain" ? <InfoIcon /> : <WarningIcon />}
      <div>
        <p class="note-title">{props.title}</p>
        {props.children}
        {props.actions !== undefined && <div class="note-actions">{props.actions}</div>}
      </div>
    </div>
  );
}

/** What went wrong, and what to do about it. */
export function ErrorNote(props: { readonly error: Error; readonly again?: () => void }): VNode {
  const { error } = props;
  const actions = (
    <>
      {props.again !== undefined && (
        <button type="button" class="button button-small" onClick={props.again}>
          Try again
        </button>
      )}
      {(error instanceof EndpointError || error instanceof HubError) && (
        <Link to={{ page: "settings" }} class="button button-small">
          Settings
        </Link>
      )}
    </>
  );
  if (error instanceof EndpointError) {
    return (
      <Note tone="bad" title={`${error.endpoint} ${error.what}`} actions={actions}>
        <p>{error.advice}</p>
        {error.said !== "" && (
          <p class="soft">
            It said: <code>{error.said}</code>
          </p>
        )}
      </Note>
    );
  }
  return (
    <Note tone="bad" title="This could not be shown" actions={actions}>
      <p>{error.message}</p>
    </Note>
  );
}

/** A few buttons of which one is pressed. */
export function Choice<T extends string>(props: {
  readonly name: string;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly value: T | null;
  readonly onChoose: (value: T) => void;
}): VNode {
  return (
    <div class="choice" role="group" aria-label={props.name}>
      {props.options.map(({ value, label }) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === props.value}
          onClick={() => {
            props.onChoose(value);
          }}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

/** A place for something that is on its way. */
export function Skeleton(props: { readonly width?: string }): VNode {
  return (
    <span class="skeleton" style={{ width: props.width ?? "6em" }} aria-hidden="true">
      &nbsp;
    </span>
  );
}
