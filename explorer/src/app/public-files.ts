import type { Hex, PublicFileName, PublicFiles } from "@verifiable-oracle/client";
import { signal } from "@preact/signals";

import type { PublicFolder } from "./config.js";

/** Public files that somebody has chosen from a folder of this machine. They stay in this page. */
export const pickedFiles = signal<readonly PublicFiles[]>([]);

const MANIFEST = "manifest.json";
const WANTED: ReadonlySet<string> = new Set<PublicFileName>([
  MANIFEST,
  "vk.key",
  "settings.json",
  "Verifier.sol",
  "verifier.json",
  "kzg.srs",
]);

const fetched = new Map<string, Promise<Uint8Array | null>>();

/**
 * Return the public files that the site serves, and those that were picked. A file that can't be fetched is left out: the
 * check then says what it lacks.
 *
 * @param only Hashes that the hub has: of artifacts, or of the code of their verifiers (a model has a circuit, and so an
 *   artifact, for each number of windows; the hub names one artifact and all codes). All artifacts if left out.
 */
export async function loadPublicFiles(folders: readonly PublicFolder[], only?: ReadonlySet<Hex>): Promise<PublicFiles[]> {
  const served = await Promise.all(folders.map((folder) => servedFolder(folder, only)));
  return [...served.filter((each) => each !== null), ...pickedFiles.value];
}

/** Return the model file of a public model that the site serves; null if it serves none. Nobody has checked it. */
export async function modelFile(folders: readonly PublicFolder[], artifact: Hex): Promise<Uint8Array | null> {
  for (const { files } of folders) {
    // The public files of a public model have it as its own architecture, weights included.
    const [manifest, model] = [files[MANIFEST], files["model.onnx"] ?? files["architecture.onnx"]];
    if (manifest === undefined || model === undefined) continue;
    const content = await bytesAt(manifest);
    if (content !== null && hashesOf(content).artifact === artifact) return bytesAt(model);
  }
  return null;
}

/** Return the public files among files that somebody has picked or dropped, one entry a folder. */
export async function readPicked(files: Iterable<File>): Promise<PublicFiles[]> {
  const folders = new Map<string, Map<string, File>>();
  for (const file of files) {
    if (!WANTED.has(file.name)) continue;
    const path = file.webkitRelativePath === "" ? file.name : file.webkitRelativePath;
    const folder = path.split("/").slice(0, -1).join("/");
    const there = folders.get(folder) ?? new Map<string, File>();
    folders.set(folder, there.set(file.name, file));
  }
  const found: PublicFiles[] = [];
  for (const [name, there] of folders) {
    if (!there.has(MANIFEST)) continue;
    const contents = await Promise.all(
      [...there].map(async ([file, blob]) => [file, new Uint8Array(await blob.arrayBuffer())] as const),
    );
    found.push({ name: name.split("/").at(-1) ?? name, files: Object.fromEntries(contents) });
  }
  return found;
}

async function servedFolder(folder: PublicFolder, only: ReadonlySet<Hex> | undefined): Promise<PublicFiles | null> {
  const urls = Object.entries(folder.files).filter(([name]) => WANTED.has(name));
  if (only !== undefined) {
    const manifest = urls.find(([name]) => name === MANIFEST);
    const content = manifest === undefined ? null : await bytesAt(manifest[1]);
    if (content === null) return null;
    const { artifact, code } = hashesOf(content);
    if (!(artifact !== null && only.has(artifact)) && !(code !== null && only.has(code))) return null;
  }
  const contents = await Promise.all(urls.map(async ([name, url]) => [name, await bytesAt(url)] as const));
  const there = contents.filter((each): each is readonly [string, Uint8Array] => each[1] !== null);
  return { name: folder.name, files: Object.fromEntries(there) };
}

/** Return the content of a file of this site; null if it is not there. Each is fetched once. */
function bytesAt(url: string): Promise<Uint8Array | null> {
  const known = fetched.get(url);
  if (known !== undefined) return known;
  const found = fetchBytes(url);
  fetched.set(url, found);
  return found;
}

async function fetchBytes(url: string): Promise<Uint8Array | null> {
  try {
    const answer = await fetch(url);
    return answer.ok ? new Uint8Array(await answer.arrayBuffer()) : null;
  } catch {
    return null;
  }
}

interface Hashes {
  readonly artifact: Hex | null;
  readonly code: Hex | null;
}

/** Return the hashes by which the hub knows an artifact, as its manifest has them. */
function hashesOf(manifest: Uint8Array): Hashes {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(manifest));
    if (typeof document !== "object" || document === null) return { artifact: null, code: null };
    return {
      artifact: "artifact_hash" in document ? hashOf(document.artifact_hash) : null,
      code: "verifier_code_hash" in document ? hashOf(document.verifier_code_hash) : null,
    };
  } catch {
    return { artifact: null, code: null };
  }
}

function hashOf(value: unknown): Hex | null {
  const digits = typeof value === "string" ? value.replace(/^0x/, "") : "";
  return /^[0-9a-f]{64}$/.test(digits) ? `0x${digits}` : null;
}
