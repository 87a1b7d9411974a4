import type { Feed, Hold } from "@verifiable-oracle/client";
import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";

import { now } from "../../app/clock.js";
import { isDark } from "../../app/theme.js";
import { answerText, countText, dateText, sigmaText } from "../../ui/format.js";
import { hrefOf } from "../../app/routes.js";
import { Choice, ErrorNote } from "../../ui/parts.js";
import { ENDS, REASONS } from "../../ui/states.js";
import type { BandModel } from "./band.js";
import { PriceChart, type Band, type Pointed } from "./price-chart.js";
import type { RoundsStore } from "./rounds-store.js";
import { endOf, firstRange, gridFor, isOutgrown, rangesFor, spanOf, type Grid, type RangeName, type Span } from "./window.js";

const SETTLE_MS = 120;
const NO_BANDS: ReadonlyMap<number, Band> = new Map();

interface View {
  readonly span: Span;
  readonly grid: Grid | null;
  readonly range: RangeName | null;
}

/** A feed's answers over time, with its holds; zoomed by wheel, fingers or buttons. */
export function Chart(props: {
  readonly feed: Feed;
  readonly store: RoundsStore;
  readonly holds: readonly Hold[];
  /** The time of the first round; null before it is known. */
  readonly begin: number;
  readonly band: BandModel | null;
}): VNode {
  const { feed, store, holds, begin, band } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<PriceChart | null>(null);
  const end = endOf(feed, now.peek());
  const life: Span = { from: begin, to: end };
  const view = useRef<View | null>(null);
  const [range, setRange] = useState<RangeName | null>(() => firstRange(end - begin, feed.terms.heartbeat, feed.latest?.id ?? 0));
  const [stride, setStride] = useState(1);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const isCurrent = useRef(0);
  const inputs = useRef({ feed, holds, band, life });
  inputs.current = { feed, holds, band, life };

  const redraw = async (span: Span, name: RangeName | null, isForced: boolean): Promise<void> => {
    const turn = ++isCurrent.current;
    const columns = Math.max(200, Math.min(900, (box.current?.clientWidth ?? 800) - 70));
    const grid = view.current?.grid ?? null;
    view.current = { span, grid, range: name };
    if (!isForced && grid !== null && !isOutgrown(grid, span, inputs.current.life, columns)) return;
    const next = gridFor(span, { from: inputs.current.life.from, to: inputs.current.life.to }, columns);
    try {
      const covered = await store.cover({ from: next.from, to: next.from + next.columns * next.step });
      if (turn !== isCurrent.current || chart.current === null) return;
      const bands = covered.stride === 1 && inputs.current.band !== null ? inputs.current.band.of(covered.rounds) : NO_BANDS;
      const shown = view.current.span;
      view.current = { span: shown, grid: next, range: name };
      chart.current.draw(
        { grid: next, rounds: covered.rounds, holds: inputs.current.holds, bands, held: inputs.current.feed.held?.answer ?? null },
        shown,
      );
      setStride(covered.stride);
      setError(null);
    } catch (reason) {
      if (turn === isCurrent.current) setError(reason instanceof Error ? reason : new Error(String(reason)));
    }
  };

  useEffect(() => {
    if (box.current === null) return;
    let timer = 0;
    const drawn = new PriceChart(box.current, feed.terms.decimals, {
      onSpan: (span) => {
        if (view.current !== null) view.current = { ...view.current, span, range: null };
        setRange(null);
        clearTimeout(timer);
        timer = setTimeout(() => void redraw(span, null, false), SETTLE_MS);
      },
      onPoint: setPointed,
      onPress: ({ round, hold }) => {
        const first = hold?.reports[0];
        if (first !== undefined) {
          const { transaction, logIndex } = first.place;
          location.hash = hrefOf({ page: "report", feedId: feed.id, transaction, logIndex });
        } else if (round !== null) location.hash = hrefOf({ page: "round", feedId: feed.id, roundId: round.id });
      },
    });
    chart.current = drawn;
    return () => {
      clearTimeout(timer);
      chart.current = null;
      drawn.remove();
    };
  }, [feed.id, feed.terms.decimals, store]);

  // A button, a new round, new holds, a band: draw again. A view that ends now goes on to end now.
  useEffect(() => {
    const shown = view.current;
    const isAtEnd = shown !== null && range === null && shown.span.to >= (feed.latest?.observedAt ?? 0);
    const length = shown === null ? 0 : shown.span.to - shown.span.from;
    const span =
      range !== null ? spanOf(range, life) : isAtEnd ? { from: end + length * 0.02 - length, to: end + length * 0.02 } : (shown?.span ?? life);
    void redraw(span, range, true);
  }, [range, feed.latest?.id, feed.status, holds, band, store]);

  const dark = isDark.value;
  useEffect(() => {
    chart.current?.paint();
  }, [dark]);

  return (
    <figure class="chart" aria-label="Chart">
      <div class="chart-head">
        <figcaption class="chart-told" aria-live="off">
          <Told feed={feed} pointed={pointed} />
        </figcaption>
        <Choice name="Time shown" options={rangesFor(end - begin)} value={range} onChoose={setRange} />
      </div>
      {error && <ErrorNote error={error} />}
      <div ref={box} class="chart-box" role="img" aria-label={summaryOf(feed, holds)} />
      <ul class="legend">
        <li class="legend-line">accepted answers</li>
        <li class="legend-held">held answer</li>
        <li class="legend-jump">jump, confirmed after a hold</li>
        {band !== null && <li class="legend-band">what the model would accept</li>}
        <li class="legend-note">{stride === 1 ? "All rounds are shown." : `Every ${countText(stride)}th round is shown: zoom in for all.`}</li>
      </ul>
    </figure>
  );
}

/** What the pointer is at, in words; the latest round without a pointer. */
function Told(props: { readonly feed: Feed; readonly pointed: Pointed | null }): VNode {
  const { terms, latest } = props.feed;
  const round = props.pointed?.round ?? latest;
  const hold = props.pointed?.hold ?? null;
  const report = hold?.reports[0];
  return (
    <>
      {round !== null && (
        <span>
          <b>{answerText(round.answer, terms.decimals)}</b> · round {countText(round.id)} · {dateText(round.observedAt)} · spread{" "}
          {sigmaText(round.spread)}
        </span>
      )}
      {hold !== null && report !== undefined && (
        <span class="chart-told-held">
          held {answerText(report.answer, terms.decimals)}: {REASONS[report.reason]} – {ENDS[hold.end].word}
        </span>
      )}
    </>
  );
}

function summaryOf(feed: Feed, holds: readonly Hold[]): string {
  const { latest, terms } = feed;
  const answer = latest === null ? "no round yet" : `the latest of ${countText(latest.id)} rounds is ${answerText(latest.answer, terms.decimals)}`;
  return `Answers of ${terms.description} over time: ${answer}; ${countText(holds.length)} holds are known. The tables below have the numbers.`;
}
