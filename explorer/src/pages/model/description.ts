import type { Model } from "@verifiable-oracle/client";

import { loadPublicFiles } from "../../app/public-files.js";
import { config } from "../../app/settings.js";

/** What a model's public files say of it. Nobody has checked that here. */
export interface Description {
  readonly name: string;
  /** What a proof publishes, in a sentence; undefined if the files don't say. */
  readonly means: string | undefined;
}

/** Return what the public files of a model's artifact say; null if the site has none. */
export async function readDescription(model: Model): Promise<Description | null> {
  const found = await loadPublicFiles(config.value.publicFiles, new Set([model.artifactHash]));
  for (const { files } of found) {
    const manifest = files["manifest.json"];
    const description = manifest && describe(new TextDecoder().decode(manifest), model.artifactHash);
    if (description) return description;
  }
  return null;
}

/** Return what a manifest says of an artifact; null if it is none, or another artifact's. */
export function describe(manifest: string, artifactHash: string): Description | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(manifest);
  } catch {
    return null;
  }
  const document = fieldsOf(parsed);
  const name = document.get("name");
  if (`0x${String(document.get("artifact_hash"))}` !== artifactHash || typeof name !== "string") return null;
  const means = fieldsOf(fieldsOf(document.get("privacy")).get("outputs")).get("means");
  return { name, means: typeof means === "string" ? means : undefined };
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
}
