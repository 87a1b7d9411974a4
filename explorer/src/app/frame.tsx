import type { VNode } from "preact";

import { ageText, countText } from "../ui/format.js";
import { DarkIcon, LightIcon, MarkIcon, SystemIcon } from "../ui/icons.js";
import { Hash, Link } from "../ui/parts.js";
import { now } from "./clock.js";
import { connection, head, isOffline } from "./connection.js";
import { Page } from "./page.js";
import { route } from "./router.js";
import type { Route } from "./routes.js";
import { nextTheme, theme } from "./theme.js";

const NAVIGATION: readonly { readonly to: Route; readonly label: string; readonly pages: readonly Route["page"][] }[] = [
  { to: { page: "feeds" }, label: "Feeds", pages: ["feeds", "feed", "round", "report"] },
  { to: { page: "models" }, label: "Models", pages: ["models", "model"] },
  { to: { page: "claims" }, label: "Claims", pages: ["claims"] },
];

/** The whole page: the bar on top, the page that the URL names, the foot. */
export function Frame(): VNode {
  return (
    <div class="frame">
      <a
        class="skip"
        href={location.hash}
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to content
      </a>
      <header class="bar">
        <div class="bar-inner">
          <Link to={{ page: "feeds" }} class="brand" label="Verifiable oracle: all feeds">
            <MarkIcon />
            <span>Verifiable oracle</span>
          </Link>
          <nav class="nav" aria-label="Pages">
            {NAVIGATION.map(({ to, label, pages }) => (
              <NavigationLink key={label} to={to} label={label} isCurrent={pages.includes(route.value.page)} />
            ))}
          </nav>
          <div class="bar-end">
            <EndpointLink />
            <ThemeButton />
          </div>
        </div>
      </header>
      <main id="main" class="column" tabIndex={-1}>
        <LagNote />
        <Page />
      </main>
      <Foot />
    </div>
  );
}

/** The newest block's age, seconds, from which somebody should know of it. */
const OLD_S = 900;

/** Says that the endpoint is behind, or that the chain stands still. */
function LagNote(): VNode | null {
  const found = connection.value;
  const block = head.value;
  if (found.state !== "connected" || block === null || now.value - block.time < OLD_S) return null;
  return (
    <p class="lag" role="note">
      The newest block of {found.hub.endpoint.name} is {ageText(now.value - block.time)} old: it is behind, or the chain stands still.
    </p>
  );
}

function NavigationLink(props: { readonly to: Route; readonly label: string; readonly isCurrent: boolean }): VNode {
  const href = `#/${props.to.page === "feeds" ? "" : props.to.page}`;
  return props.isCurrent ? (
    <a href={href} aria-current="page">
      {props.label}
    </a>
  ) : (
    <a href={href}>{props.label}</a>
  );
}

/** The endpoint, and whether it answers. It leads to the settings. */
function EndpointLink(): VNode {
  const found = connection.value;
  const [tone, name, state] =
    found.state === "connected"
      ? isOffline.value
        ? (["bad", found.hub.endpoint.name, "does not answer"] as const)
        : (["good", found.hub.endpoint.name, "answers"] as const)
      : found.state === "connecting"
        ? (["busy", "connecting", "…"] as const)
        : found.state === "failed"
          ? (["bad", "not connected", ""] as const)
          : (["plain", "choose an endpoint", ""] as const);
  const block = found.state === "connected" ? head.value : null;
  return (
    <Link to={{ page: "settings" }} class="endpoint">
      <span class={`dot dot-${tone}`} />
      <span class="hidden">Settings. Endpoint: </span>
      <span class="endpoint-name">{name}</span>
      <span class="hidden"> {state} </span>
      {block !== null && <span class="endpoint-block">#{countText(block.number)}</span>}
    </Link>
  );
}

function ThemeButton(): VNode {
  const chosen = theme.value;
  const next = nextTheme(chosen);
  return (
    <button
      type="button"
      class="icon-button"
      onClick={() => {
        theme.value = next;
      }}
      aria-label={`Colours: ${chosen}. Change to ${next}`}
      title={`Colours: ${chosen}`}
    >
      {chosen === "system" ? <SystemIcon /> : chosen === "light" ? <LightIcon /> : <DarkIcon />}
    </button>
  );
}

function Foot(): VNode {
  const found = connection.value;
  return (
    <footer class="foot">
      <div class="foot-inner">
        {found.state === "connected" && (
          <span>
            Hub <Hash value={found.hub.address} name="the hub's address" /> on chain {found.hub.chainId}
          </span>
        )}
        <span>Pages show what the endpoint says. A check shows whether it is true.</span>
      </div>
    </footer>
  );
}
