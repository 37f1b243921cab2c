// How many results a worker has to keep for callers that have not recorded them.
import { describe, expect, it } from "vitest";
import { Unrecorded } from "../../src/worker/unrecorded.ts";
import { deferred } from "./scripted.ts";

function kept(limits: { count: number; bytes: number }) {
  const acknowledged: string[] = [];
  return { acknowledged, results: new Unrecorded(({ id, attempt }) => acknowledged.push(`${id}.${attempt}`), limits) };
}
const never = new Promise<void>(() => undefined);

describe("unrecorded results", () => {
  it("are acknowledged when recorded, each once, in the order of their records", async () => {
    const { acknowledged, results } = kept({ count: 9, bytes: 99 });
    const records = ["a", "b", "c"].map((id) => {
      const record = deferred();
      results.add({ id, attempt: 2 }, 1, record.promise);
      return record;
    });
    expect(results.has({ id: "b", attempt: 2 })).toBe(true);
    expect(results.has({ id: "b", attempt: 1 })).toBe(false);
    records[1]?.resolve();
    await records[1]?.promise;
    records[0]?.reject(new Error("no room"));
    await records[0]?.promise.catch(() => undefined);
    expect(acknowledged).toEqual(["b.2", "a.2"]);
    expect(results.size).toBe(1);
  });

  it("are bounded by number and by bytes: the oldest goes first, one too large for any bound at once", () => {
    const { acknowledged, results } = kept({ count: 2, bytes: 10 });
    for (const id of ["a", "b", "c"]) results.add({ id, attempt: 1 }, 4, never);
    expect(acknowledged).toEqual(["a.1"]);
    results.add({ id: "d", attempt: 1 }, 9, never);
    expect(acknowledged).toEqual(["a.1", "b.1", "c.1"]);
    results.add({ id: "e", attempt: 1 }, 11, never);
    expect(acknowledged).toEqual(["a.1", "b.1", "c.1", "d.1", "e.1"]);
    expect(results.size).toBe(0);
  });

  it("of a worker that is gone are acknowledged to nobody", async () => {
    const { acknowledged, results } = kept({ count: 9, bytes: 99 });
    const record = deferred();
    results.add({ id: "a", attempt: 1 }, 1, record.promise);
    results.clear();
    record.resolve();
    await record.promise;
    expect(acknowledged).toEqual([]);
  });
});
