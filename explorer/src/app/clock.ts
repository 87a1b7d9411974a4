import { signal } from "@preact/signals";

const LOCAL_CHAINS: ReadonlySet<number> = new Set([31_337, 1_337]);

/** Seconds by which the shown chain's clock is ahead of this machine's; 0 unless the chain is a local one. */
let ahead = 0;

/** The time now, unix seconds. It ticks once a second while the page is seen. */
export const now = signal(seconds());

/**
 * Take the time from a local chain, whose clock may show any year: its feeds are as old as the chain says. The clock of
 * another chain is this machine's, so that a chain that stands still is seen to do so.
 */
export function followChain(chainId: number, time: number): void {
  ahead = LOCAL_CHAINS.has(chainId) ? time - Math.floor(Date.now() / 1_000) : 0;
  now.value = seconds();
}

/** Let the clock tick. */
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = seconds();
  }, 1_000);
  document.addEventListener("visibilitychange", () => {
    now.value = seconds();
  });
}

function seconds(): number {
  return Math.floor(Date.now() / 1_000) + ahead;
}
