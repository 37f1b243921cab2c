// How the mock introduces itself.
import { encode } from "../../protocol/codec.ts";
import { protocolVersion, type WorkerStart } from "../../protocol/messages.ts";
import { primitives } from "../../protocol/primitives.ts";
import type { CallName } from "../calls.ts";
import type { MockSettings } from "./misbehave.ts";
import { mockVersions } from "./primitives.ts";

/** The hello of a mock worker with these settings; `held` are the calls whose answers are not acknowledged. */
export function helloOf({ worker, token }: WorkerStart, settings: MockSettings, held: readonly CallName[]): Buffer[] {
  const { misbehave, credit, deviceMemoryBytes, gpus, modelsKept } = settings;
  return encode({
    v: misbehave.lieAboutVersion ?? protocolVersion,
    kind: "hello",
    worker,
    token,
    pid: process.pid,
    flavour: "mock",
    capabilities: Object.keys(primitives),
    versions: mockVersions,
    device: "cpu",
    deviceMemoryBytes,
    gpus,
    modelsKept,
    credit,
    held: held.map(({ id, attempt }): [string, number] => [id, attempt]),
  });
}
