import { connectHub, httpEndpoint, verifyRound, watchFeed, type Feed } from "@verifiable-oracle/client";
import { formatUnits, getAddress, isHex, type Hex } from "viem";

// ?hub=0x…&feed=0x…&rpc=https://…: in your own page, write what your contract relies on here.
const told = new URLSearchParams(location.search);
const hub = getAddress(told.get("hub") ?? "");
const rpc = told.get("rpc") ?? "";
const feedId: Hex = isHex(told.get("feed")) ? `0x${(told.get("feed") ?? "").slice(2)}` : "0x";

function show(id: string, text: string): void {
  const place = document.getElementById(id);
  if (place) place.textContent = text;
}

async function prove(feed: Feed): Promise<void> {
  if (!feed.latest) return;
  const { id: roundId, answer } = feed.latest;
  show("name", feed.terms.description);
  show("price", `${formatUnits(answer, feed.terms.decimals)}${feed.status === "held" ? " (a newer answer is in doubt)" : ""}`);
  show("proof", "checking signatures, history and proof …");
  const check = await verifyRound({ hub, endpoints: [rpc], feedId, roundId });
  const failed = check.steps.filter((step) => step.state === "fails").map((step) => step.detail);
  show("proof", [`round ${String(roundId)}: ${check.verdict}`, ...failed, ...check.warnings].join(". "));
}

const failed = (error: unknown): void => {
  show("proof", error instanceof Error ? error.message : String(error));
};
watchFeed(await connectHub(httpEndpoint(rpc), hub), feedId, (feed) => void prove(feed).catch(failed), { onError: failed });
