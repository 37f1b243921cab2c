// Loaded into coordinators and mock workers of a chaos round through NODE_OPTIONS, before their own code: breaks from inside
// what signals cannot. The product knows nothing of it. Orders are read from files (orders.ts); without them, and in any
// other process, nothing happens.
import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import fs, { open } from "node:fs/promises";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";
import { Rng } from "../../src/lib/rng.ts";
import {
  environmentNames,
  type InjectedLine,
  orderFiles,
  type Role,
  type StandingOrders,
  type StartOrder,
  standingOrders,
  startOrder,
} from "./orders.ts";

const pollMs = 20;

/** What every fault needs of its process. */
interface Place {
  readonly folder: string;
  readonly role: Role;
  readonly rng: Rng;
  orders: StandingOrders;
  /** So many of the next messages it sends are broken, whatever the orders say. */
  breakFirst: number;
}

function roleOf([, script = "", command = ""]: readonly string[]): Role | undefined {
  if (/\bmock[/\\]main\.[jt]s$/.test(script)) return "worker";
  return /\b(src[/\\]main\.ts|dist[/\\]main\.js)$/.test(script) && command === "run" ? "coordinator" : undefined;
}

/** Notes a fault that took effect. */
function note({ folder, role }: Place, kind: string, detail = ""): void {
  const line: InjectedLine = { role, kind, detail };
  appendFileSync(join(folder, orderFiles.injected), `${JSON.stringify(line)}\n`);
}

function readOrders({ folder, role }: Place): StandingOrders {
  try {
    return standingOrders.parse(JSON.parse(readFileSync(join(folder, orderFiles.standing(role)), "utf8")));
  } catch {
    return {}; // none given yet
  }
}

type Method = (...args: unknown[]) => unknown;

/** Replaces a method by one that is given the original, bound to the object it was called on. */
function wrap(target: object, name: string, around: (original: Method, args: unknown[]) => unknown): void {
  const original: unknown = Reflect.get(target, name);
  if (typeof original !== "function") throw new Error(`chaos: there is no method ${name} to wrap`);
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    return around((...given) => Reflect.apply(original, this, given), args);
  };
  Object.defineProperty(target, name, { value: wrapped, writable: true, configurable: true });
}

/** The wall clock is off by what the orders say; timers and performance.now() are not. */
function shiftClock(place: Place): void {
  const real = Date;
  const now = () => real.now() + (place.orders.clockHours ?? 0) * 3_600_000;
  globalThis.Date = new Proxy(real, {
    get: (target, key, receiver) => (key === "now" ? now : Reflect.get(target, key, receiver)),
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  });
}

/** Every write is refused as a full disk refuses it, and the file system says that nothing is free. */
async function fillDisk(place: Place): Promise<void> {
  const refuse = (syscall: string) => {
    note(place, "disk-full", syscall);
    return Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), { errno: -28, code: "ENOSPC", syscall });
  };
  const guard = (target: object, name: string) =>
    wrap(target, name, (original, args) => (place.orders.diskFull ? Promise.reject(refuse(name)) : original(...args)));
  const handle = await open(process.execPath, "r");
  const handles: object = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ["write", "writev", "writeFile", "appendFile"]) guard(handles, name);
  for (const name of ["writeFile", "appendFile", "copyFile", "mkdir"]) guard(fs, name);
  wrap(fs, "statfs", async (original, args) => {
    const found: unknown = await original(...args);
    if (!place.orders.diskFull || typeof found !== "object" || found === null) return found;
    const none = typeof Reflect.get(found, "bavail") === "bigint" ? 0n : 0;
    return Object.assign(found, { bavail: none, bfree: none });
  });
  // Named imports of built-in modules are copies, made when the module was first imported.
  syncBuiltinESMExports();
}

/** A message as a torn or mangled copy of itself. */
function mangled(frames: readonly Buffer[], rng: Rng): { readonly how: string; readonly frames: Buffer[] } {
  const header = frames[0] ?? Buffer.alloc(0);
  const last = frames.at(-1) ?? header;
  const how = rng.pick(["cut", "missing", "extra", "scrambled", "flipped"]);
  switch (how) {
    case "cut":
      return { how, frames: [...frames.slice(0, -1), last.subarray(0, -1)] };
    case "missing":
      return { how, frames: frames.length > 1 ? frames.slice(0, -1) : [Buffer.alloc(0)] };
    case "extra":
      return { how, frames: [...frames, Buffer.from([rng.below(256)])] };
    case "flipped": {
      const at = rng.below(frames.length);
      const bytes = Buffer.from(frames[at] ?? header);
      const bit = rng.below(8 * Math.max(1, bytes.length));
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return { how, frames: [...frames.slice(0, at), bytes, ...frames.slice(at + 1)] };
    }
    default: {
      const bytes = Buffer.from(header);
      for (let at = 0; at < Math.min(8, bytes.length); at++) bytes[at] = rng.below(256);
      return { how, frames: [bytes, ...frames.slice(1)] };
    }
  }
}

