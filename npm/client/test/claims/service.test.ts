import { expect, test } from "vitest";

import {
  ClaimNotMet,
  ClaimRequestError,
  generateInferenceProof,
  newSalt,
  readServedModels,
  ServiceUnavailable,
  WrongClaim,
  type ClaimJob,
  type InferenceRequest,
} from "../../src/claims/index.js";
import { isObject, parseJson, type JsonObject } from "../../src/json.js";

const SUBJECT = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const URL_ = "http://127.0.0.1:1";
const MODEL_ID = `0x${"0a".repeat(32)}`;
const COMMITMENT = `0x${"0b".repeat(32)}`;
const EXPIRES = 4_000_000_000;
const REQUEST: InferenceRequest = {
  modelIdentifier: "credit",
  inputs: { age: 30, purpose: "car" },
  outputConstraint: { atLeast: 0.6 },
  subject: SUBJECT,
};
const SIGNED = { issuer: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", issued_at: 5, expires_at: EXPIRES, signature: "0x1234" };
const ATTESTED = JSON.stringify({ format: "attestation-v1", model_id: MODEL_ID, subject: SUBJECT, commitment: COMMITMENT, attestation: SIGNED });

function claim(change: JsonObject = {}): string {
  const told: JsonObject = {
    format: "claim-v2",
    model: "credit",
    model_id: MODEL_ID,
    commitment: COMMITMENT,
    subject: SUBJECT.toLowerCase(),
    expires_at: EXPIRES,
    terms: { bounds: [{ output: 0, lo: 5, hi: 7 }], changes: [], earlier: null },
    unit: 16384,
    attestation: null,
    ...change,
  };
  // A bound is larger than what a number has.
  return JSON.stringify(told).replace('"hi":7', '"hi":170141183460469231731687303715884105727');
}

const job = (state: string, more = ""): string => `{"id":"j-1","model":"credit","state":"${state}","ahead":0,"asked_at":1${more}}`;
const event = (state: string, more = ""): string => `event: ${state}\ndata: ${job(state, more)}\n\n`;

interface Asked {
  method: string;
  path: string;
  token: string | null;
  body: string | null;
}

/** A service that answers each path's requests in order. A list of texts is a stream, whose last `null` breaks it. */
function service(answers: Record<string, (Response | (string | null)[])[]>) {
  const asked: Asked[] = [];
  return {
    asked,
    url: URL_,
    token: "t",
    sleep: () => Promise.resolve(),
    fetch: (url: string, init: RequestInit): Promise<Response> => {
      const path = `${init.method ?? "GET"} ${new URL(url).pathname}`;
      const token = new Headers(init.headers).get("authorization");
      asked.push({ method: init.method ?? "", path, token, body: typeof init.body === "string" ? init.body : null });
      if (path.startsWith("DELETE")) return Promise.resolve(new Response(null, { status: 204 }));
      const answer = answers[path]?.shift();
      if (answer === undefined) return Promise.reject(new TypeError("fetch failed"));
      return Promise.resolve(answer instanceof Response ? answer : new Response(streamed(answer)));
    },
  };
}

function streamed(parts: (string | null)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const part = parts.shift();
      if (part === undefined) controller.close();
      else if (part === null) controller.error(new Error("broken"));
      else controller.enqueue(new TextEncoder().encode(part));
    },
  });
}

const taken = (more = ""): Response => new Response(job("waiting", more), { status: 202 });
const proven = (change: JsonObject = {}): string => event("proven", `,"claim":${claim(change)}`);

test("a claim is asked for, waited for and returned whole; nothing of it stays", async () => {
  const text = proven();
  const fake = service({
    "POST /v1/claims": [taken()],
    "GET /v1/claims/j-1/events": [[": alive\n\n", event("proving"), text.slice(0, 50), text.slice(50)]],
  });
  const states: string[] = [];
  const found = await generateInferenceProof(REQUEST, { ...fake, onProgress: (each: ClaimJob) => states.push(each.state) });
  expect(found).toMatchObject({ model: "credit", modelId: MODEL_ID, subject: SUBJECT, expiresAt: EXPIRES });
  expect(found.text).toContain('"hi":170141183460469231731687303715884105727');
  expect(states).toEqual(["waiting", "proving", "proven"]);
  expect(fake.asked.map((each) => each.path)).toEqual(["POST /v1/claims", "GET /v1/claims/j-1/events", "DELETE /v1/claims/j-1"]);
  const body = parseJson(fake.asked[0]?.body ?? "");
  expect(body).toMatchObject({ model: "credit", inputs: REQUEST.inputs, constraint: { at_least: 0.6 }, subject: SUBJECT, salt: found.salt });
  expect(isObject(body) && "expires_at" in body).toBe(false);
});

