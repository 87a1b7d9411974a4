export * from "./endpoint.js";
export * from "./errors.js";
export type * from "./types.js";
