// The sockets: a ROUTER for the coordinator, a DEALER for a worker. The only file that imports zeromq; it moves frames
// and knows nothing of messages. Invariants: one send chain per socket; a sent buffer is never written again; the receive
// loop gives the event loop a turn every 5 ms; the ipc socket lies in a fresh 0700 directory that close() removes.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { Dealer, Router } from "zeromq";
import { UserError } from "../lib/errors.ts";

const maxIpcPathBytes = 107;
const yieldAfterMs = 5;
/** Bound of a send chain: far above what credit allows, so reaching it means that a peer does not read. */
const maxQueuedSends = 65_536;
/** Messages that libzmq may hold for us per peer before a flooding peer has to wait. */
const receiveQueue = 1000;
/** How long a worker that leaves waits for its last messages to go. */
const lingerMs = 2000;

export interface RouterTransport {
  readonly endpoint: string;
  /** The private folder of the socket. */
  readonly directory: string;
  /**
   * Queues a message; never throws. What cannot be delivered (message too large, chain full, "EHOSTUNREACH": no such peer)
   * is reported to `onUndelivered`.
   */
  send(peer: string, frames: readonly Uint8Array[]): void;
  /** Closes the socket and removes its directory. Idempotent. */
  close(): Promise<void>;
}

export interface RouterOptions {
  readonly maxMessageBytes: number;
  /** Must not throw. Frames are views of the socket's memory: copy what is kept. */
  readonly onMessage: (peer: string, frames: readonly Uint8Array[]) => void;
  readonly onUndelivered: (peer: string, reason: string) => void;
}

function socketPath(directory: string): string {
  return join(directory, "coordinator.sock");
}

/** A fresh private directory for the socket; "/tmp" when the system's temporary directory has too long a path for a socket. */
async function socketDirectory(): Promise<string> {
  for (const base of [tmpdir(), "/tmp"]) {
    const prefix = join(base, "backtrail-");
    // mkdtemp adds six characters.
    if (Buffer.byteLength(socketPath(`${prefix}XXXXXX`)) <= maxIpcPathBytes) return await mkdtemp(prefix);
  }
  throw new UserError(
    "ipc-path",
    `the path of the temporary directory ${tmpdir()} is too long for a socket (${maxIpcPathBytes} bytes): set TMPDIR to a shorter one`,
  );
}

function totalBytes(frames: readonly Uint8Array[]): number {
  return frames.reduce((sum, frame) => sum + frame.byteLength, 0);
}

function errorCode(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}

/** Sends in order, one at a time: a second send while one is pending throws EBUSY in zeromq.js. */
class SendChain {
  #last: Promise<void> = Promise.resolve();
  #length = 0;

  push(send: () => Promise<void>, onError: (reason: string) => void): void {
    if (this.#length >= maxQueuedSends) {
      onError(`${maxQueuedSends} messages wait to be sent`);
      return;
    }
    this.#length++;
    this.#last = this.#last
      .then(send)
      .catch((error: unknown) => onError(errorCode(error)))
      .finally(() => this.#length--);
  }

  /** Resolves when everything pushed so far was handed to the socket. */
  get flushed(): Promise<void> {
    return this.#last;
  }
}

/** Receives until the socket is closed. Up to 512 receives resolve without a turn of the event loop, so it yields by the clock. */
async function receiveAll(
  socket: { receive(): Promise<Buffer[]>; readonly closed: boolean },
  onFrames: (frames: Buffer[]) => void,
): Promise<void> {
  let turnBegan = performance.now();
  for (;;) {
    let frames: Buffer[];
    try {
      frames = await socket.receive();
    } catch (error) {
      // close() rejects the pending receive with EAGAIN.
      if (socket.closed) return;
      if (errorCode(error) === "EAGAIN") continue;
      throw error;
    }
    onFrames(frames);
    if (performance.now() - turnBegan > yieldAfterMs) {
      await nextTurn();
      turnBegan = performance.now();
    }
    if (socket.closed) return;
  }
}

/** Binds a ROUTER on ipc. Throws UserError("ipc-path") when no short enough temporary directory exists. */
export async function openRouter(options: RouterOptions): Promise<RouterTransport> {
  const directory = await socketDirectory();
  const socket = new Router({
    mandatory: true,
    sendHighWaterMark: 0,
    // A mandatory ROUTER without any peer is "not writable": a send would pend, and the chain with it, until one connects.
    sendTimeout: 0,
    receiveHighWaterMark: receiveQueue,
    maxMessageSize: options.maxMessageBytes,
    linger: 0,
  });
  const endpoint = `ipc://${socketPath(directory)}`;
  await socket.bind(endpoint);
  const chain = new SendChain();
  const received = receiveAll(socket, ([peer, ...frames]) => options.onMessage((peer as Buffer).toString("latin1"), frames));
  let closing: Promise<void> | undefined;
  return {
    endpoint,
    directory,
    send: (peer, frames) => {
      const bytes = totalBytes(frames);
      if (bytes > options.maxMessageBytes) {
        options.onUndelivered(peer, `a message of ${bytes} bytes exceeds the limit of ${options.maxMessageBytes}`);
        return;
      }
      chain.push(
        () => socket.send([Buffer.from(peer, "latin1"), ...frames] as Buffer[]),
        (reason) => {
          if (!socket.closed) options.onUndelivered(peer, reason === "EAGAIN" ? "EHOSTUNREACH" : reason);
        },
      );
    },
    close: () => {
      closing ??= (async () => {
        await chain.flushed;
        socket.close();
        await received;
        await rm(directory, { recursive: true, force: true });
      })();
      return closing;
    },
  };
}

export interface DealerTransport {
  /** Queues a message; never throws. */
  send(frames: readonly Uint8Array[]): void;
  /** Sends what is queued (at most 2 s) and closes. Idempotent. */
  close(): Promise<void>;
}

export interface DealerOptions {
  readonly endpoint: string;
  /** The routing id: chosen by the coordinator, unique in its lifetime. */
  readonly worker: string;
  readonly onMessage: (frames: readonly Uint8Array[]) => void;
}

/** The worker's end, for workers written in TypeScript. */
export function connectDealer(options: DealerOptions): DealerTransport {
  const socket = new Dealer({ routingId: options.worker, sendHighWaterMark: 0, linger: lingerMs, reconnectMaxInterval: 2000 });
  socket.connect(options.endpoint);
  const chain = new SendChain();
  const received = receiveAll(socket, options.onMessage);
  let closing: Promise<void> | undefined;
  return {
    send: (frames) =>
      chain.push(
        () => socket.send(frames as Buffer[]),
        () => undefined,
      ),
    close: () => {
      closing ??= (async () => {
        // Without a coordinator the chain would never be flushed.
        await Promise.race([chain.flushed, pause(lingerMs, undefined, { ref: false })]);
        socket.close();
        await received;
      })();
      return closing;
    },
  };
}
