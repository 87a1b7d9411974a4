import {
  readBlock,
  readHead,
  readHeldReports,
  readHolds,
  type Feed,
  type HeldPart,
  type HeldReport,
  type Hold,
  type Hub,
} from "@verifiable-oracle/client";

/** What is known of a feed's holds. */
export interface KnownHolds {
  /** Newest first. */
  readonly holds: readonly Hold[];
  /** All held reports since this time are known; null before any are. */
  readonly since: number | null;
  /** True if all blocks were read. */
  readonly isComplete: boolean;
  /** True if the hub has counted other held reports than the endpoint gives. */
  readonly isShort: boolean;
}

/** Parts that are read without being asked for more. An endpoint without a limit gives all in one. */
const PARTS_AT_ONCE = 12;

/** Reads a feed's held reports from the newest block backwards, as far as somebody wants them. */
export class HoldsStore {
  private readonly reports: HeldReport[] = [];
  private parts: AsyncGenerator<HeldPart, void, undefined> | null = null;
  private since: number | null = null;
  private isComplete = false;
  private newest = -1n;

  constructor(
    private readonly hub: Hub,
    private readonly fromBlock: bigint,
  ) {}

  /** Read some more blocks, and tell after each part. */
  async more(feed: Feed, signal: AbortSignal, onPart: (known: KnownHolds) => void): Promise<void> {
    if (this.parts === null) {
      const { number, time } = await readHead(this.hub.endpoint);
      this.newest = number;
      this.since = time;
      this.parts = readHeldReports(this.hub, feed.id, { first: this.fromBlock, last: number });
    }
    for (let i = 0; i < PARTS_AT_ONCE && !this.isComplete && !signal.aborted; i++) {
      const next = await this.parts.next();
      if (next.done === true) this.isComplete = true;
      else {
        this.reports.unshift(...next.value.reports);
        if (next.value.first <= this.fromBlock) this.isComplete = true;
        this.since = (await readBlock(this.hub.endpoint, next.value.first)).time;
      }
      onPart(await this.known(feed));
    }
  }

  /** Read the blocks that came since the last look. */
  async newer(feed: Feed): Promise<KnownHolds> {
    if (this.parts !== null) {
      const { number } = await readHead(this.hub.endpoint);
      if (number > this.newest) {
        const fresh: HeldReport[] = [];
        for await (const part of readHeldReports(this.hub, feed.id, { first: this.newest + 1n, last: number })) {
          fresh.unshift(...part.reports);
        }
        this.reports.push(...fresh);
        this.newest = number;
      }
    }
    return this.known(feed);
  }

  private async known(feed: Feed): Promise<KnownHolds> {
    const holds = await readHolds(this.hub, feed, this.reports);
    return {
      holds: holds.reverse(),
      since: this.since,
      isComplete: this.isComplete,
      isShort: this.isComplete && this.reports.length % 256 !== feed.heldReports,
    };
  }
}
