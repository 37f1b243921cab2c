// The canonical form of a Sudoku grid: one text for all grids that differ only in the names of digits, the order of bands,
// stacks, rows within a band, columns within a stack, and reflection at the diagonal. Exact: no two other grids share it.
import { murmurFinalizer } from "../lib/mix.ts";
import { cellsOf, geometryOf, gridText, type SudokuGeometry } from "./sudokuGeometry.ts";

/**
 * Colours of rows, columns and digits: numbers that depend on structure alone, so equivalent grids get equal colours. Refined
 * until they tell no more apart; where rows or columns still share a colour, each of them is tried as the special one.
 */
interface Colours {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly digits: Int32Array;
}

/** The clues of a grid, or of its reflection, with all that the rounds need to know of each. */
interface Clues {
  readonly geometry: SudokuGeometry;
  readonly row: readonly number[];
  readonly column: readonly number[];
  readonly box: readonly number[];
  readonly digit: readonly number[];
}

/**
 * The canonical form of a grid text, as a grid text. Meant for puzzles, whose clues differ enough to be told apart: those take some
 * ten microseconds, a full grid a tenth of a second.
 */
export function canonicalGrid(grid: string): string {
  const geometry = geometryOf(grid);
  return leastForm(viewsOf(cluesOf(grid, geometry)).map((view) => refined(view, plainColours(geometry.size))));
}

/** The views of a grid that compete: where boxes are square it may be reflected too, and the lesser signature decides. */
function viewsOf(clues: Clues): Clues[] {
  const { size, boxRows, boxColumns } = clues.geometry;
  if (boxRows !== boxColumns) return [clues];
  const [rows, columns] = [signature(clues.row, size, boxRows), signature(clues.column, size, boxColumns)];
  if (rows === columns) return [clues, reflected(clues)];
  return [rows < columns ? clues : reflected(clues)];
}

/** A number that depends on how many clues the lines hold, in bands of `width`, and not on the order of bands and lines. */
function signature(lineOf: readonly number[], size: number, width: number): number {
  const counts = new Int32Array(size);
  for (const line of lineOf) counts[line] = (counts[line] as number) + 1;
  const sums = new Int32Array(size / width);
  for (let line = 0; line < size; line++) {
    const band = Math.floor(line / width);
    sums[band] = (sums[band] as number) + murmurFinalizer(counts[line] as number);
  }
  return sums.reduce((sum, band) => (sum + murmurFinalizer(band)) | 0, 0);
}

function cluesOf(grid: string, geometry: SudokuGeometry): Clues {
  const cells = cellsOf(grid);
  const [row, column, box, digit]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell] === 0) continue;
    row.push(geometry.rowOf[cell] as number);
    column.push(geometry.columnOf[cell] as number);
    box.push(geometry.boxOf[cell] as number);
    digit.push((cells[cell] as number) - 1);
  }
  return { geometry, row, column, box, digit };
}

/** The grid mirrored at its diagonal. Numbers of boxes only say which clues share one, so they may stay. */
function reflected(clues: Clues): Clues {
  return { ...clues, row: clues.column, column: clues.row };
}

function plainColours(size: number): Colours {
  return {
    rows: new Int32Array(size).fill(1),
    columns: new Int32Array(size).fill(2),
    digits: new Int32Array(size).fill(3),
  };
}

/** A view of the grid with refined colours; traces of equivalent ones are equal. */
interface Branch {
  readonly clues: Clues;
  readonly colours: Colours;
  readonly trace: number;
}

function refined(clues: Clues, colours: Colours): Branch {
  return { clues, colours, trace: refine(clues, colours) };
}

/** The least text below some branches. Only those with the least trace are followed: which these are does not depend on the numbering. */
function leastForm(branches: readonly Branch[]): string {
  const least = Math.min(...branches.map(({ trace }) => trace));
  const forms = branches
    .filter(({ trace }) => trace === least)
    .map(({ clues, colours }) => {
      const shared = firstShared(colours);
      if (shared === undefined) return formOf(clues, colours);
      return leastForm(shared.members.map((member) => refined(clues, singledOut(colours, shared.side, member))));
    });
  return forms.sort()[0] as string;
}

/** The colours with one row or column made special. */
function singledOut(colours: Colours, side: "rows" | "columns", member: number): Colours {
  const copy: Colours = { rows: colours.rows.slice(), columns: colours.columns.slice(), digits: colours.digits.slice() };
  copy[side][member] = murmurFinalizer((copy[side][member] as number) + 1);
  return copy;
}

/** The rows or columns with the lowest colour that several of them share. */
function firstShared(colours: Colours): { readonly side: "rows" | "columns"; readonly members: readonly number[] } | undefined {
  for (const side of ["rows", "columns"] as const) {
    const all = colours[side];
    if (numDistinct(all) === all.length) continue;
    const colour = Math.min(...all.filter((colour, index) => all.indexOf(colour) !== index));
    return { side, members: [...all.keys()].filter((index) => all[index] === colour) };
  }
  return undefined;
}

