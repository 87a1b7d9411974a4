/** The meaning of an endpoint's failure, whichever words, code and HTTP status it came with. */
export type Meaning =
  | "unreachable"
  | "rate"
  | "too much"
  | "history"
  | "method"
  | "block"
  | "denied"
  | "reverted"
  | "not json-rpc"
  | "slow"
  | "passing"
  | "wrong chain"
  | "nonsense"
  | "other";

/** An endpoint refused, did not answer, or answered something that can't be used. */
export class EndpointError extends Error {
  override readonly name = "EndpointError";
  /** The endpoint's name: its host. */
  readonly endpoint: string;
  readonly method: string;
  readonly meaning: Meaning;
  /** The endpoint's own words; empty if it had none. */
  readonly said: string;
  /** What happened, without the endpoint's name and words. */
  readonly what: string;
  /** What to do about it. */
  readonly advice: string;
  /** What the contract returned, if the meaning is "reverted": hexadecimal, or empty. */
  readonly data: string;

  constructor(
    endpoint: string,
    method: string,
    meaning: Meaning,
    said: string,
    what: string,
    advice: string,
    data = "",
  ) {
    super(`${endpoint} ${what}${said === "" ? "" : `: ${said}`}. ${advice}`);
    this.what = what;
    this.data = data;
    this.endpoint = endpoint;
    this.method = method;
    this.meaning = meaning;
    this.said = said;
    this.advice = advice;
  }
}

/** The address is no hub of this version, or the hub does not know what was asked for. */
export class HubError extends Error {
  override readonly name = "HubError";
}
