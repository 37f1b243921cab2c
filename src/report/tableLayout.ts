// Rows and words as lines of a terminal: pens, columns side by side or in blocks, wrapped text. Pure.

export interface TableOptions {
  readonly colour: boolean;
  /** Columns of the terminal; tables that do not fit are written as one block of `name value` lines per row. */
  readonly width: number;
}

type Paint = (text: string) => string;
/** How a text is marked. */
export interface Pens {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly bad: Paint;
  readonly doubt: Paint;
}

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** A column of words. */
export const left = (title: string): Column => ({ title, align: "left" });
/** A column of numbers. */
export const right = (title: string): Column => ({ title, align: "right" });

/** Colours, or none where they are not wanted. */
export function pensFor(colour: boolean): Pens {
  const pen = (code: string): Paint => (colour ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text);
  return { bold: pen("1"), dim: pen("2"), good: pen("32"), bad: pen("31"), doubt: pen("33") };
}

/** Columns side by side when they fit, else a block of lines per row (then `whole`, where no cell is left blank). */
export function layout(
  columns: readonly Column[],
  rows: readonly string[][],
  whole: readonly string[][],
  options: TableOptions,
  pens: Pens,
): string {
  const widths = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => (row[index] ?? "").length)));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total > options.width) return blocks(columns, whole, pens);
  const cell = (text: string, index: number) =>
    columns[index]?.align === "right" ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0);
  const line = (cells: readonly string[]) => cells.map(cell).join("  ").trimEnd();
  return [pens.dim(line(columns.map((column) => column.title))), ...rows.map(line)].join("\n");
}

function blocks(columns: readonly Column[], rows: readonly string[][], pens: Pens): string {
  const label = Math.max(...columns.map((column) => column.title.length));
  const block = (row: readonly string[]) =>
    columns.map((column, index) => `${pens.dim(column.title.padEnd(label))}  ${row[index] ?? ""}`).join("\n");
  return rows.map(block).join("\n\n");
}

/** Words in lines of at most `width` columns, each line indented. Words longer than a line stand alone. */
export function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line].join("\n");
}
