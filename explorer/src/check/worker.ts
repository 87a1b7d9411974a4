// Checks reports beside the page, which stays quick: a proof takes a good part of a second.

import { HubVerifier } from "@verifiable-oracle/client";

import type { FromWorker, ToWorker } from "./protocol.js";

let verifier: HubVerifier | null = null;

const tell = (message: FromWorker): void => {
  postMessage(message);
};

addEventListener("message", (event: MessageEvent<ToWorker>) => {
  void answer(event.data);
});

async function answer(message: ToWorker): Promise<void> {
  if (message.kind === "setting") {
    const { hub, endpoints, fromBlock, publicFiles } = message.setting;
    verifier = new HubVerifier({ hub, endpoints, fromBlock, publicFiles });
    return;
  }
  const { id } = message;
  try {
    if (verifier === null) throw new Error("the worker was not told what to check with");
    if (message.kind === "report") {
      const check = await verifier.check(message.target, {
        onBegin: (begun) => {
          tell({ kind: "begin", id, begun });
        },
        onStep: (step) => {
          tell({ kind: "step", id, step });
        },
      });
      tell({ kind: "check", id, check });
    } else {
      for await (const check of verifier.latest(message.feedId, message.count)) tell({ kind: "check", id, check });
    }
    tell({ kind: "done", id });
  } catch (reason) {
    tell({ kind: "failed", id, message: reason instanceof Error ? reason.message : String(reason) });
  }
}
