// Content-addressed artefacts: a directory per key with a manifest of all that went into it, published by rename and never
// changed. Knows nothing of what a stage means.

import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { mapBounded } from "../lib/bounded.ts";
import { UserError } from "../lib/errors.ts";
import { digest, type Json, sha256 } from "../lib/hash.ts";
import { makeFolder, sha256File, storeError, syncPath, writeAtomic } from "./files.ts";
import { clearDeadLocks, type HeldLock, type LockWait, readLock, waitForLock } from "./lock.ts";
import { isAlive, type Owner, thisOwner } from "./owner.ts";
import { keepReserve } from "./reserve.ts";

export interface Manifest {
  readonly kind: string;
  readonly key: string;
  readonly settings: Json;
  /** Role -> key of the input artefact, and -> digest of its files at the time. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly inputDigests: Readonly<Record<string, string>>;
  /** Of all files. */
  readonly digest: string;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
  readonly code: Readonly<Record<string, string>>;
  readonly machine: Json;
  readonly startedAt: string;
  readonly seconds: number;
  /** What the stage says of its result. */
  readonly summary: Json;
}

export interface Artefact {
  readonly kind: string;
  readonly key: string;
  readonly directory: string;
  readonly manifest: Manifest;
}

export interface ArtefactOrigin {
  readonly settings: Json;
  readonly inputs: Readonly<Record<string, Artefact>>;
  readonly code: Readonly<Record<string, string>>;
  readonly machine: Json;
  /** When work on it began, by `performance.now()`: a clock that is set meanwhile must not be taken for work. Default: now. */
  readonly begun?: number;
}

export const manifestName = "manifest.json";
/** Files that are read at a time: enough to keep a network disk busy. */
export const filesAtOnce = 32;
/** What lies in a store beside its kinds of artefacts. */
export const storeFolders = { work: "work", locks: "locks", cache: "cache", trash: "trash", sweeps: "sweeps" } as const;

export class Store {
  readonly root: string;
  /** Once per process: a run reads the same artefacts in many stages. */
  readonly #verified = new Set<string>();

  private constructor(root: string) {
    this.root = root;
  }

  /** The store at that folder, which is made. Throws UserError("store") naming the path and the reason. */
  static async open(root: string): Promise<Store> {
    const work = join(root, storeFolders.work);
    await makeFolder(work);
    try {
      const probe = join(root, `.probe-${randomUUID()}`);
      await mkdir(probe);
      await rm(probe, { recursive: true });
      for (const name of await readdir(work)) {
        if (await isAbandoned(name)) await rm(join(work, name), { recursive: true, force: true });
      }
    } catch (error) {
      throw storeError(error, root);
    }
    await keepReserve(root);
    await clearDeadLocks(join(root, storeFolders.locks));
    return new Store(root);
  }

  /** The store if it is there; for commands that write nothing. */
  static async openExisting(root: string): Promise<Store | undefined> {
    const found = await stat(root).catch(() => undefined);
    return found?.isDirectory() ? new Store(root) : undefined;
  }

