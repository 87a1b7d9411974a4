/** JSON without loss: integers that a `number` would round are bigints, and a key stands once in an object. */

/** What JSON can say. An integer beyond ±(2^53 − 1) is a bigint, every other number a number. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The text is no JSON, or is nested too deeply, or names a key twice. The message says where. */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

const DEEPEST = 64;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Return what a JSON text says, with large integers whole: `JSON.parse` rounds them.
 *
 * @param integers "bigint": each integer is a bigint, however small, so that 1000 is told from 1e3.
 * @throws JsonError
 */
export function parseJson(text: string, integers: "large as bigint" | "bigint" = "large as bigint"): Json {
  const reader = new Reader(text, integers === "bigint");
  const found = reader.value(0);
  reader.end();
  return found;
}

/** Return a value as JSON. Bigints are written as integers. */
export function writeJson(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map((each: Json) => writeJson(each)).join(",")}]`;
  if (isObject(value)) {
    return `{${Object.entries(value)
      .map(([key, each]) => `${JSON.stringify(key)}:${writeJson(each)}`)
      .join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Return true if a value is an object of JSON: neither null nor a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly isExact: boolean,
  ) {}

  value(depth: number): Json {
    if (depth > DEEPEST) throw this.error(`it is nested more than ${String(DEEPEST)} times`);
    this.space();
    const next = this.text[this.at];
    if (next === "{") return this.object(depth);
    if (next === "[") return this.list(depth);
    if (next === '"') return this.string();
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  end(): void {
    this.space();
    if (this.at !== this.text.length) throw this.error("something follows");
  }

  private object(depth: number): JsonObject {
    const entries = new Map<string, Json>();
    this.at++;
    if (this.taken("}")) return {};
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.error("a key is missing");
      const key = this.string();
      if (entries.has(key)) throw this.error(`the key ${JSON.stringify(key)} stands twice`);
      if (!this.taken(":")) throw this.error("a colon is missing");
      entries.set(key, this.value(depth + 1));
    } while (this.taken(","));
    if (!this.taken("}")) throw this.error("an object does not end");
    return Object.fromEntries(entries);
  }

  private list(depth: number): readonly Json[] {
    const items: Json[] = [];
    this.at++;
    if (this.taken("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.taken(","));
    if (!this.taken("]")) throw this.error("a list does not end");
    return items;
  }

  private string(): string {
    const found: unknown = JSON.parse(this.match(STRING, "a text does not end"));
    return String(found);
  }

  private number(): number | bigint {
    const token = this.match(NUMBER, "a value is missing");
    const value = Number(token);
    const isInteger = /^-?\d+$/.test(token);
    if (!isInteger || (!this.isExact && Number.isSafeInteger(value))) {
      if (!Number.isFinite(value)) throw this.error("a number is too large");
      return value;
    }
    return BigInt(token);
  }

  private match(pattern: RegExp, problem: string): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw this.error(problem);
    this.at = pattern.lastIndex;
    return found[0];
  }

  private taken(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    this.at = SPACE.lastIndex;
  }

  private error(problem: string): JsonError {
    return new JsonError(`this is no JSON at character ${String(this.at + 1)}: ${problem}`);
  }
}

const WORDS: readonly (readonly [string, Json])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
];
