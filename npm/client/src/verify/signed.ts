/** What a report's transaction says at first sight. It is unchecked: `HubVerifier` is what believes nothing. */
import { hexToBytes, type Address, type Hex } from "viem";

import { failure } from "../read/http.js";
import { quantity } from "../read/hub.js";
import type { AcceptedReport, HeldReport } from "../read/types.js";
import { fieldsOf, isAddressText, isBytes } from "../read/untrusted.js";
import type { Hub } from "../read/words.js";
import { duePositions, findSubmissions, ranked, type Submission } from "./calldata.js";
import { NO_ANSWER } from "./features.js";
import { domainSeparator, signersOf } from "./signatures.js";
import type { SignedRow } from "./types.js";

/** A report's transaction, as an endpoint tells it. */
export interface SignedReport {
  /** Who sent the transaction. */
  readonly sender: Address | null;
  readonly way: "direct" | "relayed";
  /** Gas of the whole transaction; null if the endpoint does not say. */
  readonly gasUsed: bigint | null;
  /** What is paid for it, in wei; null if the endpoint does not say. */
  readonly fee: bigint | null;
  /** What each reporter signed; empty if the submission is not in the transaction's own calldata. */
  readonly rows: readonly SignedRow[];
  /** Feeds that the report judges together, and all that it lists. */
  readonly judged: number;
  readonly listed: number;
  readonly proofBytes: number;
}

/**
 * Return what a report's transaction says, unchecked.
 *
 * @throws EndpointError
 */
export async function readSigned(hub: Hub, report: AcceptedReport | HeldReport): Promise<SignedReport> {
  const { endpoint } = hub;
  const { transaction } = report.place;
  const [found, receipt] = await Promise.all([
    endpoint.request("eth_getTransactionByHash", [transaction]),
    endpoint.request("eth_getTransactionReceipt", [transaction]).catch(() => null),
  ]);
  const fields = fieldsOf(found);
  const input = fields.get("input") ?? fields.get("data");
  if (!isBytes(input)) {
    throw failure(endpoint.name, "eth_getTransactionByHash", "history", `transaction ${transaction} is not there`);
  }
  const [submission] = findSubmissions(hexToBytes(input), report);
  const [sender, to] = [fields.get("from"), fields.get("to")];
  const paid = fieldsOf(receipt);
  const [gasUsed, price] = [paid.get("gasUsed"), paid.get("effectiveGasPrice")].map((value) =>
    value === undefined || value === null ? null : quantity(endpoint, "eth_getTransactionReceipt", value),
  );
  return {
    sender: isAddressText(sender) ? sender : null,
    way: typeof to === "string" && to.toLowerCase() === hub.address.toLowerCase() ? "direct" : "relayed",
    gasUsed: gasUsed ?? null,
    fee: gasUsed === null || gasUsed === undefined || price === null || price === undefined ? null : gasUsed * price,
    rows: submission === undefined ? [] : await rowsOf(hub, submission, report.feedId),
    judged: submission === undefined ? 0 : duePositions(submission).length,
    listed: submission?.feedIds.length ?? 0,
    proofBytes: submission?.proof.length ?? 0,
  };
}

async function rowsOf(hub: Hub, submission: Submission, feedId: Hex): Promise<SignedRow[]> {
  const position = submission.feedIds.findIndex((each) => each.toLowerCase() === feedId.toLowerCase());
  const signers = await signersOf(domainSeparator("ZkOracle", "2", hub.chainId, hub.address), submission);
  const order = ranked(submission, position);
  const median = order[Math.floor(order.length / 2)]?.row;
  return submission.rows.map((row, i) => {
    const answer = row.answers[position] ?? NO_ANSWER;
    return {
      reporter: signers[i] ?? "0x",
      answer: answer === NO_ANSWER ? null : answer,
      isMedian: i === median,
      readings: row.readings,
    };
  });
}