  /**
   * The artefact of that key, or undefined when none was published. Throws UserError("artefact-changed") when a file is gone
   * or has another size than recorded.
   */
  async find(kind: string, key: string): Promise<Artefact | undefined> {
    const directory = join(this.root, kind, key);
    const text = await readFile(join(directory, manifestName), "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const manifest = parseManifest(text, join(directory, manifestName));
    for (const [name, file] of Object.entries(manifest.files)) {
      const found = await stat(join(directory, name)).catch(() => undefined);
      if (found?.size !== file.bytes)
        throw changed(join(directory, name), found === undefined ? "is gone" : "has another size than when it was made");
    }
    return { kind, key, directory, manifest };
  }

  /** Reads every file and compares digests. Throws UserError("artefact-changed") naming the file. */
  async verify(artefact: Artefact): Promise<void> {
    const seen = `${artefact.kind}/${artefact.key}`;
    if (this.#verified.has(seen)) return;
    for (const [name, file] of Object.entries(artefact.manifest.files)) {
      const path = join(artefact.directory, name);
      if ((await sha256File(path).catch(() => "")) !== file.sha256) throw changed(path, "was changed after it was made");
    }
    this.#verified.add(seen);
  }

  /**
   * Has `write` fill a private folder, then hashes it and publishes it by rename. When another process published the same
   * key first, that artefact is returned. What `write` answers is the manifest's summary.
   */
  async publish(
    kind: string,
    key: string,
    origin: ArtefactOrigin,
    write: (directory: string) => Promise<Json>,
  ): Promise<Artefact> {
    const begun = origin.begun ?? performance.now();
    const draft = join(this.root, storeFolders.work, await draftName(kind, key));
    const target = join(this.root, kind, key);
    try {
      await mkdir(draft, { recursive: true });
      await mkdir(join(this.root, kind), { recursive: true });
      const summary = await write(draft);
      const files = await hashAndSync(draft);
      const roles = Object.entries(origin.inputs);
      const manifest: Manifest = {
        kind,
        key,
        settings: origin.settings,
        inputs: Object.fromEntries(roles.map(([role, input]) => [role, input.key])),
        inputDigests: Object.fromEntries(roles.map(([role, input]) => [role, input.manifest.digest])),
        digest: digest(files),
        files,
        code: origin.code,
        machine: origin.machine,
        ...timesSince(begun),
        summary,
      };
      await writeAtomic(join(draft, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
      await rename(draft, target);
      await syncPath(join(this.root, kind));
      return { kind, key, directory: target, manifest };
    } catch (error) {
      const told = storeError(error, target);
      await rm(draft, { recursive: true, force: true }).catch(() => undefined);
      const code = (error as NodeJS.ErrnoException).code;
      const first = code === "ENOTEMPTY" || code === "EEXIST" ? await this.find(kind, key) : undefined;
      if (first !== undefined) return first;
      throw told;
    }
  }

  /** A folder for a stage in progress; it outlives a crash, so that the stage can go on. */
  async workDirectory(kind: string, key: string): Promise<string> {
    const directory = this.#work(kind, key);
    await makeFolder(directory);
    return directory;
  }

  /** Whether a stage was begun and not finished. */
  async hasWork(kind: string, key: string): Promise<boolean> {
    return (await stat(this.#work(kind, key)).catch(() => undefined)) !== undefined;
  }

  /** The living process that works on a stage. */
  holder(kind: string, key: string): Promise<HeldLock | undefined> {
    return readLock(join(this.root, storeFolders.locks, `${kind}-${key}`));
  }

  /**
   * Has `make` work on a stage while no other process does: runs that share a store share its stages in progress. Whoever
   * waited finds the artefact of the other and makes nothing. What a crash left of a finished stage is cleared away.
   */
  async exclusively(
    kind: string,
    key: string,
    options: LockWait & { readonly isCurrent?: (found: Artefact) => boolean },
    make: () => Promise<Artefact>,
  ): Promise<Artefact> {
    const lock = await waitForLock(join(this.root, storeFolders.locks, `${kind}-${key}`), options);
    try {
      const found = await this.find(kind, key);
      const isCurrent = found !== undefined && (options.isCurrent?.(found) ?? true);
      if (found !== undefined) await this.discardWork(kind, key);
      if (isCurrent) return found;
      if (found !== undefined) await this.#setAside(found);
      return await make();
    } finally {
      await lock.release();
    }
  }

  /** To the trash, which only `store gc --delete` empties. */
  async #setAside({ kind, key, directory }: Artefact): Promise<void> {
    const trash = join(this.root, storeFolders.trash);
    await makeFolder(trash);
    await rename(directory, join(trash, randomUUID()));
    this.#verified.delete(`${kind}/${key}`);
  }

  async discardWork(kind: string, key: string): Promise<void> {
    await rm(this.#work(kind, key), { recursive: true, force: true });
  }

  /** All published artefacts of a kind, by manifest, in the order of their keys. Each call reads every manifest: call it once. */
  async list(kind: string): Promise<Manifest[]> {
    const keys = await readdir(join(this.root, kind)).catch(() => []);
    const manifests = await mapBounded(keys.sort(), filesAtOnce, async (key) => {
      const path = join(this.root, kind, key, manifestName);
      const text = await readFile(path, "utf8").catch(() => undefined);
      return text === undefined ? [] : [parseManifest(text, path)];
    });
    return manifests.flat();
  }

  #work(kind: string, key: string): string {
    return join(this.root, storeFolders.work, `${kind}-${key}`);
  }
}

function timesSince(begun: number): Pick<Manifest, "startedAt" | "seconds"> {
  const elapsed = performance.now() - begun;
  return { startedAt: new Date(Date.now() - elapsed).toISOString(), seconds: elapsed / 1000 };
}

/** Says whose draft it is, so that one left by a crash can be told from one in use. */
async function draftName(kind: string, key: string): Promise<string> {
  const { host, pid, born } = await thisOwner();
  return `draft-${kind}-${key.slice(0, 16)}-${hostMark(host)}.${pid}.${born}.${randomUUID()}`;
}

function hostMark(host: string): string {
  return sha256(host).slice(0, 8);
}

/** Whether a name under work/ is the draft of a process of this host that is gone. */
export async function isAbandoned(name: string): Promise<boolean> {
  const match = /^draft-.+-([0-9a-f]{8})\.(\d+)\.(\d*)\.[^.]+$/.exec(name);
  const { host } = await thisOwner();
  if (match === null || match[1] !== hostMark(host)) return false;
  const owner: Owner = { host, pid: Number(match[2]), born: match[3] as string };
  return !(await isAlive(owner));
}

function parseManifest(text: string, path: string): Manifest {
  try {
    return JSON.parse(text) as Manifest;
  } catch {
    throw changed(path, "is not JSON any more, so it was changed");
  }
}

/** Digests of all files below a folder. They are made durable first: a rename may reach the disk before the bytes do. */
async function hashAndSync(directory: string): Promise<Record<string, { sha256: string; bytes: number }>> {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    await syncPath(path);
    files[relative(directory, path)] = { sha256: await sha256File(path), bytes: (await stat(path)).size };
  }
  for (const entry of entries) if (entry.isDirectory()) await syncPath(join(entry.parentPath, entry.name));
  return files;
}

function changed(path: string, what: string): UserError {
  return new UserError(
    "artefact-changed",
    `${path}: ${what}; artefacts are never changed by hand. Remove its folder to have it made again by the next run.`,
  );
}
