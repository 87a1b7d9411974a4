import type { Endpoint } from "./endpoint.js";
import { EndpointError } from "./errors.js";

/**
 * Return one endpoint that asks several: the first one, and the next where it fails. Their answers are not compared, so it
 * is for reading what is checked later. A contract's refusal, and a range that is too large, are answers: nobody else is
 * asked.
 *
 * @throws Error if there are none.
 */
export function anyEndpoint(endpoints: readonly Endpoint[]): Endpoint {
  const [first] = endpoints;
  if (first === undefined) throw new Error("no endpoint is named: name at least one");
  let preferred = 0;
  return {
    get name() {
      return (endpoints[preferred] ?? first).name;
    },
    async request(method, params) {
      let failure: unknown;
      for (let i = 0; i < endpoints.length; i++) {
        const index = (preferred + i) % endpoints.length;
        try {
          const result = await (endpoints[index] ?? first).request(method, params);
          preferred = index;
          return result;
        } catch (error) {
          failure ??= error;
          if (!(error instanceof EndpointError) || error.meaning === "reverted" || error.meaning === "too much") throw error;
        }
      }
      throw failure;
    },
  };
}
