import type { Feed, Hold } from "@verifiable-oracle/client";
import type { VNode } from "preact";

import { countText, dateText } from "../../ui/format.js";
import { Answer, Card, ErrorNote, Link, Note, Pill, When } from "../../ui/parts.js";
import { ENDS, REASONS } from "../../ui/states.js";
import type { ShownHolds } from "./use-holds.js";

const SHOWN = 50;

/** A table of a feed's holds, the newest first: their values, why they were held, and how they ended. */
export function HoldsCard(props: { readonly feed: Feed; readonly holds: ShownHolds }): VNode {
  const { feed } = props;
  const { known, isLoading, error, more } = props.holds;
  return (
    <Card title="Holds" isFlush end={<span class="faint small">{reachText(props.holds)}</span>}>
      {error && <ErrorNote error={error} again={more} />}
      {known.isShort && (
        <Note tone="bad" title="The endpoint withholds events">
          <p>
            The hub has counted other held reports than this endpoint shows. Take another endpoint, or name several in the settings: the check
            says what is missing.
          </p>
        </Note>
      )}
      {known.holds.length === 0 ? (
        <p class="empty">{isLoading ? "Looking for holds …" : known.isComplete ? "No answer has ever been held." : "No answer was held in this time."}</p>
      ) : (
        <div class="table-wrap">
          <table class="table" aria-label="Holds">
            <thead>
              <tr>
                <th scope="col">Since</th>
                <th scope="col" class="number">
                  Held answer
                </th>
                <th scope="col">Why</th>
                <th scope="col" class="number">
                  Reports
                </th>
                <th scope="col">End</th>
              </tr>
            </thead>
            <tbody>
              {known.holds.slice(0, SHOWN).map((hold) => (
                <Row key={hold.roundId} feed={feed} hold={hold} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {!known.isComplete && !isLoading && (
        <p class="card-body">
          <button type="button" class="button button-small" onClick={more}>
            Look further back
          </button>
        </p>
      )}
    </Card>
  );
}

function Row(props: { readonly feed: Feed; readonly hold: Hold }): VNode | null {
  const { feed, hold } = props;
  const [first] = hold.reports;
  if (first === undefined) return null;
  const end = ENDS[hold.end];
  return (
    <tr>
      <td class="nowrap">
        <Link to={{ page: "report", feedId: feed.id, transaction: first.place.transaction, logIndex: first.place.logIndex }}>
          <When time={first.observedAt} isShort />
        </Link>
      </td>
      <td class="number strong">
        <Answer value={first.answer} decimals={feed.terms.decimals} />
      </td>
      <td class="nowrap" title={`Held because ${REASONS[first.reason]}`}>
        {first.reason}
      </td>
      <td class="number">{countText(hold.reports.length)}</td>
      <td class="nowrap">
        <Pill tone={end.tone} title={end.meaning}>
          {end.word}
        </Pill>
        {hold.round !== null && (
          <Link to={{ page: "round", feedId: feed.id, roundId: hold.roundId }} class="small">
            {" "}
            round {countText(hold.roundId)}
          </Link>
        )}
      </td>
    </tr>
  );
}

function reachText(holds: ShownHolds): string {
  const { known, isLoading } = holds;
  if (isLoading && known.since === null) return "…";
  if (known.isComplete) return "since the beginning";
  return known.since === null ? "" : `since ${dateText(known.since)}`;
}
