import type { Address } from "viem";

import type { JsonObject } from "../json.js";

/** Bounds of one output in the model's own units, both included; or classes; or its change since earlier data; or both. */
export interface OutputConstraint {
  readonly atLeast?: number;
  readonly atMost?: number;
  /** One class, or several that follow each other, by name or number. */
  readonly classes?: readonly (string | number)[];
  /** The least and the largest change of the output since `earlier`. */
  readonly change?: readonly [least: number, most: number];
}

/** A claim about a model's only output, or about some of several by their names. */
export type ClaimConstraint = OutputConstraint | { readonly outputs: Readonly<Record<string, OutputConstraint>> };

/** The value of each feature, by its name. */
export type ClaimInputs = Readonly<Record<string, number | string>>;

/** Three random integers of 48 bits. Keep them as secret as the data. */
export type Salt = readonly [number, number, number];

/** What a claim is made of. Inputs and salt are private, and the service sees them. */
export interface InferenceRequest {
  /** The name of a served model: `readServedModels`. */
  readonly modelIdentifier: string;
  readonly inputs: ClaimInputs;
  readonly outputConstraint: ClaimConstraint;
  /** The address of the claim's owner; default: the attestation's. */
  readonly subject?: Address;
  /** The salt that the issuer drew; without an attestation, a fresh one is drawn here. */
  readonly salt?: Salt;
  /** An issuer's attestation of inputs and salt, as `oracle claim attest` writes it: the text of the file. */
  readonly attestation?: string;
  /** Data from which changes are measured, with their attestation. */
  readonly earlier?: { readonly inputs: ClaimInputs; readonly salt: Salt; readonly attestation?: string };
  /** Unix seconds; default: as long as the attestation, or what the service takes. */
  readonly expiresAt?: number;
}

/** A state of a job. The last four are final. */
export type JobState = "waiting" | "checking" | "proving" | "proven" | "refused" | "failed" | "cancelled";

/** A job of the service, as it tells it. */
export interface ClaimJob {
  readonly id: string;
  readonly model: string;
  readonly state: JobState;
  /** Jobs that are served before this one, while it waits. */
  readonly ahead: number;
  /** Why it was refused, failed or cancelled. */
  readonly reason: string;
}

/** A model that a service serves. */
export interface ServedModel {
  readonly name: string;
  /** The model's id in `ClaimRegistry`, hexadecimal. */
  readonly modelId: string;
  readonly modelHash: string;
  /** Names of its classes; empty if its output is a number. */
  readonly classes: readonly string[];
  /** Names of its outputs; empty if it has one. */
  readonly outputs: readonly string[];
  readonly hasChanges: boolean;
  readonly isProbability: boolean;
  /** How near a bound nothing can be proven, in words; empty if the model is exact. */
  readonly guardBand: string;
  /** The JSON Schema of its inputs. */
  readonly inputs: JsonObject;
}

/** A proven claim. All of it is public. */
export interface InferenceProof {
  /** The claim file: what `verifyInferenceProof` and `oracle claim submit` take. */
  readonly text: string;
  readonly model: string;
  readonly modelId: string;
  readonly subject: Address;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** The salt of the commitment, if it was drawn here. Changes since this claim's data need it. */
  readonly salt: Salt;
}
