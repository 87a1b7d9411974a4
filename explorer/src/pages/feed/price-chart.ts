import type { Hold, Round } from "@verifiable-oracle/client";
import {
  AreaSeries,
  ColorType,
  createChart,
  createSeriesMarkers,
  CrosshairMode,
  LineSeries,
  LineStyle,
  LineType,
  TickMarkType,
  type AutoscaleInfo,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type LogicalRange,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";

import { answerNumber, answerText } from "../../ui/format.js";
import { columnAt, columnsOf, type Grid, type Span } from "./window.js";

/** The answers that a model would accept in the place of a round. */
export interface Band {
  readonly roundId: number;
  readonly low: bigint;
  readonly high: bigint;
}

/** What a chart draws. */
export interface Drawing {
  readonly grid: Grid;
  /** Ascending. */
  readonly rounds: readonly Round[];
  readonly holds: readonly Hold[];
  /** By round; empty where the model is private, or not all rounds are loaded. */
  readonly bands: ReadonlyMap<number, Band>;
  /** The answer that is held now; null if none is. */
  readonly held: bigint | null;
}

/** What the pointer is at. */
export interface Pointed {
  readonly round: Round | null;
  readonly hold: Hold | null;
}

/** What a chart tells. */
export interface ChartEvents {
  /** The shown time has changed, by a person. */
  readonly onSpan: (span: Span) => void;
  readonly onPoint: (pointed: Pointed | null) => void;
  readonly onPress: (pointed: Pointed) => void;
}

/** A chart goes on to glide for so long after a hand has left it. */
const GLIDE_MS = 1_000;

/** A chart of a feed's answers over time: the only place that knows the library that draws. */
export class PriceChart {
  private readonly chart: IChartApi;
  private readonly line: ISeriesApi<"Area">;
  private readonly low: ISeriesApi<"Line">;
  private readonly high: ISeriesApi<"Line">;
  private readonly marks: ISeriesMarkersPluginApi<Time>;
  private heldLine: IPriceLine | null = null;
  private drawing: Drawing | null = null;
  private columns: readonly (Round | null)[] = [];
  private reach: { readonly low: number; readonly high: number } | null = null;
  /** Held values that are drawn where they are, with their columns. */
  private near: readonly { readonly column: number; readonly value: number }[] = [];
  /** Decimals of the axis. */
  private digits = 2;
  /** The time of the last sign of a person's hand, milliseconds. Only then a new range is a wish. */
  private touchedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly element: HTMLElement,
    private readonly decimals: number,
    private readonly events: ChartEvents,
  ) {
    this.chart = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: getComputedStyle(element).fontFamily, fontSize: 11 },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.08 } },
      timeScale: { borderVisible: false, minBarSpacing: 0.05, timeVisible: true, tickMarkFormatter: tickText },
      crosshair: { mode: CrosshairMode.Magnet },
      localization: { timeFormatter: (time: Time) => timeText(Number(time)) },
      handleScroll: { vertTouchDrag: false },
    });
    const priceFormat = {
      type: "custom",
      formatter: (value: number) => this.text(value),
      minMove: 10 ** -Math.min(decimals, 10),
    } as const;
    const quiet = { priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false, priceFormat } as const;
    this.low = this.chart.addSeries(LineSeries, { ...quiet, lineWidth: 1, lineStyle: LineStyle.Dotted });
    this.high = this.chart.addSeries(LineSeries, { ...quiet, lineWidth: 1, lineStyle: LineStyle.Dotted });
    this.line = this.chart.addSeries(AreaSeries, {
      lineType: LineType.WithSteps,
      lineWidth: 2,
      priceFormat,
      priceLineStyle: LineStyle.Dotted,
      autoscaleInfoProvider: (original: () => AutoscaleInfo | null) => this.scale(original()),
    });
    this.marks = createSeriesMarkers(this.line, []);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(this.moved);
    for (const kind of ["wheel", "pointerdown", "touchstart", "touchmove"] as const) {
      element.addEventListener(kind, this.touched, { passive: true });
    }
    element.addEventListener("pointermove", (event) => {
      if (event.buttons !== 0) this.touched();
    });
    this.chart.subscribeCrosshairMove((at) => {
      events.onPoint(at.logical === undefined || at.point === undefined ? null : this.pointed(at.logical));
    });
    this.chart.subscribeClick((at) => {
      if (at.logical !== undefined) events.onPress(this.pointed(at.logical));
    });
    this.paint();
  }

  /** Draw, and show a span of it. */
  draw(drawing: Drawing, span: Span): void {
    const { grid, rounds } = drawing;
    this.drawing = drawing;
    this.columns = columnsOf(rounds, grid);
    const at = (i: number): UTCTimestamp => (grid.from + i * grid.step) as UTCTimestamp;
    this.line.setData(
      this.columns.map((round, i) => (round === null ? { time: at(i) } : { time: at(i), value: this.number(round.answer) })),
    );
    const bandOf = (round: Round | null): Band | undefined => (round === null ? undefined : drawing.bands.get(round.id));
    this.low.setData(this.columns.map((round, i) => this.point(at(i), bandOf(round)?.low)));
    this.high.setData(this.columns.map((round, i) => this.point(at(i), bandOf(round)?.high)));
    this.show(span);
    this.mark();
  }

  /** Show a span, without telling it. */
  show(span: Span): void {
    const grid = this.drawing?.grid;
    if (grid === undefined) return;
    const logical = (time: number): number => (time - grid.from) / grid.step;
    this.chart.timeScale().setVisibleLogicalRange({ from: logical(span.from), to: logical(span.to) });
  }

  /** Take the colours of the page's theme. */
  paint(): void {
    const style = getComputedStyle(this.element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const accent = colour("--accent");
    this.chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: "transparent" }, textColor: colour("--text-faint") },
      grid: { vertLines: { visible: false }, horzLines: { color: colour("--line") } },
      crosshair: {
        vertLine: { color: colour("--line-strong"), labelBackgroundColor: colour("--text-soft") },
        horzLine: { color: colour("--line-strong"), labelBackgroundColor: colour("--text-soft") },
      },
    });
    this.line.applyOptions({ lineColor: accent, topColor: `${accent}2e`, bottomColor: `${accent}00` });
    this.low.applyOptions({ color: colour("--good") });
    this.high.applyOptions({ color: colour("--good") });
    this.mark();
  }

  /** Take the chart off the page. */
  remove(): void {
    this.chart.remove();
  }

  private readonly touched = (): void => {
    this.touchedAt = performance.now();
  };

  private readonly moved = (range: LogicalRange | null): void => {
    const grid = this.drawing?.grid;
    if (range === null || grid === undefined || performance.now() - this.touchedAt > GLIDE_MS) return;
    this.events.onSpan({ from: grid.from + range.from * grid.step, to: grid.from + range.to * grid.step });
  };

  /** Holds at their own values, and rounds that were confirmed jumps. */
  private mark(): void {
    const { drawing } = this;
    if (drawing === null) return;
    const style = getComputedStyle(this.element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const { grid } = drawing;
    const end = grid.from + grid.columns * grid.step;
    const time = (at: number): UTCTimestamp => (grid.from + columnAt(grid, at) * grid.step) as UTCTimestamp;
    const shown = drawing.holds.filter((hold) => firstOf(hold).observedAt >= grid.from && firstOf(hold).observedAt < end);
    this.reach = reachOf(
      this.columns.map((round) => (round === null ? null : this.number(round.answer))),
      shown.map((hold) => this.number(firstOf(hold).answer)),
    );
    const { reach } = this;
    this.near = shown
      .map((hold) => ({ column: columnAt(grid, firstOf(hold).observedAt), value: this.number(firstOf(hold).answer) }))
      .filter(({ value }) => reach !== null && value >= reach.low && value <= reach.high);
    const marks: SeriesMarker<Time>[] = shown.map((hold) => {
      const report = firstOf(hold);
      const color = colour(hold.end === "confirmed" ? "--jump" : "--held");
      const price = this.number(report.answer);
      const base = { time: time(report.observedAt), color, id: `hold ${String(hold.roundId)}` };
      if (reach !== null && price > reach.high) {
        return { ...base, position: "aboveBar", shape: "arrowUp", text: answerText(report.answer, this.decimals) };
      }
      if (reach !== null && price < reach.low) {
        return { ...base, position: "belowBar", shape: "arrowDown", text: answerText(report.answer, this.decimals) };
      }
      return { ...base, position: "atPriceMiddle", price, shape: "circle", size: hold.end === "open" ? 1.4 : 1 };
    });
    for (const [i, round] of this.columns.entries()) {
      if (round === null || round.scoreRatio <= 0 || this.columns[i - 1]?.id === round.id) continue;
      const at = (grid.from + i * grid.step) as UTCTimestamp;
      marks.push({ time: at, position: "atPriceMiddle", price: this.number(round.answer), shape: "square", color: colour("--jump"), size: 0.9 });
    }
    marks.sort((a, b) => Number(a.time) - Number(b.time));
    this.marks.setMarkers(marks);
    if (this.heldLine !== null) this.line.removePriceLine(this.heldLine);
    const isInReach = drawing.held !== null && (this.reach === null || within(this.reach, this.number(drawing.held)));
    this.heldLine =
      drawing.held !== null && isInReach
        ? this.line.createPriceLine({ price: this.number(drawing.held), color: colour("--held"), lineStyle: LineStyle.Dashed, lineWidth: 1, title: "held" })
        : null;
  }

  /** Make room for the held values that are in sight. */
  private scale(found: AutoscaleInfo | null): AutoscaleInfo | null {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (found?.priceRange == null || range === null) return found;
    const values = this.near.filter(({ column }) => column >= range.from && column <= range.to).map(({ value }) => value);
    const low = Math.min(found.priceRange.minValue, ...values);
    const high = Math.max(found.priceRange.maxValue, ...values);
    // A line that is flat gets some room, or its axis would have one number many times.
    const room = high > low ? 0 : Math.max(Math.abs(high) * 0.01, 10 ** -this.decimals);
    this.digits = digitsFor(high - low + 2 * room, this.decimals);
    return { ...found, priceRange: { minValue: low - room, maxValue: high + room } };
  }

  private pointed(logical: number): Pointed {
    const { drawing } = this;
    const round = this.columns[Math.round(logical)] ?? null;
    if (drawing === null) return { round, hold: null };
    const column = Math.round(logical);
    const hold = drawing.holds.find((each) => Math.abs(columnAt(drawing.grid, firstOf(each).observedAt) - column) <= 1) ?? null;
    return { round, hold };
  }

  private point(time: UTCTimestamp, answer: bigint | undefined): { time: UTCTimestamp } | { time: UTCTimestamp; value: number } {
    return answer === undefined ? { time } : { time, value: this.number(answer) };
  }

  private number(answer: bigint): number {
    return answerNumber(answer, this.decimals);
  }

  private text(value: number): string {
    const digits = { minimumFractionDigits: this.digits, maximumFractionDigits: this.digits };
    return value.toLocaleString("en-GB", digits).replaceAll(",", "\u202f");
  }
}

