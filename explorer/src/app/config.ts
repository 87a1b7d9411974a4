import { isAddress, type Address } from "@verifiable-oracle/client";

/**
 * The document `config.json` beside the page: what to show to whoever has chosen nothing. `oracle explore` serves one;
 * a static site has one of its own, or none.
 */
export interface Config {
  readonly hub: Address | null;
  /** URLs of RPC endpoints, the preferred one first. */
  readonly endpoints: readonly string[];
  /** A block that is not after the hub's creation; 0 if nobody says. */
  readonly fromBlock: bigint;
  /** The registry of claims, and the contract of proven cards, if the hub's operator runs them. */
  readonly claimRegistry: Address | null;
  readonly modelCards: Address | null;
  /** The public files of the hub's circuits: one entry an artifact. */
  readonly publicFiles: readonly PublicFolder[];
}

/** Where the public files of one artifact are. */
export interface PublicFolder {
  readonly name: string;
  /** URLs by file name, relative to the page. */
  readonly files: Readonly<Record<string, string>>;
}

/** The configuration without a document. */
export const NO_CONFIG: Config = {
  hub: null,
  endpoints: [],
  fromBlock: 0n,
  claimRegistry: null,
  modelCards: null,
  publicFiles: [],
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
  if (!isObject(document)) throw new ConfigError("config.json is no object: whoever serves this page has to correct it.");
  const fields = new Map(Object.entries(document));
  const endpoints = fields.get("endpoints") ?? [];
  if (!isList(endpoints) || !endpoints.every(isText)) throw wrong("endpoints", "a list of URLs");
  const fromBlock = fields.get("fromBlock") ?? 0;
  if (typeof fromBlock !== "number" || !Number.isSafeInteger(fromBlock) || fromBlock < 0) {
    throw wrong("fromBlock", "a block's number");
  }
  return {
    hub: addressOf(fields, "hub"),
    endpoints,
    fromBlock: BigInt(fromBlock),
    claimRegistry: addressOf(fields, "claimRegistry"),
    modelCards: addressOf(fields, "modelCards"),
    publicFiles: foldersOf(fields.get("publicFiles") ?? []),
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

function foldersOf(value: unknown): PublicFolder[] {
  if (!isList(value)) throw wrong("publicFiles", "a list");
  return value.map((each) => {
    const fields = new Map(isObject(each) ? Object.entries(each) : []);
    const [name, files] = [fields.get("name"), fields.get("files")];
    if (!isText(name) || !isObject(files) || !isTexts(files)) {
      throw wrong("publicFiles", 'a list of {"name": …, "files": {file name: URL}}');
    }
    return { name, files };
  });
}

function addressOf(fields: ReadonlyMap<string, unknown>, name: string): Address | null {
  const value = fields.get(name) ?? null;
  if (value === null) return null;
  if (!isText(value) || !isAddress(value, { strict: false })) throw wrong(name, "an address");
  return value;
}

function wrong(name: string, wanted: string): ConfigError {
  return new ConfigError(`"${name}" in config.json is not ${wanted}: whoever serves this page has to correct it.`);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: Record<string, unknown>): value is Record<string, string> {
  return Object.values(value).every(isText);
}
