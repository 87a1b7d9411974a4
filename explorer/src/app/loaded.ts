import { useEffect, useRef, useState } from "preact/hooks";

/** Something that is fetched: its value, the last failure, and whether it is being fetched. */
export interface Loaded<T> {
  /** The last value; kept while a newer one is fetched, and after a failure. */
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly isLoading: boolean;
  readonly again: () => void;
}

/**
 * Fetch a value when one of `keys` changes, and forget the former value unless `keep` is true.
 *
 * `load` is told when its value is no longer wanted. An answer that comes after that is dropped.
 */
export function useLoaded<T>(
  load: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
  options: { readonly keep?: boolean } = {},
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "again">>({ value: undefined, error: undefined, isLoading: true });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const keep = options.keep === true || round > 0;
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ value: keep ? before.value : undefined, error: undefined, isLoading: true }));
    latest.current(abort.signal).then(
      (value) => {
        if (!abort.signal.aborted) setState({ value, error: undefined, isLoading: false });
      },
      (reason: unknown) => {
        if (abort.signal.aborted) return;
        const error = reason instanceof Error ? reason : new Error(String(reason));
        setState((before) => ({ value: before.value, error, isLoading: false }));
      },
    );
    return () => {
      abort.abort();
    };
  }, [...keys, round]);
  return {
    ...state,
    again: () => {
      setRound((before) => before + 1);
    },
  };
}
