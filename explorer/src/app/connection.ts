import { computed, effect, signal } from "@preact/signals";
import { connectHub, httpEndpoint, readHead, type Endpoint, type Head, type Hub } from "@verifiable-oracle/client";

import { followChain } from "./clock.js";
import { settings, type Settings } from "./settings.js";

/** The way to the hub: nothing chosen, on the way, there, or what went wrong. */
export type Connection =
  | { readonly state: "none"; readonly settings: Settings }
  | { readonly state: "connecting"; readonly settings: Settings }
  | {
      readonly state: "connected";
      readonly settings: Settings;
      readonly hub: Hub;
      readonly endpoints: readonly Endpoint[];
      /** The newest block when the connection was made. */
      readonly newest: Head;
    }
  | { readonly state: "failed"; readonly settings: Settings; readonly error: Error };

const NOTHING: Settings = { hub: null, endpoints: [], isChosen: false };
const HEAD_EVERY_MS = 4_000;

/** The connection. Pages read it, and draw themselves anew when it changes. */
export const connection = signal<Connection>({ state: "connecting", settings: NOTHING });

/** The hub, once it is there; null before. */
export const connectedHub = computed(() => (connection.value.state === "connected" ? connection.value.hub : null));

/** The newest block; null before it is known. */
export const head = signal<Head | null>(null);

/** True if the newest block could not be asked for the last time. */
export const isOffline = signal(false);

const attempt = signal(0);

/** Try again to connect. */
export function reconnect(): void {
  attempt.value++;
}

/** Connect to what the settings say, from now on, and follow the newest block. */
export function startConnection(): void {
  effect(() => {
    const chosen = { ...settings.value, attempt: attempt.value };
    head.value = null;
    if (chosen.hub === null || chosen.endpoints.length === 0) {
      connection.value = { state: "none", settings: chosen };
      return;
    }
    connection.value = { state: "connecting", settings: chosen };
    let isCurrent = true;
    void connect(chosen).then((found) => {
      if (!isCurrent) return;
      if (found.state === "connected") note(found.hub, found.newest);
      connection.value = found;
    });
    return () => {
      isCurrent = false;
    };
  });
  setInterval(() => {
    const hub = connectedHub.value;
    if (hub !== null && !document.hidden) void look(hub);
  }, HEAD_EVERY_MS);
}

/** Connect by the first endpoint that serves the hub. The error is the first one's, if none does. */
async function connect(chosen: Settings): Promise<Connection> {
  const endpoints = chosen.endpoints.map((url) => httpEndpoint(url));
  let first: Error | null = null;
  for (const endpoint of endpoints) {
    try {
      if (chosen.hub === null) break;
      // The newest block comes along: pages take the time from it when they are first drawn.
      const [hub, newest] = await Promise.all([connectHub(endpoint, chosen.hub), readHead(endpoint)]);
      return { state: "connected", settings: chosen, hub, endpoints, newest };
    } catch (reason) {
      first ??= reason instanceof Error ? reason : new Error(String(reason));
    }
  }
  return { state: "failed", settings: chosen, error: first ?? new Error("No endpoint is named. Open the settings.") };
}

async function look(hub: Hub): Promise<void> {
  try {
    const found = await readHead(hub.endpoint);
    if (connectedHub.value !== hub) return;
    isOffline.value = false;
    if (found.number !== head.value?.number) note(hub, found);
  } catch {
    isOffline.value = connectedHub.value === hub;
  }
}

function note(hub: Hub, found: Head): void {
  followChain(hub.chainId, found.time);
  isOffline.value = false;
  head.value = found;
}
