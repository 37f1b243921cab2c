// backtrail store ls and gc: what a store holds, and what of it no sweep uses any more.
import { relative, resolve } from "node:path";
import { formatBytes } from "../lib/bytes.ts";
import { UserError } from "../lib/errors.ts";
import { type Collection, collectGarbage, type Garbage } from "../store/collect.ts";
import { freeBytes } from "../store/disk.ts";
import { type Inventory, takeInventory } from "../store/inventory.ts";
import { describeHolder, ifHostIsGone } from "../store/lock.ts";
import { lookAt } from "../store/shardFolder.ts";
import { Store } from "../store/store.ts";
import { readSweeps, type SweepPlan } from "../store/sweeps.ts";
import { knownSweeps, storeUsers } from "../store/users.ts";
import type { ExitCode, Io } from "./io.ts";

export interface StoreFlags {
  readonly store: string;
  /** Empty: `results`, where it is there. */
  readonly results: readonly string[];
  readonly json: boolean;
}

interface Listed {
  readonly kind: string;
  readonly key: string | null;
  readonly path: string;
  readonly bytes: number;
  readonly madeAt: string;
  /** Stages of sweeps that name it: "quickstart: train direct". */
  readonly usedBy: readonly string[];
  /** What else there is to say of it: who works on it, what is wrong with it. */
  readonly note: string;
}

/** Prints what a store holds, the largest first. Throws UserError("store") when there is none, "file" for a missing --results. */
export async function storeListCommand(io: Io, flags: StoreFlags & { readonly kind?: string }): Promise<ExitCode> {
  const root = resolve(io.cwd, flags.store);
  if ((await Store.openExisting(root)) === undefined) throw noStore(flags.store);
  const known = (await knownSweeps(root)).filter(({ state }) => state === "there").map(({ folder }) => folder);
  const sweeps = await readSweeps([...(await resultsOf(io, flags)), ...known], root, ({ message }) => io.err(`${message}\n`));
  const all = listed(await takeInventory(root), usersOf(io, sweeps));
  const items = flags.kind === undefined ? all : all.filter(({ kind }) => kind === flags.kind);
  if (items.length === 0 && flags.kind !== undefined && all.length > 0) {
    const kinds = [...new Set(all.map(({ kind }) => kind))].sort().join(", ");
    throw new UserError("usage", `--kind: this store holds no ${flags.kind}. It holds: ${kinds}.`);
  }
  const totals = totalsOf(items);
  const [free, users] = [await freeBytes(root), await storeUsers(root)];
  if (flags.json) {
    io.out(`${JSON.stringify({ store: root, items, totals, freeBytes: free, runs: users }, null, 2)}\n`);
    return 0;
  }
  for (const item of items) io.out(`${line(item.bytes, item.kind, item.path, item.madeAt, told(item))}\n`);
  for (const [kind, { count, bytes }] of Object.entries(totals)) io.out(`${kind}: ${count}, ${formatBytes(bytes)}\n`);
  io.out(
    `${flags.store}: ${formatBytes(items.reduce((sum, { bytes }) => sum + bytes, 0))}; ${formatBytes(free)} free on its disk\n`,
  );
  for (const user of users) io.out(`in use by ${describeHolder(user)}${ifHostIsGone(user)}\n`);
  return 0;
}

export interface CollectFlags extends StoreFlags {
  readonly delete: boolean;
  readonly olderThan?: string;
  readonly dropEarlier: boolean;
}

/** Prints what no sweep uses and deletes it if asked. Throws UserError as `collectGarbage` does, and "usage" for an age that is none. */
export async function storeCollectCommand(io: Io, flags: CollectFlags): Promise<ExitCode> {
  const root = resolve(io.cwd, flags.store);
  const found = await collectGarbage(root, {
    results: await resultsOf(io, flags),
    dropEarlier: flags.dropEarlier,
    olderThanMs: flags.olderThan === undefined ? 0 : readAge(flags.olderThan),
    delete: flags.delete,
    signal: io.signal,
  });
  const bytes = found.garbage.reduce((sum, item) => sum + item.bytes, 0);
  if (flags.json) {
    const sweeps = found.sweeps.map(({ folder }) => folder);
    const garbage = found.garbage.map((item) => ({ ...item, madeAt: item.madeAt === undefined ? null : time(item.madeAt) }));
    io.out(`${JSON.stringify({ store: root, ...found, sweeps, garbage, bytes, deleted: flags.delete }, null, 2)}\n`);
    return 0;
  }
  const shown = found.garbage.filter(({ type }) => type !== "lock" && type !== "record");
  for (const item of shown) io.out(`${garbageLine(item)}\n`);
  io.out(closing(flags, found, shown.length, bytes));
  return 0;
}

