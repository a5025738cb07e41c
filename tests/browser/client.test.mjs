// A client that openapi-typescript generates from the served contract compiles strictly and runs the scenario.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { serve } from "./harness.mjs";

const packages = process.env.TEST_NODE_MODULES;
// Beside the packages, so that imports by name resolve.
const work = join(packages, "..", "client");

const run = (tool, ...args) =>
  execFileSync(process.execPath, [join(packages, tool), ...args], { cwd: work, encoding: "utf8" });

test("a client generated from the contract runs the scenario", async () => {
  const server = await serve();
  try {
    mkdirSync(work, { recursive: true });
    const contract = await (await fetch(`${server.url}/openapi.json`)).text();
    writeFileSync(join(work, "openapi.json"), contract);
    writeFileSync(join(work, "package.json"), '{"type": "module"}');
    copyFileSync(join(dirname(fileURLToPath(import.meta.url)), "scenario.ts"), join(work, "scenario.ts"));
    run("openapi-typescript/bin/cli.js", "openapi.json", "--output", "contract.ts");
    run("typescript/bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext",
      "--lib", "es2022,dom,dom.iterable,dom.asynciterable", "--types", "node", "--typeRoots", join(packages, "@types"), "--outDir", "out", "scenario.ts");
    writeFileSync(join(work, "out", "package.json"), '{"type": "module"}');
    const said = execFileSync(process.execPath, ["out/scenario.js", server.url, server.key], { cwd: work, encoding: "utf8" });
    assert.match(said, /\d+ rows were told/);
  } finally {
    await server.close();
  }
});
