export * from "./errors.js";
export { generateInferenceProof, newSalt, readServedModels, type ClaimsService } from "./service.js";
export type * from "./types.js";