test("who has no token gets a key for this one job", async () => {
  const fake = service({ "POST /v1/claims": [taken(',"key":"k"')], "GET /v1/claims/j-1/events": [[proven({ attestation: SIGNED })]] });
  const request = { ...REQUEST, attestation: ATTESTED, salt: [1, 2, 3] as const };
  await generateInferenceProof(request, { url: URL_, sleep: fake.sleep, fetch: fake.fetch });
  expect(fake.asked.map((each) => each.token)).toEqual([null, "Bearer k", "Bearer k"]);
});

test("a connection that is lost is opened again, and not without end", async () => {
  const fake = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[event("proving"), null], [], [proven()]] });
  await generateInferenceProof(REQUEST, fake);
  const lost = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [] });
  await expect(generateInferenceProof(REQUEST, lost)).rejects.toThrow(ServiceUnavailable);
  expect(lost.asked.filter((each) => each.path.endsWith("/events"))).toHaveLength(6);
  expect(lost.asked.at(-1)?.method).toBe("DELETE");
});

test("a claim that does not hold, and one of which nothing is known", async () => {
  const ends = (state: string) => service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[event(state, ',"reason":"because"')]] });
  await expect(generateInferenceProof(REQUEST, ends("refused"))).rejects.toThrow(ClaimNotMet);
  await expect(generateInferenceProof(REQUEST, ends("failed"))).rejects.toThrow("has not proven it: because");
});

test.each<[string, JsonObject]>([
  ["of another model", { model: "identity" }],
  ["of another subject", { subject: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" }],
  ["with another expiry", { expires_at: "soon" }],
  ["that has expired", { expires_at: 1_000 }],
  ["without terms", { terms: {} }],
  ["about other outputs", { terms: { bounds: [], changes: [], earlier: null } }],
  ["about other outputs", { terms: { bounds: [{}, {}], changes: [], earlier: null } }],
  ["about other outputs", { terms: { bounds: [{}], changes: [{}], earlier: COMMITMENT } }],
])("a service that gives a claim %s", async (problem, change) => {
  const fake = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[proven(change)]] });
  await expect(generateInferenceProof(REQUEST, fake)).rejects.toThrow(WrongClaim);
  const again = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[proven(change)]] });
  await expect(generateInferenceProof(REQUEST, again)).rejects.toThrow(problem);
});

test.each<[string, JsonObject]>([
  ["another attestation", { attestation: { ...SIGNED, signature: "0x9999" } }],
  ["another attestation", {}],
  ["commitment is another", { attestation: SIGNED, commitment: `0x${"0c".repeat(32)}` }],
  ["model_id is another", { attestation: SIGNED, model_id: `0x${"0c".repeat(32)}` }],
])("a service that gives a claim of other data than were attested: %s", async (problem, change) => {
  const fake = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[proven(change)]] });
  await expect(generateInferenceProof({ ...REQUEST, attestation: ATTESTED, salt: [1, 2, 3] }, fake)).rejects.toThrow(problem);
});

test("an expiry that was asked for", async () => {
  const fake = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[proven()]] });
  await expect(generateInferenceProof({ ...REQUEST, expiresAt: EXPIRES - 1 }, fake)).rejects.toThrow("another expiry");
});

test("several outputs and changes", async () => {
  const fake = service({
    "POST /v1/claims": [taken()],
    "GET /v1/claims/j-1/events": [[proven({ terms: { bounds: [{}], changes: [{}], earlier: COMMITMENT } })]],
  });
  const outputConstraint = { outputs: { risk: { atMost: 0.2, change: [-0.1, 0.1] as const } } };
  const earlier = { inputs: { age: 29 }, salt: [4, 5, 6] as const };
  await generateInferenceProof({ ...REQUEST, outputConstraint, earlier }, fake);
  expect(parseJson(fake.asked[0]?.body ?? "")).toMatchObject({
    constraint: { outputs: { risk: { at_most: 0.2, change: [-0.1, 0.1] } } },
    earlier: { inputs: { age: 29 }, salt: [4, 5, 6] },
  });
});

