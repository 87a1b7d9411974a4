import type { Hub } from "@verifiable-oracle/client";
import type { ComponentType, VNode } from "preact";

import { ErrorNote, Link } from "../ui/parts.js";
import { connection, reconnect } from "./connection.js";
import { route } from "./router.js";
import type { Route } from "./routes.js";
import { useLoaded } from "./loaded.js";

/** The page that the URL names. Pages that need a hub wait for it here. */
export function Page(): VNode {
  const at = route.value;
  switch (at.page) {
    case "settings":
      return <Settings />;
    case "claims":
      return <Claims hub={connection.value.state === "connected" ? connection.value.hub : null} />;
    case "missing":
      return <Missing path={at.path} />;
    default:
      return <HubPage at={at} />;
  }
}

type HubRoute = Exclude<Route, { readonly page: "settings" | "claims" | "missing" }>;

function HubPage(props: { readonly at: HubRoute }): VNode {
  const found = connection.value;
  if (found.state === "connecting") return <Waiting text="Connecting to the hub …" />;
  if (found.state === "failed") {
    return (
      <div class="page">
        <ErrorNote error={found.error} again={reconnect} />
      </div>
    );
  }
  if (found.state === "none") return <Welcome />;
  const { hub } = found;
  const at = props.at;
  switch (at.page) {
    case "feeds":
      return <Feeds hub={hub} />;
    case "feed":
      return <Feed key={at.feedId} hub={hub} feedId={at.feedId} />;
    case "round":
      return <Round hub={hub} feedId={at.feedId} target={{ roundId: at.roundId }} />;
    case "report":
      return <Round hub={hub} feedId={at.feedId} target={{ transaction: at.transaction, logIndex: at.logIndex }} />;
    case "models":
      return <Models hub={hub} />;
    case "model":
      return <Model key={at.modelNumber} hub={hub} modelNumber={at.modelNumber} />;
  }
}

// Each page is a file of its own, which is fetched when somebody goes there.
const Feeds = later(async () => (await import("../pages/feeds/index.js")).FeedsPage);
const Feed = later(async () => (await import("../pages/feed/index.js")).FeedPage);
const Round = later(async () => (await import("../pages/round/index.js")).RoundPage);
const Models = later(async () => (await import("../pages/model/index.js")).ModelsPage);
const Model = later(async () => (await import("../pages/model/index.js")).ModelPage);
const Claims = later(async () => (await import("../pages/claims/index.js")).ClaimsPage);
const Settings = later(async () => (await import("../pages/settings/index.js")).SettingsPage);

/** What pages that show a hub get. */
export interface HubProps {
  readonly hub: Hub;
}

function Welcome(): VNode {
  return (
    <div class="empty">
      <h1>Which hub?</h1>
      <p>
        Name the hub that you rely on, and an RPC endpoint of its chain. Take the address from the contract that you use. Nothing is
        sent anywhere but to that endpoint.
      </p>
      <Link to={{ page: "settings" }} class="button button-main">
        Choose hub and endpoint
      </Link>
    </div>
  );
}

function Missing(props: { readonly path: string }): VNode {
  return (
    <div class="empty">
      <h1>There is no such page</h1>
      <p>
        <code>{props.path}</code> is none of this explorer's.
      </p>
      <Link to={{ page: "feeds" }} class="button">
        All feeds
      </Link>
    </div>
  );
}

/** A line that says what is waited for. */
export function Waiting(props: { readonly text: string }): VNode {
  return (
    <p class="empty" role="status">
      {props.text}
    </p>
  );
}

/** Fetch the code of the page that the URL names, while the way to the hub is looked for. */
export function preloadPage(): void {
  const pages: Partial<Record<Route["page"], { readonly preload: () => void }>> = {
    feeds: Feeds,
    feed: Feed,
    round: Round,
    report: Round,
    models: Models,
    model: Model,
    claims: Claims,
    settings: Settings,
  };
  pages[route.peek().page]?.preload();
}

/** A component whose code is fetched when it is first drawn, or before. */
interface LaterComponent<P extends object> {
  (props: P & { readonly key?: unknown }): VNode;
  readonly preload: () => void;
}

function later<P extends object>(load: () => Promise<ComponentType<P>>): LaterComponent<P> {
  let fetched: ComponentType<P> | null = null;
  let begun: Promise<ComponentType<P>> | null = null;
  const fetchOnce = (): Promise<ComponentType<P>> => {
    begun ??= load().then((found) => {
      fetched = found;
      return found;
    });
    begun.catch(() => (begun = null)); // the next attempt fetches again
    return begun;
  };
  function Later(props: P & { readonly key?: unknown }): VNode {
    const loaded = useLoaded(fetchOnce, []);
    const Found = fetched ?? loaded.value;
    if (Found) return <Found {...props} />;
    return loaded.error ? <ErrorNote error={loaded.error} again={loaded.again} /> : <Waiting text="Loading …" />;
  }
  return Object.assign(Later, {
    preload: () => {
      fetchOnce().catch(() => undefined); // drawing it tells
    },
  });
}
