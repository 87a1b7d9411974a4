/** The claim does not hold for these inputs: nothing can be proven. */
export class ClaimNotMet extends Error {
  override readonly name = "ClaimNotMet";
}

/** The service refuses the request, or is none, or an option is wrong. The message says what to change. */
export class ClaimRequestError extends Error {
  override readonly name = "ClaimRequestError";
}

/** The service does not answer, is full, or could not prove it now: ask again. */
export class ServiceUnavailable extends Error {
  override readonly name = "ServiceUnavailable";
  /** Seconds after which to ask again, as the service says; null if it doesn't. */
  readonly retryAfter: number | null;

  constructor(message: string, retryAfter: number | null = null) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The service gave a claim that says something else than was asked for. Don't use this service. */
export class WrongClaim extends Error {
  override readonly name = "WrongClaim";
}
