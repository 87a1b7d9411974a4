export * from "./errors.js";
export type * from "./types.js";
export { HubVerifier, verifyRound } from "./round.js";
export { verifyInferenceProof } from "./claim.js";
export { readSigned, type SignedReport } from "./signed.js";
export { featureNames } from "./features.js";
