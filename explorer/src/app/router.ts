import { signal } from "@preact/signals";

import { parseRoute, type Route } from "./routes.js";

/** The page that is shown. */
export const route = signal<Route>(parseRoute(location.hash));

/** Follow the URL's hash from now on. */
export function startRouter(): void {
  addEventListener("hashchange", () => {
    route.value = parseRoute(location.hash);
    scrollTo(0, 0);
    // Whoever reads with a screen reader, or by keyboard, begins at the new page.
    document.getElementById("main")?.focus({ preventScroll: true });
  });
}
