import { isAddress } from "viem";

import { isObject, JsonError, parseJson, type Json, type JsonObject } from "../json.js";
import { ClaimRequestError, WrongClaim } from "./errors.js";
import type { ClaimConstraint, ClaimJob, InferenceRequest, JobState, OutputConstraint, Salt, ServedModel } from "./types.js";

/** A job with what only its caller sees. */
export interface OwnJob extends ClaimJob {
  /** The bearer token of this job alone, told once to a caller without a token. */
  readonly key: string | null;
  readonly claim: JsonObject | null;
}

const STATES: ReadonlySet<string> = new Set<JobState>([
  "waiting",
  "checking",
  "proving",
  "proven",
  "refused",
  "failed",
  "cancelled",
]);

/** Return the body of a request. Throws: ClaimRequestError. */
export function requestDocument(request: InferenceRequest, salt: Salt): JsonObject {
  const { modelIdentifier, inputs, outputConstraint, subject, earlier, expiresAt, attestation } = request;
  return defined({
    model: modelIdentifier,
    inputs: { ...inputs },
    salt: [...salt],
    constraint: constraintDocument(outputConstraint),
    subject,
    expires_at: expiresAt,
    attestation: attestation === undefined ? undefined : attestationDocument(attestation),
    earlier:
      earlier === undefined
        ? undefined
        : defined({
            inputs: { ...earlier.inputs },
            salt: [...earlier.salt],
            attestation: earlier.attestation === undefined ? undefined : attestationDocument(earlier.attestation),
          }),
  });
}

/** Return the document of an attestation file. Its signature is not checked here. Throws: ClaimRequestError. */
export function attestationDocument(text: string): JsonObject {
  const found = read(text, "the attestation is no file that `oracle claim attest` wrote");
  if (found.format === undefined || !isObject(found.attestation)) {
    throw new ClaimRequestError("the attestation is no file that `oracle claim attest` wrote: parts are missing");
  }
  return found;
}

/** Return a job. Throws: ClaimRequestError. */
export function readJob(text: string): OwnJob {
  const found = read(text, "what answers is no claims service of this release");
  const { id, model, state, ahead, reason, key, claim } = found;
  if (typeof id !== "string" || !/^[\w-]{1,200}$/.test(id) || typeof model !== "string" || !isState(state)) {
    throw new ClaimRequestError("what answers is no claims service of this release: its job is none. Check the URL.");
  }
  return {
    id,
    model,
    state,
    ahead: typeof ahead === "number" ? ahead : 0,
    reason: typeof reason === "string" ? reason.slice(0, 500) : "",
    key: typeof key === "string" ? key : null,
    claim: isObject(claim) ? claim : null,
  };
}

/** Return the served models. Throws: ClaimRequestError. */
export function readModelDocuments(text: string): readonly ServedModel[] {
  const { models } = read(text, "what answers is no claims service of this release");
  if (!Array.isArray(models)) throw new ClaimRequestError("what answers is no claims service of this release: it lists no models");
  return models.map((each: Json): ServedModel => {
    if (!isObject(each) || typeof each.name !== "string" || typeof each.model_id !== "string" || !isObject(each.inputs)) {
      throw new ClaimRequestError("what answers is no claims service of this release: a model has no name, id or inputs");
    }
    return {
      name: each.name,
      modelId: each.model_id,
      modelHash: typeof each.model_hash === "string" ? each.model_hash : "",
      classes: texts(each.classes),
      outputs: texts(each.outputs),
      hasChanges: each.changes === true,
      isProbability: each.is_probability === true,
      guardBand: typeof each.guard_band === "string" ? each.guard_band : "",
      inputs: each.inputs,
    };
  });
}

/** Return the text of a refusal; empty if there is none. */
export function readRefusalText(text: string): string {
  try {
    const found = parseJson(text);
    if (isObject(found) && typeof found.error === "string") return found.error.slice(0, 500);
  } catch {
    // It is no JSON: some proxy's page.
  }
  return "";
}

/**
 * Check that a claim says what was asked for: the model, the subject, the expiry, the attested data, and as many outputs
 * and changes. Whether its proof holds, `verifyInferenceProof` says.
 *
 * @throws WrongClaim
 */
