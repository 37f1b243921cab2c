// The reaper: a shell of its own session that kills the workers' process groups and removes the coordinator's private
// folders when its stdin ends, which also happens when the coordinator is killed with SIGKILL. Invariant: a group is
// registered right after its spawn and taken off the list after its end, so nothing that a worker forked outlives the
// coordinator. Knows nothing of workers but their groups.
import { type ChildProcess, spawn } from "node:child_process";

// Reads "+ pgid", "- pgid" and "= folder" lines; at the end of input kills the groups that are left and removes the folders
// (kept in "$@", since a path may hold blanks).
const script = `
trap '' HUP INT TERM QUIT
groups=''
set --
while IFS=' ' read -r sign group; do
  if [ "$sign" = + ]; then
    groups="$groups $group"
  elif [ "$sign" = = ]; then
    set -- "$@" "$group"
  else
    left=''
    for known in $groups; do
      [ "$known" = "$group" ] || left="$left $known"
    done
    groups=$left
  fi
done
for group in $groups; do
  kill -s KILL -- "-$group" 2>/dev/null
done
[ $# -eq 0 ] || /bin/rm -rf -- "$@"
exit 0
`;

export interface Reaper {
  add(group: number): void;
  remove(group: number): void;
  /** A folder to be removed at the end. */
  remember(folder: string): void;
  /** Ends the reaper; groups still registered are killed. Idempotent. */
  close(): Promise<void>;
}

/** Starts a reaper. It does not keep Node alive. */
export function startReaper(): Reaper {
  const shell: ChildProcess = spawn("/bin/sh", ["-c", script], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: {},
    cwd: "/",
  });
  const ended = new Promise<void>((resolve) => {
    shell.once("exit", () => resolve());
    // Without /bin/sh there is no reaper; workers then rely on their parent-death signal and the end of their stdin.
    shell.once("error", () => resolve());
  });
  shell.unref();
  const input = shell.stdin;
  input?.on("error", () => undefined);
  (input as unknown as { unref?: () => void } | null)?.unref?.();
  const write = (line: string) => {
    if (input?.writable) input.write(line);
  };
  return {
    add: (group) => write(`+ ${group}\n`),
    remove: (group) => write(`- ${group}\n`),
    remember: (folder) => write(`= ${folder}\n`),
    close: async () => {
      input?.end();
      shell.ref();
      await ended;
    },
  };
}
