import { isAddress, type Address } from "@verifiable-oracle/client";

/**
 * The document `config.json` beside the page: what to show to whoever has chosen nothing. `oracle explore` serves one;
 * a static site has one of its own, or none.
 */
export interface Config {
  readonly hub: Address | null;
  /** URLs of RPC endpoints, the preferred one first. */
  readonly endpoints: readonly string[];
  /** The folder with the public files of the hub's circuits, relative to the page; null if there is none. */
  readonly publicFiles: string | null;
  /** The registry of claims, and the contract of proven cards, if the hub's operator runs them. */
  readonly claimRegistry: Address | null;
  readonly modelCards: Address | null;
}

/** The configuration without a document. */
export const NO_CONFIG: Config = {
  hub: null,
  endpoints: [],
  publicFiles: null,
  claimRegistry: null,
  modelCards: null,
};

/** The document `config.json` can't be used. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Return the configuration that a document states.
 *
 * @throws ConfigError if a field is not what it has to be. Unknown fields are ignored.
 */
export function parseConfig(text: string): Config {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ConfigError("config.json is no JSON: whoever serves this page has to correct it.");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ConfigError("config.json is no object: whoever serves this page has to correct it.");
  }
  const fields = new Map<string, unknown>(Object.entries(document));
  const endpoints = fields.get("endpoints") ?? [];
  if (!Array.isArray(endpoints) || !endpoints.every((each): each is string => typeof each === "string")) {
    throw wrong("endpoints", "a list of URLs");
  }
  const publicFiles = fields.get("publicFiles") ?? null;
  if (publicFiles !== null && typeof publicFiles !== "string") throw wrong("publicFiles", "a folder's name");
  return {
    hub: addressOf(fields, "hub"),
    endpoints,
    publicFiles,
    claimRegistry: addressOf(fields, "claimRegistry"),
    modelCards: addressOf(fields, "modelCards"),
  };
}

/** Fetch `config.json`. A site that has none has an empty one. */
export async function fetchConfig(): Promise<Config> {
  let answer: Response;
  try {
    answer = await fetch("config.json", { cache: "no-cache" });
  } catch {
    return NO_CONFIG; // a page that was opened from a folder
  }
  if (!answer.ok || !(answer.headers.get("content-type") ?? "").includes("json")) return NO_CONFIG;
  return parseConfig(await answer.text());
}

function addressOf(fields: ReadonlyMap<string, unknown>, name: string): Address | null {
  const value = fields.get(name) ?? null;
  if (value === null) return null;
  if (typeof value !== "string" || !isAddress(value, { strict: false })) throw wrong(name, "an address");
  return value;
}

function wrong(name: string, wanted: string): ConfigError {
  return new ConfigError(`"${name}" in config.json is not ${wanted}: whoever serves this page has to correct it.`);
}
