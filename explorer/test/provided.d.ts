import type { Scene } from "../../tests/web/scene";

declare module "vitest" {
  interface ProvidedContext {
    /** A chain with a history: `tests/web/scene.py`. */
    scene: Scene;
    /** The address of `oracle explore`, which serves the built pages for the scene. */
    explorerUrl: string;
    /** The way to the browser, for Playwright. */
    browserUrl: string;
  }
}
