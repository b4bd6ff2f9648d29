// The core in WebAssembly: known answers, laws, and published attacks. Run by `cargo xtask wasm`, which gives the module and
// the folder; by `cargo xtask attacks` with `--attacks`, for those alone.

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { argv, exit } from "node:process";

const SEEDS = [1, 2, 3, 0xffffffff];
const ROUNDS = 10;

const [modulePath, vectorsFolder, only] = argv.slice(2);
const require = createRequire(import.meta.url);
const core = load();

/// A new instance of the module.
function load() {
  delete require.cache[require.resolve(modulePath)];
  return require(modulePath);
}

let held = 0;
let failed = 0;

function check(what, run) {
  const started = performance.now();
  try {
    const report = run() ?? "";
    held += 1;
    console.log(`ok    ${what}: ${report} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${what}: ${error.message ?? error}`);
  }
}

if (only !== "--attacks") {
  check("self-test", () => core.self_test());

  // The check itself must be able to fail.
  check("a wrong answer is refused", () => {
    try {
      core.check_vectors("empty.json", "{}");
    } catch (error) {
      return error.message;
    }
    throw new Error("accepted");
  });

  const vectors = readdirSync(vectorsFolder).filter((name) => name.endsWith(".json")).sort();
  if (vectors.length === 0) {
    failed += 1;
    console.log(`FAIL  ${vectorsFolder} has no vectors`);
  }
  for (const name of vectors) {
    check(name, () => core.check_vectors(basename(name), readFileSync(join(vectorsFolder, name), "utf8")));
  }

  for (const seed of SEEDS) {
    check(`laws, seed ${seed}`, () => core.run_laws(seed, ROUNDS));
  }
}

// Each in an instance of its own: what panics leaves the one that it was in unusable.
for (const name of core.attacks()) {
  check(`attack ${name}`, () => load().try_attack(name) ?? "refused");
}

console.log(`${held} held, ${failed} failed`);
exit(failed === 0 ? 0 : 1);
