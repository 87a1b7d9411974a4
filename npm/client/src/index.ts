/** The version of this package, which is that of the oracle it belongs to. */
export const VERSION = "0.2.0";
export * from "./abi.js";
export * from "./read/index.js";
export * from "./verify/index.js";
export * from "./claims/index.js";
export * from "./json.js";
export * from "./pull/index.js";
export { Unreachable, type Fetch, type ServerOptions } from "./http.js";
export * from "./deployments.js";
