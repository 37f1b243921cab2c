// Random sweeps against a plain restatement of the rules: every combination, an arm's own keys first, equal ones once, excludes off.
import fc from "fast-check";
import { expect, it } from "vitest";
import { stringify } from "yaml";
import { parseConfig } from "../../src/config/load.ts";
import type { Arm } from "../../src/config/resolve.ts";
import { canonicalJson } from "../../src/lib/hash.ts";

type Values = Readonly<Record<string, number>>;

/** Settings that take any whole number from 1, which is what the file gives them. */
const keys = [
  "train.steps",
  "train.clip",
  "train.epsilon",
  "train.weightDecay",
  "train.batch.examples",
  "model.layers",
  "seed",
];
const file = {
  name: "x",
  seed: 1,
  puzzle: { kind: "countdown" },
  data: { train: { size: 5 } },
  model: { architecture: "llama", width: 64, layers: 1, heads: 4 },
  train: { steps: 1, warmupSteps: 1, clip: 1, epsilon: 1, weightDecay: 1, batch: { examples: 1 } },
  decode: { greedy: { policy: "greedy" } },
};
const ofFile: Values = Object.fromEntries(keys.map((key) => [key, 1]));

interface Sweep {
  readonly grid: Readonly<Record<string, readonly number[]>>;
  readonly zip: readonly Readonly<Record<string, readonly number[]>>[];
  readonly list: readonly Values[];
  readonly seeds?: readonly number[];
  readonly arms: Readonly<Record<string, Values>>;
}

const numbers = (length?: number) =>
  fc.uniqueArray(fc.integer({ min: 2, max: 9 }), { minLength: length ?? 1, maxLength: length ?? 3 });
const someKeys = (from: readonly string[]) => fc.subarray([...from], { minLength: 1 });

/** The first two keys at most on the grid, the next two in a zip, the next two in a list, the last for seeds; in random order. */
const sweeps: fc.Arbitrary<Sweep> = fc.shuffledSubarray(keys.slice(0, -1), { minLength: 6 }).chain((mixed) => {
  const [a, b, c] = [mixed.slice(0, 2), mixed.slice(2, 4), mixed.slice(4)];
  const grid = someKeys(a).chain((chosen) => fc.tuple(...chosen.map((key) => fc.tuple(fc.constant(key), numbers()))));
  const zip = fc
    .tuple(someKeys(b), fc.integer({ min: 1, max: 3 }))
    .chain(([chosen, length]) => fc.tuple(...chosen.map((key) => fc.tuple(fc.constant(key), numbers(length)))));
  const point = someKeys(c).chain((chosen) =>
    fc.tuple(...chosen.map((key) => fc.tuple(fc.constant(key), fc.integer({ min: 1, max: 3 })))),
  );
  const own = fc.dictionary(fc.constantFrom(...keys), fc.integer({ min: 1, max: 3 }), { maxKeys: 2, noNullPrototype: true });
  return fc.record(
    {
      grid: fc.oneof(fc.constant({}), grid.map(Object.fromEntries)),
      zip: fc.oneof(
        fc.constant([]),
        zip.map((entries) => [Object.fromEntries(entries)]),
      ),
      list: fc.uniqueArray(point.map(Object.fromEntries<number>), { maxLength: 3, selector: canonicalJson }),
      seeds: numbers(),
      arms: fc.dictionary(fc.constantFrom("a", "b"), own, { noNullPrototype: true }),
    },
    { requiredKeys: ["grid", "zip", "list", "arms"] },
  );
});

/** What the rules say: the settings of each variant's arms, first come first. */
function expected({ grid, zip, list, seeds, arms }: Sweep): { arm: string; values: Values }[] {
  const axes: Values[][] = [
    ...Object.entries(grid).map(([key, values]) => values.map((value) => ({ [key]: value }))),
    ...zip.map((lists) =>
      (Object.values(lists)[0] ?? []).map((_, index) =>
        Object.fromEntries(Object.entries(lists).map(([key, values]) => [key, values[index] ?? Number.NaN])),
      ),
    ),
    ...(list.length === 0 ? [] : [[...list]]),
    ...(seeds === undefined ? [] : [seeds.map((seed) => ({ seed }))]),
  ];
  return Object.entries({ base: {}, ...arms }).flatMap(([arm, own]) => {
    let combined: Values[] = [ofFile];
    for (const axis of axes) combined = combined.flatMap((before) => axis.map((point) => ({ ...before, ...point })));
    const all = combined.map((values) => ({ ...values, ...own }));
    return [...new Map(all.map((values) => [canonicalJson(values), { arm, values }])).values()];
  });
}

