/** What answers JSON-RPC requests. Implementations raise `EndpointError`, by its meaning. */
export interface Endpoint {
  /** The endpoint's name for people: its host. Keys in a URL are not in it. */
  readonly name: string;
  /**
   * Ask, and return the `result` as the endpoint gave it: unchecked.
   *
   * @throws EndpointError with what went wrong, and what to do.
   */
  request(method: string, params: readonly unknown[]): Promise<unknown>;
}