function closing(flags: CollectFlags, found: Collection, count: number, bytes: number): string {
  const { kept, sweeps, users, unseen } = found;
  const what = `${count} ${count === 1 ? "item" : "items"}, ${formatBytes(bytes)}`;
  const plans = `${sweeps.length} ${sweeps.length === 1 ? "plan keeps" : "plans keep"} ${kept.artefacts} artefacts, ${formatBytes(kept.bytes)}`;
  if (flags.delete) return `${flags.store}: ${what} deleted; ${plans}\n`;
  const obstacles = [
    ...users.map(
      (user) => `In use by ${describeHolder(user)}: --delete will refuse until it has ended${ifHostIsGone(user)}.\n`,
    ),
    ...unseen.map(({ folder, host }) => `The sweep in ${folder} (host ${host}) is out of sight: --delete will refuse.\n`),
  ];
  const next = count === 0 ? "" : " Nothing was deleted: this is a dry run. --delete deletes.";
  return `${flags.store}: ${what} to delete; ${plans}.${next}\n${obstacles.join("")}`;
}

function noStore(folder: string): UserError {
  return new UserError("store", `${folder}: there is no store here. Give its folder with --store.`);
}

/** Absolute. Throws UserError("file") for a folder that the user named and that is not there. */
async function resultsOf(io: Io, { results }: StoreFlags): Promise<string[]> {
  for (const folder of results) {
    if (Array.isArray(await lookAt(resolve(io.cwd, folder)))) continue;
    throw new UserError("file", `--results: there is no folder ${folder}. Give the folder that holds the sweeps' results.`);
  }
  return (results.length === 0 ? ["results"] : results).map((folder) => resolve(io.cwd, folder));
}

const ageUnits: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function readAge(text: string): number {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)([mhd])$/.exec(text) ?? [];
  const ms = ageUnits[unit];
  if (amount !== undefined && ms !== undefined) return Number(amount) * ms;
  throw new UserError("usage", `--older-than: expected a number and m, h or d (30m, 12h, 7d), found ${JSON.stringify(text)}.`);
}

function listed(inventory: Inventory, usedBy: (stage: { kind: string; key: string }) => readonly string[]): Listed[] {
  const artefacts = inventory.artefacts.map((item) => ({ ...item, usedBy: usedBy(item), note: item.damage ?? "" }));
  const work = inventory.work.map((item) => ({
    ...item,
    kind: "work",
    usedBy: usedBy(item),
    note: item.holder === undefined ? "interrupted" : `in progress, ${describeHolder(item.holder)}${ifHostIsGone(item.holder)}`,
  }));
  const none = { key: null, usedBy: [] };
  const drafts = inventory.drafts.map((item) => ({
    ...item,
    ...none,
    kind: "draft",
    note: item.isAbandoned ? "left by a process that is gone" : "being written",
  }));
  const caches = inventory.caches.map((item) => ({ ...item, ...none, kind: "cache", note: "made again when it is needed" }));
  const leftovers = inventory.leftovers.map((item) => ({ ...item, ...none, kind: "leftover", note: "to be deleted" }));
  return [...artefacts, ...work, ...drafts, ...caches, ...leftovers]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ kind, key, path, bytes, madeAt, usedBy: users, note }) => ({
      kind,
      key,
      path,
      bytes,
      madeAt: time(madeAt),
      usedBy: users,
      note,
    }));
}

function usersOf(io: Io, sweeps: readonly SweepPlan[]) {
  const users = new Map<string, string[]>();
  for (const { folder, stages } of sweeps) {
    for (const { kind, key, id } of stages) {
      const name = `${kind}-${key}`;
      users.set(name, [...(users.get(name) ?? []), `${relative(io.cwd, folder)}: ${id}`]);
    }
  }
  return ({ kind, key }: { kind: string; key: string }) => users.get(`${kind}-${key}`) ?? [];
}

function totalsOf(items: readonly Listed[]): Record<string, { count: number; bytes: number }> {
  const totals: Record<string, { count: number; bytes: number }> = {};
  for (const { kind, bytes } of items) {
    const { count, bytes: sum } = totals[kind] ?? { count: 0, bytes: 0 };
    totals[kind] = { count: count + 1, bytes: sum + bytes };
  }
  return totals;
}

function told({ usedBy, note }: Listed): string {
  const [first = "no sweep uses it", ...others] = usedBy;
  const users = others.length === 0 ? first : `${first} and ${others.length} more`;
  return note === "" ? users : usedBy.length === 0 ? note : `${users}; ${note}`;
}

function garbageLine({ type, path, bytes, madeAt, reason }: Garbage): string {
  return line(bytes, type, path, madeAt === undefined ? undefined : time(madeAt), reason);
}

// As wide as `work/problems-` and twelve characters of a key.
const pathWidth = 26;

function line(bytes: number, kind: string, path: string, madeAt: string | undefined, what: string): string {
  const shown = path.replace(/([0-9a-f]{12})[0-9a-f]{52}/, "$1").slice(0, 40);
  const age = madeAt === undefined ? "" : `${formatAge(Date.now() - Date.parse(madeAt))} old`;
  return `${formatBytes(bytes).padStart(9)}  ${kind.padEnd(8)}  ${shown.padEnd(pathWidth)}  ${age.padEnd(10)}  ${what}`;
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function formatAge(milliseconds: number): string {
  const minutes = Math.max(0, milliseconds / 60_000);
  if (minutes < 60) return `${Math.floor(minutes)} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
