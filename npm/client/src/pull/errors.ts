/** Why there is no update: nothing is served *now*, the server *refuses*, it serves *nonsense*, or none came in time. */
export type UpdateProblem = "not now" | "refused" | "nonsense" | "late";

/** There is no update that can be used. The message says why, and what to do. */
export class UpdateError extends Error {
  override readonly name = "UpdateError";
  readonly meaning: UpdateProblem;
  /** Seconds after which to ask again, as the server says; null if it doesn't. */
  readonly retryAfter: number | null;

  constructor(meaning: UpdateProblem, message: string, retryAfter: number | null = null) {
    super(message);
    this.meaning = meaning;
    this.retryAfter = retryAfter;
  }
}
