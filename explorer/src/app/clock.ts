import { signal } from "@preact/signals";

/** The time now, unix seconds. It ticks once a second while the page is seen. */
export const now = signal(seconds());

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
  return Math.floor(Date.now() / 1_000);
}