/** The grid with bands, rows, stacks and columns in order of their colours, digits named in order of appearance. */
function formOf({ geometry, row, column, digit }: Clues, colours: Colours): string {
  const { size, boxRows, boxColumns, cells } = geometry;
  const rowAt = placesOf(colours.rows, boxRows);
  const columnAt = placesOf(colours.columns, boxColumns);
  const placed = new Uint8Array(cells);
  for (let clue = 0; clue < digit.length; clue++) {
    const at = (rowAt[row[clue] as number] as number) * size + (columnAt[column[clue] as number] as number);
    placed[at] = (digit[clue] as number) + 1;
  }
  const names = new Uint8Array(size + 1);
  let named = 0;
  for (let at = 0; at < cells; at++) {
    const old = placed[at] as number;
    if (old !== 0 && names[old] === 0) names[old] = ++named;
    placed[at] = names[old] as number;
  }
  return gridText(placed);
}

/** Index -> new place: groups of `width` in order of their least colour, members in order of colour. No colour is shared. */
function placesOf(colours: Int32Array, width: number): Uint8Array {
  const places = new Uint8Array(colours.length);
  for (let from = 0; from < colours.length; from += width) {
    const own = leastOf(colours, from, width);
    let before = 0;
    for (let other = 0; other < colours.length; other += width) if (leastOf(colours, other, width) < own) before += width;
    for (let index = from; index < from + width; index++) {
      let place = before;
      for (let member = from; member < from + width; member++)
        if ((colours[member] as number) < (colours[index] as number)) place++;
      places[index] = place;
    }
  }
  return places;
}

/** The least colour of a group. A loop: Math.min of a spread view took 3% of making a whole line. */
function leastOf(colours: Int32Array, from: number, width: number): number {
  let least = colours[from] as number;
  for (let index = from + 1; index < from + width; index++) {
    const colour = colours[index] as number;
    if (colour < least) least = colour;
  }
  return least;
}

/**
 * Refines colours in place until all rows and columns differ, or a round tells no more rows, columns and digits apart. Returns a
 * number that is equal for equivalent inputs. Two colours that fall together by chance cost time, never exactness.
 */
function refine(clues: Clues, colours: Colours): number {
  const { size } = clues.geometry;
  let classes = 0;
  for (;;) {
    const trace = refineOnce(clues, colours);
    const lines = numDistinct(colours.rows) + numDistinct(colours.columns);
    const now = lines + numDistinct(colours.digits);
    if (lines === 2 * size || now <= classes) return trace;
    classes = now;
  }
}

/** Memory of a round. */
const bands = new Int32Array(9);
const stacks = new Int32Array(9);
const boxes = new Int32Array(9);
const clueColours = new Int32Array(81);

/** One round: every clue tells its row, column and digit what the others and its box look like. */
function refineOnce({ geometry, row, column, box, digit }: Clues, { rows, columns, digits }: Colours): number {
  boxes.fill(0);
  for (let clue = 0; clue < digit.length; clue++) {
    const across = rows[row[clue] as number] as number;
    const down = columns[column[clue] as number] as number;
    const place = murmurFinalizer(across + Math.imul(down, 0x2545f491));
    const colour = murmurFinalizer(place + Math.imul(digits[digit[clue] as number] as number, 0x5851f42d));
    clueColours[clue] = colour;
    const b = box[clue] as number;
    boxes[b] = (boxes[b] as number) + colour;
  }
  mixWithGroup(rows, geometry.boxRows, bands);
  mixWithGroup(columns, geometry.boxColumns, stacks);
  for (let d = 0; d < digits.length; d++) digits[d] = murmurFinalizer(digits[d] as number);
  let trace = 0;
  for (let clue = 0; clue < digit.length; clue++) {
    const colour = murmurFinalizer((clueColours[clue] as number) + Math.imul(boxes[box[clue] as number] as number, 0x14057b7f));
    const [r, c, d] = [row[clue] as number, column[clue] as number, digit[clue] as number];
    rows[r] = (rows[r] as number) + colour;
    columns[c] = (columns[c] as number) + colour;
    digits[d] = (digits[d] as number) + colour;
    trace = (trace + murmurFinalizer(colour)) | 0;
  }
  return trace;
}

/** Each colour takes in the colours of its band or stack, groups of `width`. `sums` is memory to use. */
function mixWithGroup(colours: Int32Array, width: number, sums: Int32Array): void {
  sums.fill(0);
  for (let index = 0; index < colours.length; index++) {
    const group = Math.floor(index / width);
    sums[group] = (sums[group] as number) + murmurFinalizer(colours[index] as number);
  }
  for (let index = 0; index < colours.length; index++) {
    colours[index] = murmurFinalizer((colours[index] as number) + (sums[Math.floor(index / width)] as number));
  }
}

function numDistinct(colours: Int32Array): number {
  let distinct = 0;
  for (let index = 0; index < colours.length; index++) {
    let first = 0;
    while (colours[first] !== colours[index]) first++;
    if (first === index) distinct++;
  }
  return distinct;
}
