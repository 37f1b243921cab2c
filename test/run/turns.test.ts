// Whose turn it is on the workers: order, bound, and the second turn for a model that is loaded.
import { expect, it } from "vitest";
import { Turns } from "../../src/run/turns.ts";

/** Work that lasts until it is ended by name. */
function workshop(turns: Turns) {
  const running: string[] = [];
  const ends = new Map<string, () => void>();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const begin = (name: string, model: string) =>
    void turns
      .run(model, async () => {
        running.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
      })
      .finally(() => running.splice(running.indexOf(name), 1));
  const end = async (name: string) => {
    ends.get(name)?.();
    await settle();
  };
  return { running, begin, end, settle };
}

it("lets so many work at a time, the others in the order in which they came", async () => {
  const { running, begin, end, settle } = workshop(new Turns(2));
  for (const name of ["a", "b", "c", "d"]) begin(name, name);
  await settle();
  expect(running).toEqual(["a", "b"]);
  await end("b");
  expect(running).toEqual(["a", "c"]);
  await end("a");
  await end("c");
  expect(running).toEqual(["d"]);
});

it("gives a second turn for each to work on a model that is in use, and to no other", async () => {
  const { running, begin, end, settle } = workshop(new Turns(1));
  begin("x1", "x");
  begin("y1", "y");
  begin("x2", "x");
  begin("x3", "x");
  await settle();
  expect(running).toEqual(["x1", "x2"]);
  await end("x1");
  expect(running).toEqual(["x2", "x3"]);
  await end("x2");
  expect(running).toEqual(["x3"]);
  await end("x3");
  expect(running).toEqual(["y1"]);
});

it("hands a turn on when work fails", async () => {
  const turns = new Turns(1);
  await expect(turns.run("", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turns.run("", async () => 7)).toBe(7);
});
