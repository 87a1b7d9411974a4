export * from "./errors.js";
export type * from "./types.js";
export { HubVerifier, verifyRound } from "./round.js";
export { verifyInferenceProof } from "./claim.js";
