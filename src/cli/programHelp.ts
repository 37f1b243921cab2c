// What the command tree's files share: examples in the help, flags that may be repeated.

/** The examples below a command's help. */
export const examples = (...lines: string[]) => `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}\n`;

/** Commander's way to repeat a flag. */
export const collect = (value: string, before: string[]) => [...before, value];

export const overrides = [
  "--set <key=value>",
  "override a setting by its dotted key; may be repeated",
  collect,
  [] as string[],
] as const;

export const moduleFlag = [
  "--module <path>",
  "load a puzzle or formats of your own first; may be repeated",
  collect,
  [] as string[],
] as const;

export const mockFlag = ["--mock", "use the mock worker: no Python, no tensors, the same path", false] as const;

export const resultsFlag = ["--results <folder>", "where results/<name>/ is", "results"] as const;