export function requireAsAsked(claim: JsonObject, request: InferenceRequest, now: number): void {
  const gave = (what: string): WrongClaim =>
    new WrongClaim(`the claims service gave a claim ${what}. Don't use it, nor this service.`);
  if (claim.model !== request.modelIdentifier) throw gave("of another model");
  const { terms } = claim;
  if (!isObject(terms) || !Array.isArray(terms.bounds) || !Array.isArray(terms.changes)) throw gave("without terms");
  const told = "outputs" in request.outputConstraint ? Object.values(request.outputConstraint.outputs) : [request.outputConstraint];
  const changes = told.filter((each) => each.change !== undefined).length;
  const bounds = told.filter((each) => (each.atLeast ?? each.atMost ?? each.classes) !== undefined).length;
  const hasEarlier = terms.earlier !== null && terms.earlier !== undefined;
  if (terms.bounds.length !== bounds || terms.changes.length !== changes || hasEarlier !== changes > 0) {
    throw gave("about other outputs or changes");
  }
  const attested = request.attestation === undefined ? null : attestationDocument(request.attestation);
  const subject = request.subject ?? attested?.subject;
  if (typeof subject !== "string" || !same(claim.subject, subject)) throw gave("of another subject");
  const { expires_at: expiry } = claim;
  if (typeof expiry !== "number" || (request.expiresAt !== undefined && expiry !== request.expiresAt)) throw gave("with another expiry");
  if (expiry <= now) throw gave("that has expired");
  if (attested === null) return;
  const [given, wanted] = [claim.attestation, attested.attestation];
  if (!isObject(given) || !isObject(wanted) || ["issuer", "issued_at", "expires_at", "signature"].some((name) => !same(given[name], wanted[name]))) {
    throw gave("with another attestation");
  }
  for (const name of ["model_id", "subject", "commitment"]) {
    if (!same(claim[name], attested[name])) throw gave(`that is not of the attested data: its ${name} is another`);
  }
}

/** Return a constraint as the service takes it. Throws: ClaimRequestError if it says nothing. */
function constraintDocument(constraint: ClaimConstraint): JsonObject {
  if ("outputs" in constraint) {
    const outputs = Object.entries(constraint.outputs).map(([name, each]) => [name, outputDocument(each)] as const);
    if (outputs.length === 0) throw new ClaimRequestError("the constraint names no output: state bounds of one");
    return { outputs: Object.fromEntries(outputs) };
  }
  return outputDocument(constraint);
}

function outputDocument({ atLeast, atMost, classes, change }: OutputConstraint): JsonObject {
  const found = defined({
    at_least: atLeast,
    at_most: atMost,
    classes: classes === undefined ? undefined : [...classes],
    change: change === undefined ? undefined : [...change],
  });
  if (Object.keys(found).length === 0) {
    throw new ClaimRequestError("the constraint says nothing: state atLeast, atMost, classes or change");
  }
  return found;
}

function defined(values: Readonly<Record<string, Json | undefined>>): JsonObject {
  const entries = Object.entries(values).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}

function read(text: string, problem: string): JsonObject {
  let found: Json;
  try {
    found = parseJson(text);
  } catch (error) {
    throw new ClaimRequestError(`${problem}: ${error instanceof JsonError ? error.message : String(error)}`);
  }
  if (!isObject(found)) throw new ClaimRequestError(`${problem}: it is no JSON object`);
  return found;
}

function isState(value: Json | undefined): value is JobState {
  return typeof value === "string" && STATES.has(value);
}

function texts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each: Json): each is string => typeof each === "string") : [];
}

/** Return true if two values of documents are the same; addresses and hexadecimal numbers in any case. */
function same(first: Json | undefined, second: Json | undefined): boolean {
  if (typeof first === "string" && typeof second === "string") {
    const isNumber = /^0x[0-9a-f]*$/i.test(first) || isAddress(first, { strict: false });
    return isNumber ? first.toLowerCase() === second.toLowerCase() : first === second;
  }
  return first !== undefined && first === second;
}
