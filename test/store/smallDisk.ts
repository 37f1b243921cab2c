// Disks of a few MiB that a test can fill: a tmpfs in a mount namespace of its own, which needs no root where user namespaces
// are allowed. What happens on it is a script's, since the namespace is a process's.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const inNamespace = (script: string) =>
  spawnSync("unshare", ["-Urm", "sh", "-c", script], { encoding: "utf8", timeout: 60_000 });

/** Why no small disk can be had here; undefined where one can. */
export function noSmallDisk(): string | undefined {
  const { status, error, stderr } = inNamespace("mount -t tmpfs -o size=64k tmpfs /mnt");
  return status === 0 ? undefined : `no user namespace: ${error?.message ?? stderr.trim()}`;
}

/** Runs a script on a new disk of so many KiB mounted at `folder`; what it prints, a JSON value. */
export function onSmallDisk(script: URL, folder: string, kib: number, args: readonly string[] = []): unknown {
  const file = fileURLToPath(script);
  const words = [process.execPath, "--import", "tsx", file, folder, ...args].map((word) => `'${word}'`).join(" ");
  const { stdout, stderr, status } = inNamespace(`mount -t tmpfs -o size=${kib}k tmpfs '${folder}' && exec ${words}`);
  if (status !== 0) throw new Error(`${file} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}