test("a service that is full, or refuses", async () => {
  const full = new Response('{"error":"the queue is full"}', { status: 503, headers: { "retry-after": "2" } });
  await expect(generateInferenceProof(REQUEST, service({ "POST /v1/claims": [full] }))).rejects.toMatchObject({ name: "ServiceUnavailable", retryAfter: 2 });
  const refused = new Response('{"error":"send a bearer token"}', { status: 401 });
  await expect(generateInferenceProof(REQUEST, service({ "POST /v1/claims": [refused] }))).rejects.toThrow("(HTTP 401): send a bearer token");
  await expect(generateInferenceProof(REQUEST, service({}))).rejects.toThrow(ServiceUnavailable);
});

test("who gives up cancels the job", async () => {
  const fake = service({ "POST /v1/claims": [taken()], "GET /v1/claims/j-1/events": [[event("proving"), event("proving")]] });
  const stop = new AbortController();
  const onProgress = (each: ClaimJob): void => {
    if (each.state === "proving") stop.abort(new Error("enough"));
  };
  await expect(generateInferenceProof(REQUEST, { ...fake, signal: stop.signal, onProgress })).rejects.toThrow("enough");
  expect(fake.asked.at(-1)?.method).toBe("DELETE");
});

test("private data are not sent where others can read them, nor without an owner", async () => {
  const fake = service({});
  await expect(generateInferenceProof(REQUEST, { ...fake, url: "http://claims.example" })).rejects.toThrow("use https");
  await expect(generateInferenceProof(REQUEST, { ...fake, url: "claims.example" })).rejects.toThrow(ClaimRequestError);
  const { modelIdentifier, inputs } = REQUEST;
  await expect(generateInferenceProof({ modelIdentifier, inputs, outputConstraint: { atMost: 1 } }, fake)).rejects.toThrow("whose claim");
  await expect(generateInferenceProof({ ...REQUEST, attestation: ATTESTED }, fake)).rejects.toThrow("salt");
  await expect(generateInferenceProof({ ...REQUEST, outputConstraint: {} }, fake)).rejects.toThrow("says nothing");
  await expect(generateInferenceProof({ ...REQUEST, outputConstraint: { outputs: {} } }, fake)).rejects.toThrow("names no output");
  await expect(generateInferenceProof({ ...REQUEST, attestation: "[]", salt: [1, 2, 3] }, fake)).rejects.toThrow("oracle claim attest");
  expect(fake.asked).toEqual([]);
});

test("what answers is something else", async () => {
  for (const text of ["<html>", "{}", job("dancing"), job("waiting").replace("j-1", "../x")]) {
    const fake = service({ "POST /v1/claims": [new Response(text, { status: 202 })] });
    await expect(generateInferenceProof(REQUEST, fake)).rejects.toThrow("no claims service");
  }
});

test("served models", async () => {
  const text = JSON.stringify({
    models: [{ name: "credit", model_id: MODEL_ID, model_hash: "0x1", classes: [], outputs: ["a", "b"], changes: true, is_probability: true, guard_band: "±0.1 of each bound", inputs: { type: "object" } }],
  });
  const found = await readServedModels(service({ "GET /v1/models": [new Response(text)] }));
  expect(found).toEqual([
    { name: "credit", modelId: MODEL_ID, modelHash: "0x1", classes: [], outputs: ["a", "b"], hasChanges: true, isProbability: true, guardBand: "±0.1 of each bound", inputs: { type: "object" } },
  ]);
  await expect(readServedModels(service({ "GET /v1/models": [new Response("{}")] }))).rejects.toThrow("lists no models");
});

test("salts are of 48 bits, and none twice", () => {
  const limbs = Array.from({ length: 200 }, () => newSalt()).flat();
  expect(new Set(limbs).size).toBe(600);
  expect(limbs.every((each) => Number.isSafeInteger(each) && each >= 0 && each < 2 ** 48)).toBe(true);
  expect(Math.max(...limbs)).toBeGreaterThan(2 ** 46);
});
