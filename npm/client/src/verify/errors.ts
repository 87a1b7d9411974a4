/** What is asked for can't be checked at all: an option is wrong, or there is no such report. The message says what to do. */
export class CheckError extends Error {
  override readonly name = "CheckError";
}

/** A step of a check is shown to be wrong. Caught by the check, which makes a step that fails of it. */
export class Unproven extends Error {
  override readonly name: string = "Unproven";
  /** Names of endpoints that are shown to have lied. */
  readonly liars: readonly string[];

  constructor(message: string, liars: readonly string[] = []) {
    super(message);
    this.liars = liars;
  }
}

/** A step can be neither verified nor refuted. Caught by the check, which makes a step that is unchecked of it. */
export class Unknown extends Error {
  override readonly name: string = "Unknown";
}