/** Return the decimals that tell the numbers of an axis apart: a hundredth of its height. */
export function digitsFor(height: number, decimals: number): number {
  if (!(height > 0)) return Math.min(2, decimals);
  return Math.max(0, Math.min(decimals, 20, Math.ceil(-Math.log10(height / 100))));
}

/** The values between which held answers are drawn where they are: one and a half times the line's height around it. */
export function reachOf(
  line: readonly (number | null)[],
  held: readonly number[],
): { readonly low: number; readonly high: number } | null {
  const values = line.filter((value) => value !== null);
  if (values.length === 0) return null;
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const room = Math.max((high - low) * 1.5, Math.abs(high) * 0.004);
  const near = held.filter((value) => value >= low - room && value <= high + room);
  return { low: Math.min(low, ...near), high: Math.max(high, ...near) };
}

function within(reach: { readonly low: number; readonly high: number }, value: number): boolean {
  const room = (reach.high - reach.low) * 0.5;
  return value >= reach.low - room && value <= reach.high + room;
}

function firstOf(hold: Hold): Hold["reports"][number] {
  const [first] = hold.reports;
  if (first === undefined) throw new Error("a hold has at least one report");
  return first;
}

function timeText(time: number): string {
  return new Date(time * 1_000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

function tickText(time: Time, kind: TickMarkType): string {
  const date = new Date(Number(time) * 1_000);
  switch (kind) {
    case TickMarkType.Year:
      return date.toLocaleDateString("en-GB", { year: "numeric" });
    case TickMarkType.Month:
      return date.toLocaleDateString("en-GB", { month: "short" });
    case TickMarkType.DayOfMonth:
      return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    default:
      return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  }
}