const at = (value: unknown, key: string) =>
  key.split(".").reduce<unknown>((inside, part) => (inside as Record<string, unknown>)[part], value);
const valuesOf = ({ settings }: Arm): Values => Object.fromEntries(keys.map((key) => [key, Number(at(settings, key))]));
const shownArm = (arm: string, values: Values) => `${arm} ${canonicalJson(values)}`;
const resolve = (sweep: object) => parseConfig(stringify({ ...file, sweep }), "x.yaml").arms;
const shownArms = (arms: readonly Arm[]) => arms.map((arm) => shownArm(String(arm.coordinates.arm), valuesOf(arm)));

it("arms are all combinations, each once, under names of their own", () => {
  fc.assert(
    fc.property(sweeps, (sweep) => {
      const arms = resolve(sweep);
      expect(shownArms(arms)).toEqual(expected(sweep).map(({ arm, values }) => shownArm(arm, values)));
      expect(new Set(arms.map(({ name }) => name)).size).toBe(arms.length);
    }),
    { numRuns: 60 },
  );
});

it("coordinates agree with settings and hold every axis but those that the arm sets itself", () => {
  fc.assert(
    fc.property(sweeps, (sweep) => {
      const { grid, zip, list, seeds } = sweep;
      const axes = new Set([grid, ...zip, ...list].flatMap(Object.keys).concat(seeds === undefined ? [] : ["seed"]));
      for (const { coordinates, settings, name } of resolve(sweep)) {
        const { arm, ...rest } = coordinates;
        const own = Object.keys(sweep.arms[String(arm)] ?? {});
        expect(new Set(Object.keys(rest))).toEqual(new Set([...axes].filter((key) => !own.includes(key))));
        for (const [key, value] of Object.entries(rest)) expect(at(settings, key)).toBe(value);
        expect(name.split("/")[0]).toBe(arm);
      }
    }),
    { numRuns: 60 },
  );
});

it("the order of the keys within a map changes the names alone", () => {
  const turned = <T>(map: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(map).reverse());
  fc.assert(
    fc.property(sweeps, (sweep) => {
      const { grid, zip, list, arms, ...rest } = sweep;
      const other = { ...rest, list: list.map(turned), zip: zip.map(turned), grid: turned(grid), arms: turned(arms) };
      expect(shownArms(resolve(other)).sort()).toEqual(shownArms(resolve(sweep)).sort());
    }),
    { numRuns: 40 },
  );
});

it("an exclude drops the arms that agree with all of its keys, whatever their order, and no others", () => {
  const cases = sweeps.chain((sweep) => {
    const all = expected(sweep);
    return fc.tuple(fc.constant(sweep), fc.constantFrom(...all), someKeys([...keys, "arm"]));
  });
  fc.assert(
    fc.property(cases, ([sweep, { arm, values }, chosen]) => {
      const agreeing: Record<string, string | number> = { ...values, arm };
      const exclude = Object.fromEntries(chosen.map((key) => [key, agreeing[key]]));
      const isKept = (item: { arm: string; values: Values }) =>
        chosen.some((key) => (key === "arm" ? item.arm !== arm : item.values[key] !== values[key]));
      const left = expected(sweep).filter(isKept);
      if (left.length === 0) expect(() => resolve({ ...sweep, exclude: [exclude] })).toThrow(/sweep\.exclude: drops all/);
      else
        expect(shownArms(resolve({ ...sweep, exclude: [exclude] }))).toEqual(
          left.map((item) => shownArm(item.arm, item.values)),
        );
    }),
    { numRuns: 60 },
  );
});
