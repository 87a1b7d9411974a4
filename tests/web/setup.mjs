/**
 * vitest's global set-up: tests find the scene with `inject("scene")`.
 *
 * `make test-web` starts one scene for all projects, and names the file that describes it in WEB_SCENE. Without it, one
 * is started here.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

const ROOT = path.resolve(import.meta.dirname, "../..");

export default async function setup(project) {
  const described = process.env["WEB_SCENE"];
  if (described !== undefined) {
    project.provide("scene", JSON.parse(await readFile(described, "utf8")));
    return undefined;
  }
  const python = path.join(ROOT, ".venv", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const scene = spawn(python, ["-m", "tests.web.scene"], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => scene.once("exit", resolve));
  const lines = createInterface({ input: scene.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) {
    throw new Error("the scene ended before it stood: run `.venv/bin/python -m tests.web.scene` to see why");
  }
  project.provide("scene", JSON.parse(first.value));
  return async () => {
    scene.stdin.end();
    await ended;
  };
}
