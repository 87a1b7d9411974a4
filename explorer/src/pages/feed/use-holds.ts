import type { Feed } from "@verifiable-oracle/client";
import { useEffect, useRef, useState } from "preact/hooks";

import type { HoldsStore, KnownHolds } from "./holds-store.js";

/** The holds of a feed, as far as they are known, and how to know more. */
export interface ShownHolds {
  readonly known: KnownHolds;
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly more: () => void;
}

const NONE: KnownHolds = { holds: [], since: null, isComplete: false, isShort: false };

/** Read holds from the newest on, and go on with each new block that has one. */
export function useHolds(store: HoldsStore, feed: Feed): ShownHolds {
  const [known, setKnown] = useState(NONE);
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<Error | null>(null);
  const [wish, setWish] = useState(0);
  const latest = useRef(feed);
  latest.current = feed;

  useEffect(() => {
    const abort = new AbortController();
    setLoading(true);
    setError(null);
    store
      .more(latest.current, abort.signal, (found) => {
        if (!abort.signal.aborted) setKnown(found);
      })
      .catch((reason: unknown) => {
        if (!abort.signal.aborted) setError(reason instanceof Error ? reason : new Error(String(reason)));
      })
      .finally(() => {
        if (!abort.signal.aborted) setLoading(false);
      });
    return () => {
      abort.abort();
    };
  }, [store, wish]);

  // A held report, or a round that ends a hold.
  useEffect(() => {
    if (isLoading) return;
    let isCurrent = true;
    store.newer(latest.current).then(
      (found) => {
        if (isCurrent) setKnown(found);
      },
      (reason: unknown) => {
        if (isCurrent) setError(reason instanceof Error ? reason : new Error(String(reason)));
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [store, feed.heldReports, feed.latest?.id, isLoading]);

  return {
    known,
    isLoading,
    error,
    more: () => {
      setWish((before) => before + 1);
    },
  };
}
