import type { Hex } from "viem";

import { readFeed } from "./feeds.js";
import type { Feed } from "./types.js";
import type { Hub } from "./words.js";

/** Options of `watchFeed`. */
export interface WatchOptions {
  /** Milliseconds between two looks. */
  readonly every?: number;
  /** Is told when a look fails. The watch goes on. */
  readonly onError?: (error: Error) => void;
  /** What waits. */
  readonly sleep?: (milliseconds: number) => Promise<void>;
}

/**
 * Look at a feed again and again, and tell it whenever it has changed. The first look tells it, too.
 *
 * @returns What ends the watch.
 */
export function watchFeed(hub: Hub, feedId: Hex, onChange: (feed: Feed) => void, options: WatchOptions = {}): () => void {
  const { every = 4_000 } = options;
  const sleep = options.sleep ?? ((milliseconds) => new Promise<void>((done) => setTimeout(done, milliseconds)));
  let isOver = false;
  const over = (): boolean => isOver;
  let last = "";
  const look = async (): Promise<void> => {
    while (!over()) {
      try {
        const feed = await readFeed(hub, feedId);
        const text = fingerprint(feed);
        if (text !== last && !over()) onChange(feed);
        last = text;
      } catch (reason) {
        if (!over()) options.onError?.(reason instanceof Error ? reason : new Error(String(reason)));
      }
      await sleep(every);
    }
  };
  void look();
  return () => {
    isOver = true;
  };
}

function fingerprint(feed: Feed): string {
  return JSON.stringify(feed, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}
