import { getAddress, isAddress } from "viem";

import { ask, hostOf, isLoopback, open, pause, serverUrl, Unreachable, type Answer, type ServerOptions } from "../http.js";
import { writeJson } from "../json.js";
import { readJob, readModelDocuments, readRefusalText, requestDocument, requireAsAsked, type OwnJob } from "./documents.js";
import { ClaimNotMet, ClaimRequestError, ServiceUnavailable } from "./errors.js";
import { eventsOf } from "./events.js";
import type { ClaimJob, InferenceProof, InferenceRequest, Salt, ServedModel } from "./types.js";

/** A claims service, and how it is asked. */
export interface ClaimsService extends ServerOptions {
  /** "https://claims.example". Plain http is taken for this machine only, unless `insecure`: private data go there. */
  readonly url: string;
  /** True to send private data over plain http to another machine. */
  readonly insecure?: boolean;
  /** Milliseconds for a whole claim, waiting included; default: 600,000. */
  readonly patience?: number;
  /** Told each state of the job. */
  readonly onProgress?: (job: ClaimJob) => void;
  /** Aborted: the job is cancelled, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Milliseconds of one stream of events at most. The service ends it sooner, and it is opened again. */
const STREAM = 120_000;
const AGAIN = 1_000;
/** Times in a row that a job's events are asked for again, after the connection was lost. */
const MOST_LOST = 5;

/** Return a fresh salt. */
export function newSalt(): Salt {
  const limb = (): number => {
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
    return (high & 0xffff) * 2 ** 32 + low;
  };
  return [limb(), limb(), limb()];
}

/**
 * Return the models that a service serves, each with the JSON Schema of its inputs.
 *
 * @throws ServiceUnavailable, ClaimRequestError
 */
export async function readServedModels(service: ClaimsService): Promise<readonly ServedModel[]> {
  const answer = await asked(service, `${checkedUrl(service)}/v1/models`, {});
  return readModelDocuments(answer.text);
}

/**
 * Have a claim proven that a model's output on private inputs is within bounds, and wait for it.
 *
 * The service gets the data and the salt: ask one that you would give them to. A claim is returned only if it is of the
 * model, subject, expiry, attested data, and as many outputs and changes as were asked for. Whether its proof holds, and
 * for which bounds, `verifyInferenceProof(proof.text)` says, and the registry to which it is submitted.
 *
 * @throws ClaimNotMet if the claim does not hold; ClaimRequestError, ServiceUnavailable, WrongClaim.
 */
export async function generateInferenceProof(request: InferenceRequest, service: ClaimsService): Promise<InferenceProof> {
  if (request.attestation !== undefined && request.salt === undefined) {
    throw new ClaimRequestError("an attestation goes with the salt that its issuer drew: state `salt`");
  }
  if (request.subject === undefined && request.attestation === undefined) {
    throw new ClaimRequestError("whose claim is it? State `subject`, or an attestation");
  }
  const url = checkedUrl(service);
  const salt = request.salt ?? newSalt();
  const body = writeJson(requestDocument(request, salt));
  const limit = AbortSignal.timeout(service.patience ?? 600_000);
  const signal = service.signal === undefined ? limit : AbortSignal.any([service.signal, limit]);
  let job = readJob((await asked(service, `${url}/v1/claims`, { method: "POST", body, signal })).text);
  const target = `${url}/v1/claims/${job.id}`;
  const own: ClaimsService = job.key === null ? service : { ...service, token: job.key };
  service.onProgress?.(shown(job));
  try {
    if (!isEnd(job)) {
      for await (const told of states(own, `${target}/events`, signal)) {
        job = told;
        service.onProgress?.(shown(job));
      }
    }
  } catch (error) {
    if (limit.aborted) throw new ServiceUnavailable(`${hostOf(url)} was not done in time: try again later`);
    throw error;
  } finally {
    // It has arrived, or nobody waits any more: nothing of it has to stay there.
    await ask(target, own, { method: "DELETE" }).catch(() => undefined);
  }
  return ended(job, request, salt);
}

/** Yield a job's states until it has ended. */
async function* states(service: ClaimsService, url: string, signal: AbortSignal): AsyncGenerator<OwnJob, void, undefined> {
  const sleep = service.sleep ?? pause;
  for (let lost = 0; lost <= MOST_LOST; lost++) {
    if (lost > 0) await sleep(AGAIN);
    signal.throwIfAborted();
    try {
      const answer = await open(url, { ...service, timeout: STREAM }, "GET", undefined, signal);
      if (answer.status !== 200 || answer.body === null) throw refusal(url, await whole(answer));
      for await (const data of eventsOf(answer.body)) {
        const job = readJob(data);
        lost = 0;
        yield job;
        if (isEnd(job)) return;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ClaimRequestError || error instanceof ServiceUnavailable) throw error;
      // The connection was lost: the job goes on.
    }
  }
  throw new ServiceUnavailable(`${hostOf(url)} does not tell of its job any more: its streams end. Try again later.`);
}

function ended(job: OwnJob, request: InferenceRequest, salt: Salt): InferenceProof {
  if (job.state === "refused") throw new ClaimNotMet(job.reason === "" ? "the claim does not hold" : job.reason);
  if (job.state !== "proven" || job.claim === null) {
    throw new ServiceUnavailable(`the claims service has not proven it: ${job.reason === "" ? job.state : job.reason}`);
  }
  requireAsAsked(job.claim, request, Math.floor(Date.now() / 1_000));
  const { model_id: modelId, subject, expires_at: expiresAt } = job.claim;
  if (typeof modelId !== "string" || typeof subject !== "string" || !isAddress(subject, { strict: false }) || typeof expiresAt !== "number") {
    throw new ClaimRequestError("what the claims service gave is no claim of this release");
  }
  return { text: writeJson(job.claim), model: job.model, modelId, subject: getAddress(subject), expiresAt, salt };
}

async function asked(
  service: ClaimsService,
  url: string,
  request: { method?: string; body?: string; signal?: AbortSignal },
): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await ask(url, service, request);
  } catch (error) {
    throw error instanceof Unreachable ? new ServiceUnavailable(error.message) : error;
  }
  if (answer.status !== 200 && answer.status !== 202) throw refusal(url, answer);
  return answer;
}

async function whole(answer: Response): Promise<Answer> {
  const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
  return { status: answer.status, text: await answer.text(), retryAfter: Number.isFinite(after) ? after : null };
}

function refusal(url: string, answer: Answer): Error {
  const said = readRefusalText(answer.text) || "it does not say why";
  if (answer.status === 429 || answer.status === 503) {
    const wait = answer.retryAfter === null ? "" : `; ask again after ${String(answer.retryAfter)} s`;
    return new ServiceUnavailable(`${hostOf(url)} takes no claim now: ${said}${wait}`, answer.retryAfter);
  }
  return new ClaimRequestError(`${hostOf(url)} refuses it (HTTP ${String(answer.status)}): ${said}`);
}

function checkedUrl({ url, insecure }: ClaimsService): string {
  const checked = serverUrl(url, (problem) => new ClaimRequestError(`${problem}: write https://host`));
  if (checked.startsWith("http://") && !isLoopback(checked) && insecure !== true) {
    throw new ClaimRequestError("private data could be read on their way over http: use https, or say `insecure: true`");
  }
  return checked;
}

function isEnd({ state }: ClaimJob): boolean {
  return state === "proven" || state === "refused" || state === "failed" || state === "cancelled";
}

function shown({ id, model, state, ahead, reason }: OwnJob): ClaimJob {
  return { id, model, state, ahead, reason };
}
