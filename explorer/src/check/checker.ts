import type { Hex, Hub, PublicFileName, ReportTarget, RoundCheck, Step, StepBegun } from "@verifiable-oracle/client";

import { loadPublicFiles } from "../app/public-files.js";
import { config, settings } from "../app/settings.js";
import type { FromWorker, Setting, ToWorker, Wish } from "./protocol.js";

/** Is told how a check goes. */
export interface CheckEvents {
  readonly onBegin?: (begun: StepBegun) => void;
  readonly onStep?: (step: Step) => void;
  readonly onCheck?: (check: RoundCheck) => void;
}

/** A check under way. */
export interface RunningCheck {
  /** Ends when the check does; fails if it could not be made. A stopped one ends, too. */
  readonly ended: Promise<void>;
  readonly stop: () => void;
}

/** Milliseconds for which a worker's block is the latest one: rounds that come later are not in it. */
const FRESH = 30_000;

let worker: { readonly it: Worker; readonly setting: Setting; readonly since: number } | null = null;
let lastId = 0;

/** Check one report, from all endpoints of the settings. */
export function checkReport(hub: Hub, artifacts: ReadonlySet<Hex>, target: ReportTarget, events: CheckEvents): RunningCheck {
  return run(hub, artifacts, { kind: "report", id: ++lastId, target }, events);
}

/** Check a feed's latest rounds, the newest first. */
export function checkLatest(
  hub: Hub,
  artifacts: ReadonlySet<Hex>,
  feedId: Hex,
  count: number,
  events: CheckEvents,
): RunningCheck {
  return run(hub, artifacts, { kind: "latest", id: ++lastId, feedId, count }, events);
}

function run(hub: Hub, artifacts: ReadonlySet<Hex>, wish: Wish, events: CheckEvents): RunningCheck {
  let stop: () => void = () => undefined;
  let isStopped = false;
  const ended = (async (): Promise<void> => {
    const publicFiles = await loadPublicFiles(config.value.publicFiles, artifacts);
    const setting: Setting = {
      hub: hub.address,
      endpoints: settings.value.endpoints,
      fromBlock: config.value.fromBlock,
      publicFiles,
    };
    if (isStopped as boolean) return;
    const used = workerFor(setting);
    await new Promise<void>((done, fail) => {
      const listen = (event: MessageEvent<FromWorker>): void => {
        const message = event.data;
        if (message.id !== wish.id) return;
        switch (message.kind) {
          case "begin":
            events.onBegin?.(message.begun);
            break;
          case "step":
            events.onStep?.(message.step);
            break;
          case "check":
            events.onCheck?.(message.check);
            break;
          case "done":
            used.removeEventListener("message", listen);
            done();
            break;
          case "failed":
            used.removeEventListener("message", listen);
            fail(new Error(message.message));
        }
      };
      used.addEventListener("message", listen);
      used.addEventListener("error", (event) => {
        forget(used);
        fail(new Error(`The check could not be started: ${event.message}. Reload the page, and try again.`));
      });
      stop = () => {
        forget(used);
        used.terminate();
        done();
      };
      send(used, wish);
    });
  })();
  return {
    ended,
    stop: () => {
      isStopped = true;
      stop();
    },
  };
}

/** The worker of a setting. For a while it keeps what it has read, so the next check is quicker. */
function workerFor(setting: Setting): Worker {
  const now = Date.now();
  if (worker !== null && isSame(worker.setting, setting)) {
    if (now - worker.since < FRESH) return worker.it;
    // It begins again at the latest block. A check under way goes on with what it has.
    send(worker.it, { kind: "setting", setting });
    worker = { ...worker, since: now };
    return worker.it;
  }
  worker?.it.terminate();
  const it = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  send(it, { kind: "setting", setting });
  worker = { it, setting, since: now };
  return it;
}

/** True if two settings are the same, byte for byte: a folder that is picked may have the name of another one. */
function isSame(one: Setting, other: Setting): boolean {
  const plain = ({ hub, endpoints, fromBlock }: Setting): string => JSON.stringify([hub, endpoints, String(fromBlock)]);
  return (
    plain(one) === plain(other) &&
    one.publicFiles.length === other.publicFiles.length &&
    one.publicFiles.every(({ name, files }, at) => {
      const there = other.publicFiles[at];
      const names = Object.keys(files) as PublicFileName[];
      return (
        there?.name === name &&
        names.length === Object.keys(there.files).length &&
        names.every((each) => sameBytes(files[each], there.files[each]))
      );
    })
  );
}

function sameBytes(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === other || (one?.length === other?.length && one?.every((byte, at) => byte === other?.[at]) === true);
}

function forget(used: Worker): void {
  if (worker?.it === used) worker = null;
}

function send(to: Worker, message: ToWorker): void {
  to.postMessage(message);
}
