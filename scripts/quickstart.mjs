// npm run quickstart: builds, makes the Python environment unless a mock run or BACKTRAIL_PYTHON needs none, runs the sweep.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const flags = process.argv.slice(2);

function step(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

step(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
const main = join(root, "dist", "main.js");
if (!flags.includes("--mock") && !flags.includes("--help")) step(process.execPath, [main, "setup"]);
step(process.execPath, [main, "run", "configs/quickstart.yaml", ...flags]);
