export { callWithUpdate, requiredUpdate, type BringOptions, type RequiredUpdate } from "./bring.js";
export { UpdateError, type UpdateProblem } from "./errors.js";
export { awaitUpdate, fetchUpdate, readUpdate, requireHub, type AwaitOptions, type Update } from "./update.js";
