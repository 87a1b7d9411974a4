import { countText, sigmaText } from "../../ui/format.js";

const TITLES: Readonly<Record<string, string>> = {
  move: "Move now",
  gap: "Time since the last round",
  spread: "Spread",
  count: "Reporters with an answer",
  variance: "Running variance",
  peer_move_0: "Move of the first peer",
  peer_move_1: "Move of the second peer",
  peer_seen_0: "The first peer can be measured",
  peer_seen_1: "The second peer can be measured",
};

/** Return a feature's name as people say it. */
export function featureTitle(name: string): string {
  const past = /^past_(\d+)$/.exec(name);
  if (past?.[1] !== undefined) return past[1] === "0" ? "Last move" : `Move ${String(Number(past[1]) + 1)} back`;
  return TITLES[name] ?? name;
}

/** Return a feature's value in the unit that people know: sigmas, heartbeats, a number. */
export function featureText(name: string, value: number): string {
  if (name === "gap") return `${(value / 1_000).toFixed(2)} heartbeats`;
  if (name === "count") return countText(value);
  if (name.startsWith("peer_seen")) return value === 0 ? "no" : "yes";
  if (name === "variance") return `${(value / 1_000).toFixed(2)} σ²`;
  return sigmaText(value);
}
