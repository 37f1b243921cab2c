// Every message between coordinator and worker: one tagged union on `kind`, versioned. A message on the wire is one msgpack
// header (these objects) followed by the raw little-endian frames that `bins` describes, in that order, and a checksum.
import { z } from "zod";

/** Raised with every change of a message or primitive; a worker of another version is refused. */
export const protocolVersion = 2;

export const binType = z.enum(["uint8", "int32", "uint32", "float32"]);
export type BinType = z.infer<typeof binType>;
/** [name, element type, shape]: frame length must be product(shape) * element size. */
export const bin = z.tuple([z.string(), binType, z.array(z.number().int().nonnegative())]);
export type Bin = z.infer<typeof bin>;

const v = z.literal(protocolVersion);
const call = { v, id: z.string(), attempt: z.number().int().positive() };
const bins = z.array(bin);
const held = z.array(z.tuple([z.string(), z.number().int()]));

/** Worker -> coordinator. `v` of hello is any number, so that a stranger is refused with a sentence instead of a parse error. */
export const fromWorker = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("hello"),
    v: z.number().int(),
    worker: z.string(),
    token: z.string(),
    pid: z.number().int(),
    /** "torch" or "mock". */
    flavour: z.string(),
    capabilities: z.array(z.string()),
    versions: z.record(z.string(), z.string()),
    device: z.string(),
    /** Memory of the device in all (GPUs of one worker summed; the machine's on CPU), and GPUs. Absent: unknown. */
    deviceMemoryBytes: z.number().nonnegative().optional(),
    gpus: z.number().int().nonnegative().optional(),
    /** Models for free calls that the worker keeps, the least recently used one goes first. Absent: unknown, taken as 1. */
    modelsKept: z.number().int().positive().optional(),
    /** Jobs the worker is willing to hold, the running one included. */
    credit: z.number().int().positive(),
    /** (id, attempt) of results not yet acknowledged. */
    held,
  }),
  z.strictObject({ kind: z.literal("accept"), ...call }),
  z.strictObject({ kind: z.literal("progress"), ...call, done: z.number(), total: z.number() }),
  /** Part `seq` (from 0) of a streamed result; the worker sends at most the window of the welcome ahead of its acks. */
  z.strictObject({ kind: z.literal("chunk"), ...call, seq: z.number().int().nonnegative(), texts: z.array(z.string()), bins }),
  /** The end of a call. `chunks` = number of chunks sent before it; kept by the worker until acknowledged. */
  z.strictObject({
    kind: z.literal("result"),
    ...call,
    chunks: z.number().int().nonnegative(),
    result: z.record(z.string(), z.unknown()),
    seconds: z.number(),
    bins,
  }),
  z.strictObject({
    kind: z.literal("error"),
    ...call,
    /** A stable word: "out-of-memory", "model-not-found", "digest", "mask-lint", "bad-request", "cancelled", "session-gap", "internal", ... */
    code: z.string(),
    message: z.string(),
    traceback: z.string(),
    retryable: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal("heartbeat"),
    v,
    worker: z.string(),
    /** Id of the running job, or "". `done` grows while the job makes progress. */
    job: z.string(),
    done: z.number(),
    /** In use: reserved on its GPUs, or resident in the machine's memory. Of a group of ranks: that of rank 0. */
    memoryBytes: z.number(),
    /** Messages that it could not read since its start. */
    malformed: z.number().int().nonnegative().optional(),
  }),
  z.strictObject({
    kind: z.literal("log"),
    v,
    worker: z.string(),
    level: z.enum(["debug", "info", "warning", "error"]),
    text: z.string(),
  }),
  z.strictObject({ kind: z.literal("bye"), v, worker: z.string(), reason: z.string() }),
]);
export type FromWorker = z.infer<typeof fromWorker>;

/** Coordinator -> worker. */
export const toWorker = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("welcome"),
    v,
    heartbeatMs: z.number().int().positive(),
    /** Chunks of one call that may be unacknowledged. */
    chunkWindow: z.number().int().positive(),
    maxMessageBytes: z.number().int().positive(),
  }),
  z.strictObject({ kind: z.literal("reject"), v, reason: z.string() }),
  /** Say hello again: the coordinator does not know you. */
  z.strictObject({ kind: z.literal("rehello"), v }),
  z.strictObject({
    kind: z.literal("job"),
    ...call,
    /** Session calls: the session and the number of the call in it, from 1; a gap is answered with error "session-gap". */
    session: z.strictObject({ id: z.string(), seq: z.number().int().positive() }).optional(),
    primitive: z.string(),
    params: z.record(z.string(), z.unknown()),
    bins,
  }),
  /** With `seq`: chunk `seq` is consumed. Without: the result or error is recorded, the worker may forget it. */
  z.strictObject({ kind: z.literal("ack"), ...call, seq: z.number().int().nonnegative().optional() }),
  z.strictObject({ kind: z.literal("cancel"), ...call }),
  /** Finish what is held, take nothing new, say bye. */
  z.strictObject({ kind: z.literal("drain"), v }),
  /** Leave now. */
  z.strictObject({ kind: z.literal("shutdown"), v }),
]);
export type ToWorker = z.infer<typeof toWorker>;

/** A process's place in a group of ranks that train one model; rank 0 alone speaks to the coordinator. */
export const rankStart = z.strictObject({
  rank: z.number().int().nonnegative(),
  ranks: z.number().int().positive(),
  /** A file that does not exist yet, in a folder that only this user may read: there the ranks find each other. */
  rendezvous: z.string(),
  /** DeepSpeed settings, checked by config/deepspeed.ts. Absent: gradients are summed, nothing is cut. */
  deepspeed: z.record(z.string(), z.unknown()).optional(),
});

export type RankStart = z.infer<typeof rankStart>;

/** What a local worker reads as one JSON line from stdin at start; stdin then stays open as its life line. */
export const workerStart = z.strictObject({
  endpoint: z.string(),
  worker: z.string(),
  token: z.string(),
  coordinatorPid: z.number().int(),
  /** Kernel threads for tensor work; 0 = the library's own choice. */
  threads: z.number().int().nonnegative(),
  /** "auto", "cpu", "cuda:0", ... */
  device: z.string(),
  /** Free-form settings of the mock worker (noise, misbehaviour); the torch worker refuses any. */
  mock: z.record(z.string(), z.unknown()),
  group: rankStart.optional(),
});
export type WorkerStart = z.infer<typeof workerStart>;