function areFrames(value: unknown): value is Buffer[] {
  return Array.isArray(value) && value.every((frame) => Buffer.isBuffer(frame));
}

/** Mangles some messages of a socket, in the direction that the orders name. The first frame of a ROUTER is the peer's name. */
function corruptMessages(place: Place, socket: object, key: "corrupt" | "corruptReceived", peerFrames: number) {
  let serial = place.orders[key]?.serial;
  let left = 0;
  return (frames: unknown): unknown => {
    const order = place.orders[key];
    if (order !== undefined && order.serial !== serial) {
      serial = order.serial;
      left = order.messages;
    }
    if (!areFrames(frames)) return frames;
    const first = key === "corrupt" && place.breakFirst > 0;
    if (first) place.breakFirst--;
    else if (order === undefined || left === 0 || place.rng.uniform() >= order.share) return frames;
    else left--;
    const { how, frames: broken } = mangled(frames.slice(peerFrames), place.rng);
    note(place, key, `${socket.constructor.name} ${how}`);
    return [...frames.slice(0, peerFrames), ...broken];
  };
}

/** Whether a message holds one of the poisoned seeds: the pair of words stands in a raw frame of the job. */
function holdsPoison(frames: unknown, poison: readonly string[]): boolean {
  return areFrames(frames) && frames.some((frame) => poison.some((seed) => frame.indexOf(seed, 0, "hex") >= 0));
}

function wrapSockets(place: Place): void {
  const zeromq: Record<string, { prototype: object }> = createRequire(process.argv[1] ?? "")("zeromq");
  const socket = (place.role === "worker" ? zeromq.Dealer : zeromq.Router)?.prototype;
  if (socket === undefined) throw new Error("chaos: zeromq has no such socket");
  const peerFrames = place.role === "worker" ? 0 : 1;
  const outgoing = corruptMessages(place, socket, "corrupt", peerFrames);
  const incoming = corruptMessages(place, socket, "corruptReceived", peerFrames);
  wrap(socket, "send", (original, [frames, ...rest]) => original(outgoing(frames), ...rest));
  wrap(socket, "receive", async (original, args) => {
    const frames: unknown = await original(...args);
    if (place.role === "worker" && holdsPoison(frames, place.orders.poison ?? [])) {
      note(place, "poison");
      process.kill(process.pid, "SIGKILL");
    }
    return incoming(frames);
  });
}

/** The start order that this worker takes: one that nobody else took, if any. */
function takeStartOrder({ folder }: Place): StartOrder | undefined {
  const names = readdirSync(folder).filter((name) => orderFiles.startPattern.test(name));
  for (const name of names.sort()) {
    try {
      const order = startOrder.parse(JSON.parse(readFileSync(join(folder, name), "utf8")));
      rmSync(join(folder, name));
      return order;
    } catch {
      // Another worker was quicker.
    }
  }
  return undefined;
}

/** Adds misbehaviour to the start line, the first JSON that a worker reads. */
function editStartLine(place: Place): void {
  const parse = JSON.parse;
  JSON.parse = (text: string, reviver?: (this: unknown, key: string, value: unknown) => unknown): unknown => {
    const value: unknown = parse(text, reviver);
    if (typeof value !== "object" || value === null || !("endpoint" in value) || !("mock" in value)) return value;
    JSON.parse = parse;
    const order = takeStartOrder(place);
    if (order === undefined) return value;
    note(place, Object.keys(order).join(), JSON.stringify(order));
    const { breakFirst = 0, ...misbehave } = order;
    place.breakFirst = breakFirst;
    return { ...value, mock: { ...Object(value.mock), misbehave } };
  };
}

async function breakThings(folder: string, role: Role): Promise<void> {
  const place: Place = {
    folder,
    role,
    rng: Rng.for(process.env[environmentNames.seed] ?? "", role, process.pid),
    orders: {},
    breakFirst: 0,
  };
  const obey = () => {
    place.orders = readOrders(place);
  };
  obey();
  shiftClock(place);
  wrapSockets(place);
  if (role === "coordinator") await fillDisk(place);
  else editStartLine(place);
  setInterval(obey, pollMs).unref();
}

const folder = process.env[environmentNames.folder];
const role = roleOf(process.argv);
if (isMainThread && folder !== undefined && role !== undefined) await breakThings(folder, role);
