// Modules of the user's own: loaded from anywhere, known by content, refused with what is missing.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundle, ownModules } from "../../src/config/moduleBundle.ts";
import { loadModule } from "../../src/config/moduleLoader.ts";
import { UserError } from "../../src/lib/errors.ts";
import { findPuzzle } from "../../src/puzzle/registry.ts";
import { findFormat } from "../../src/trace/registry.ts";

const pancakes = new URL("../../configs/modules/pancakes.ts", import.meta.url);
const folder = () => mkdtempSync(join(tmpdir(), "backtrail-modules-"));
/** The pancakes under another name, so that each test registers a puzzle of its own. */
function named(name: string, directory: string, extra = ""): string {
  const path = join(directory, "mine.ts");
  writeFileSync(path, `${extra}${readFileSync(pancakes, "utf8").replaceAll('"pancakes"', JSON.stringify(name))}`);
  return path;
}
const failure = async (path: string) => {
  try {
    await loadModule(path);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  return "it loads";
};

describe("loadModule", () => {
  it("takes a module outside the package, with its own imports, and registers what it exports", async () => {
    const at = folder();
    mkdirSync(join(at, "lib"));
    writeFileSync(join(at, "lib", "words.ts"), "export const word: string = 'flip';\n");
    const path = named("flipped", at, 'import { word } from "./lib/words.ts";\nexport const said = word;\n');
    const { puzzle, formats } = await loadModule(path);
    expect(puzzle?.name).toBe("flipped");
    expect(formats.map(({ name }) => name)).toEqual(["path"]);
    expect(findPuzzle("flipped").actions({}, [2, 1, 3])).toEqual([2, 3]);
    expect(findFormat("flipped", "path").markers.goal).toBe("sorted");
    expect(await loadModule(path)).toBe(await loadModule(path));
  });

  it("knows a module by what it and its imports hold, not by where it lies", async () => {
    const digestOf = async (comment: string, word: string) => {
      const at = folder();
      writeFileSync(join(at, "words.ts"), `export const word = '${word}';\n`);
      const path = named("digested", at, `// ${comment}\nimport { word } from "./words.ts";\nexport const said = word;\n`);
      return (await bundle(path, path)).sha256;
    };
    const first = await digestOf("a", "x");
    expect(await digestOf("a", "x")).toBe(first);
    expect(await digestOf("a", "y")).not.toBe(first);
    expect(await digestOf("b", "x")).not.toBe(first);
  });

  it("says what is wrong with a module, in a user error that names it", async () => {
    const at = folder();
    const write = (text: string) => {
      const path = join(at, `m${Math.random()}.ts`);
      writeFileSync(path, text);
      return path;
    };
    expect(await failure(join(at, "none.ts"))).toMatch(/none\.ts: the module cannot be read/);
    expect(await failure(write("export const puzzle = 3 +"))).toMatch(/does not load: .*Unexpected end of file/s);
    expect(await failure(write("throw new Error('at once')"))).toMatch(/does not load: at once/);
    expect(await failure(write("export const other = 1;"))).toMatch(/expected an export `puzzle` or `formats`, found other/);
    expect(await failure(write("export const puzzle = { name: 'x', root() {} };"))).toMatch(
      /lacks heuristics, readOptions\(\)/,
    );
    expect(await failure(write("export const formats = [{ name: 'x' }];"))).toMatch(/`formats\[0\]` lacks puzzle/);
    expect(await failure(named("countdown", at))).toMatch(/there is a puzzle "countdown" already/);
    copyFileSync(pancakes, join(at, "twice.ts"));
    await loadModule(named("twice", at));
    expect(await failure(named("twice", folder()))).toMatch(/there is a puzzle "twice" already/);
  });

  it("a puzzle's own throws become user errors of its module", async () => {
    const { puzzle } = await loadModule(named("guarded", folder()));
    expect(() => puzzle?.readProblem({ stack: [1, 1] })).toThrowError(UserError);
    expect(() => puzzle?.readProblem({ stack: [1, 1] })).toThrowError(/mine\.ts: stack: expected 1 to n/);
  });
});

it("what a module may import of ours is what the package exports", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    exports: Record<string, { default?: string }>;
  };
  const exported = Object.entries(exports).flatMap(([name, target]) =>
    target.default === undefined ? [] : [[name.replace(".", "backtrail"), target.default]],
  );
  expect(Object.fromEntries(exported)).toEqual(
    Object.fromEntries(Object.entries(ownModules).map(([name, file]) => [name, `./dist/${file}.js`])),
  );
});
