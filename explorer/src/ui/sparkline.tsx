import type { VNode } from "preact";

/** A line through a few answers, without axes. It is decoration: the numbers are beside it. */
export function Sparkline(props: { readonly values: readonly number[]; readonly tone: "good" | "bad" | "plain" }): VNode {
  const path = sparkPath(props.values, 120, 32);
  return (
    <svg class={`spark spark-${props.tone}`} viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true">
      {path !== "" && <path d={`${path}V32H0Z`} class="spark-area" />}
      <path d={path} class="spark-line" />
    </svg>
  );
}

/** Return the path of a line that fills a box; empty for fewer than two values. */
export function sparkPath(values: readonly number[], width: number, height: number): string {
  if (values.length < 2) return "";
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [margin, range] = [2, high - low];
  return values
    .map((value, i) => {
      const x = (i / (values.length - 1)) * width;
      const y = range === 0 ? height / 2 : margin + (1 - (value - low) / range) * (height - 2 * margin);
      return `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}
