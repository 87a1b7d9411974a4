import type { VNode } from "preact";

/** The hub and the endpoints, and what each endpoint can do. */
export function SettingsPage(): VNode {
  return <h1>Settings</h1>;
}
