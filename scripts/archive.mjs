// npm run archive [-- --python 3.12] [-- --out backtrail.tar.gz]: one file for servers without a network: the built program, its
// production modules, this machine's Node binary and the wheels that GPU images usually lack.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values } = parseArgs({ options: { python: { type: "string", default: "3.12" }, out: { type: "string" } } });
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const name = `backtrail-${version}-${process.platform}-${process.arch}`;
const out = resolve(values.out ?? join(root, `${name}.tar.gz`));

/** Wheels beside PyTorch and transformers, at the versions of the lock. */
const wheels = ["pyzmq", "msgspec"];
const lock = readFileSync(join(root, "py", "requirements.lock"), "utf8");
const pinned = wheels.map((wheel) => lock.split("\n").find((line) => line.startsWith(`${wheel}==`)));

const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", ...options });

/** What a running program does not need. */
const dropped =
  /\.(map|md|markdown|d\.ts|d\.mts|d\.cts|ts|cc|h|hpp|gyp|flow)$|^(test|tests|docs|examples|bench|script|vendor)(\/|$)|__pycache__/i;

function copyModules(target) {
  const paths = run("npm", ["ls", "--omit=dev", "--all", "--parseable"]).trim().split("\n").slice(1);
  for (const path of paths) {
    const inside = relative(root, path);
    cpSync(path, join(target, inside), {
      recursive: true,
      filter: (source) => {
        const local = relative(path, source);
        return (
          local === "" || (!dropped.test(local) && !basename(source).startsWith(".") && !/(^|\/)node_modules(\/|$)/.test(local))
        );
      },
    });
  }
  // zeromq ships a build for every platform; only this one's can be loaded here.
  const builds = join(target, "node_modules", "zeromq", "build");
  for (const platform of readdirSync(builds)) {
    if (!statSync(join(builds, platform)).isDirectory()) continue;
    if (platform !== process.platform) rmSync(join(builds, platform), { recursive: true });
    else
      for (const arch of readdirSync(join(builds, platform)))
        if (arch !== process.arch) rmSync(join(builds, platform, arch), { recursive: true });
  }
}

function unpackWheels(target) {
  const downloads = mkdtempSync(join(tmpdir(), "backtrail-wheels-"));
  const venv = join(root, ".venv", "bin", "python");
  const python = existsSync(venv) ? venv : "python3";
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  const platforms = ["manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014"].map((base) => `${base}_${machine}`);
  const flags = platforms.flatMap((platform) => ["--platform", platform]);
  run(python, [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--implementation",
    "cp",
    "--python-version",
    values.python,
    ...flags,
    "-d",
    downloads,
    ...pinned,
  ]);
  for (const file of readdirSync(downloads)) run(python, ["-m", "zipfile", "-e", join(downloads, file), target]);
  rmSync(downloads, { recursive: true });
}

run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
const staging = mkdtempSync(join(tmpdir(), "backtrail-archive-"));
const target = join(staging, name);
mkdirSync(join(target, "bin"), { recursive: true });
for (const folder of ["dist", "py", "configs"]) {
  cpSync(join(root, folder), join(target, folder), {
    recursive: true,
    filter: (source) => !/__pycache__|_cache|\.map$/.test(source),
  });
}
for (const file of ["package.json", "README.md"]) cpSync(join(root, file), join(target, file));
copyModules(target);
unpackWheels(join(target, "site"));
cpSync(process.execPath, join(target, "bin", "node"));
const launcher = `#!/bin/sh
# Runs Backtrail from this folder. BACKTRAIL_PYTHON names the Python that has PyTorch and transformers.
here=$(cd "$(dirname "$0")" && pwd)
# The wheels of this archive are for one version of Python: what that Python has itself comes first.
if ! "\${BACKTRAIL_PYTHON:-python3}" -c "import msgspec, zmq" 2>/dev/null; then
  export PYTHONPATH="$here/site\${PYTHONPATH:+:$PYTHONPATH}"
fi
exec "$here/bin/node" "$here/dist/main.js" "$@"
`;
writeFileSync(join(target, "backtrail"), launcher);
chmodSync(join(target, "backtrail"), 0o755);
try {
  run("strip", [join(target, "bin", "node")], { stdio: "ignore" });
} catch {
  console.log("strip is not here or cannot read this Node: the archive is larger by its symbols");
}
run("tar", ["-C", staging, "--owner=0", "--group=0", "-czf", out, name]);
rmSync(staging, { recursive: true });
console.log(`${out}: ${(statSync(out).size / 2 ** 20).toFixed(1)} MiB`);
