import fc from "fast-check";
import { expect, it } from "vitest";
import { Frontier } from "../../src/solver/frontier.ts";

it("gives nodes by priority, then tie, then order of generation, whatever the order of pushes and pops", () => {
  const small = fc.integer({ min: 0, max: 3 });
  fc.assert(
    fc.property(fc.array(fc.option(fc.tuple(small, small), { nil: undefined })), (steps) => {
      const frontier = new Frontier<{ id: number; priority: number; tie: number }>();
      let open: { id: number; priority: number; tie: number }[] = [];
      for (const [index, step] of steps.entries()) {
        if (step) {
          // Numbers go down: the order of pushes must not matter.
          const node = { id: 1000 - index, priority: step[0], tie: step[1] };
          open.push(node);
          frontier.push(node);
        } else {
          open.sort((a, b) => a.priority - b.priority || a.tie - b.tie || a.id - b.id);
          expect(frontier.pop()).toEqual(open[0]);
          open = open.slice(1);
        }
        expect(frontier.size).toBe(open.length);
      }
    }),
  );
});
