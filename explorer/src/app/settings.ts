import { computed, signal } from "@preact/signals";
import { isAddress, type Address } from "@verifiable-oracle/client";

import { NO_CONFIG, type Config } from "./config.js";
import { read, write } from "./storage.js";

/** What this browser's user has chosen; null in the place of a choice: the configuration's is taken. */
export interface Choice {
  readonly hub: Address | null;
  readonly endpoints: readonly string[] | null;
}

/** What is shown: a hub, and the endpoints that are asked about it. */
export interface Settings {
  readonly hub: Address | null;
  readonly endpoints: readonly string[];
  /** True if this browser's user has chosen any of it. */
  readonly isChosen: boolean;
}

const KEY = "settings";

/** The served configuration. */
export const config = signal<Config>(NO_CONFIG);

/** The user's own choice. */
export const choice = signal<Choice>(parseChoice(read(KEY)));

/** What counts: the choice, or else the configuration. */
export const settings = computed<Settings>(() => merge(choice.value, config.value));

/** Keep a choice, also for the next visit. */
export function choose(chosen: Choice): void {
  choice.value = chosen;
  const isEmpty = chosen.hub === null && chosen.endpoints === null;
  write(KEY, isEmpty ? null : JSON.stringify(chosen));
}

/** Return what counts: a choice where there is one, the configuration elsewhere. */
export function merge(chosen: Choice, configured: Config): Settings {
  return {
    hub: chosen.hub ?? configured.hub,
    endpoints: chosen.endpoints ?? configured.endpoints,
    isChosen: chosen.hub !== null || chosen.endpoints !== null,
  };
}

/** Return the choice that a kept text stands for; nothing chosen, if it can't be read. */
export function parseChoice(text: string | null): Choice {
  const none: Choice = { hub: null, endpoints: null };
  if (text === null) return none;
  try {
    const kept: unknown = JSON.parse(text);
    if (typeof kept !== "object" || kept === null) return none;
    const hub = "hub" in kept && typeof kept.hub === "string" && isAddress(kept.hub, { strict: false }) ? kept.hub : null;
    const urls = "endpoints" in kept && Array.isArray(kept.endpoints) ? kept.endpoints : null;
    const endpoints = urls?.filter((each): each is string => typeof each === "string") ?? null;
    return { hub, endpoints: endpoints !== null && endpoints.length > 0 ? endpoints : null };
  } catch {
    return none;
  }
}

/** A URL that can't be an endpoint, with the reason. */
export class UrlError extends Error {
  override readonly name = "UrlError";
}

/**
 * Return the URLs of a text, one a line.
 *
 * @throws UrlError naming the line that is none.
 */
export function parseUrls(text: string): string[] {
  const lines = text.split(/\s+/).filter((line) => line !== "");
  for (const line of lines) {
    let url: URL;
    try {
      url = new URL(line);
    } catch {
      throw new UrlError(`"${line}" is no URL. An endpoint's begins with https:// or http://.`);
    }
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      throw new UrlError(`"${line}" does not begin with https:// or http://. Pages can't ask other endpoints.`);
    }
    if (url.username !== "" || url.password !== "") {
      throw new UrlError(`The URL of ${url.host} has a user's name in it, which browsers don't send. Take it out.`);
    }
  }
  return [...new Set(lines)];
}
