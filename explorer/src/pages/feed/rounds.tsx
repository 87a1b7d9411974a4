import type { Feed, Round } from "@verifiable-oracle/client";
import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { useLoaded } from "../../app/loaded.js";
import { hrefOf } from "../../app/routes.js";
import type { Trust } from "../../app/trust.js";
import { ageText, changeText, countText, sigmaText } from "../../ui/format.js";
import { BackIcon, ForwardIcon } from "../../ui/icons.js";
import { Answer, Card, ErrorNote, Link, Skeleton, When } from "../../ui/parts.js";
import { Verdict } from "../../ui/states.js";
import type { RoundsStore } from "./rounds-store.js";

const PER_PAGE = 20;

/** A table of a feed's rounds, the newest first. Any round is one step away: ids have no gaps. */
export function RoundsCard(props: { readonly feed: Feed; readonly store: RoundsStore; readonly trust: Trust | undefined }): VNode {
  const { feed, store } = props;
  const latest = feed.latest?.id ?? 0;
  const [top, setTop] = useState<number | null>(null);
  const first = Math.min(top ?? latest, latest);
  const ids = Array.from({ length: Math.min(PER_PAGE + 1, first) }, (_, i) => first - i);
  const rounds = useLoaded(() => store.rounds(ids), [store, first], { keep: true });
  const shown = rounds.value?.slice(0, PER_PAGE) ?? [];
  const turn = (to: number): void => {
    setTop(to >= latest ? null : Math.max(Math.min(PER_PAGE, latest), to));
  };
  return (
    <Card
      title="Rounds"
      isFlush
      end={
        <>
          <form
            class="jump"
            onSubmit={(event) => {
              event.preventDefault();
              const id = Number(new FormData(event.currentTarget).get("round"));
              if (id >= 1 && id <= latest) location.hash = hrefOf({ page: "round", feedId: feed.id, roundId: id });
            }}
          >
            <label class="hidden" for="round">
              Go to round
            </label>
            <input id="round" name="round" type="number" min="1" max={latest} placeholder={`1–${String(latest)}`} disabled={latest === 0} />
            <button type="submit" class="button button-small" disabled={latest === 0}>
              Go
            </button>
          </form>
          <div class="turns">
            <button
              type="button"
              class="icon-button"
              aria-label="Newer rounds"
              disabled={first >= latest}
              onClick={() => {
                turn(first + PER_PAGE);
              }}
            >
              <BackIcon />
            </button>
            <button
              type="button"
              class="icon-button"
              aria-label="Older rounds"
              disabled={first <= PER_PAGE}
              onClick={() => {
                turn(first - PER_PAGE);
              }}
            >
              <ForwardIcon />
            </button>
          </div>
        </>
      }
    >
      {rounds.error && <ErrorNote error={rounds.error} again={rounds.again} />}
      {latest === 0 ? (
        <p class="empty">There is no round yet.</p>
      ) : (
        <div class="table-wrap">
          <table class="table rounds" aria-label="Rounds" aria-busy={rounds.isLoading}>
            <thead>
              <tr>
                <th scope="col">Round</th>
                <th scope="col" class="number">
                  Answer
                </th>
                <th scope="col" class="number">
                  Change
                </th>
                <th scope="col">Observed</th>
                <th scope="col" class="number wide-only">
                  Spread
                </th>
                <th scope="col" class="number wide-only">
                  Signed
                </th>
                <th scope="col">Verdict</th>
              </tr>
            </thead>
            <tbody>
              {shown.length === 0 ? (
                <tr>
                  <td colSpan={7}>
                    <Skeleton width="10rem" />
                  </td>
                </tr>
              ) : (
                shown.map((round, i) => <Row key={round.id} feed={feed} round={round} before={rounds.value?.[i + 1]} trust={props.trust} />)
              )}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Row(props: { readonly feed: Feed; readonly round: Round; readonly before: Round | undefined; readonly trust: Trust | undefined }): VNode {
  const { feed, round, before } = props;
  const change = before ? changeText(before.answer, round.answer) : null;
  return (
    <tr>
      <td class="nowrap">
        <Link to={{ page: "round", feedId: feed.id, roundId: round.id }}>{countText(round.id)}</Link>
      </td>
      <td class="number strong">
        <Answer value={round.answer} decimals={feed.terms.decimals} />
      </td>
      <td class={`number ${change?.startsWith("−") === true ? "down" : change?.startsWith("+") === true ? "up" : "faint"}`}>{change ?? "–"}</td>
      <td class="nowrap" title={`in a block ${ageText(round.publishedAt - round.observedAt)} later`}>
        <When time={round.observedAt} isShort />
      </td>
      <td class="number wide-only">{sigmaText(round.spread)}</td>
      <td class="number wide-only">{round.count}</td>
      <td>
        <Verdict round={round} />
      </td>
    </tr>
  );
}
