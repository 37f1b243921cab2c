// The prompt of every graph format: the problem's text form and "=", e.g. `1,3|2,4|1,2|0,1|0,2|3,4/0,4=`.
import { type GraphProblem, graph, graphText } from "../../puzzle/graph.ts";

const separator = "=";
const vertexPattern = "(?:0|[1-9][0-9]{0,5})";
const edgePattern = `${vertexPattern},${vertexPattern}`;
const promptPattern = new RegExp(`^((?:${edgePattern}\\|)*${edgePattern}/${edgePattern})${separator}`);

/** The edges in the problem's order, the query and "=". */
export function graphPrompt(problem: GraphProblem): string {
  return graphText(problem) + separator;
}

/** The problem from a text that begins with its prompt, or undefined. */
export function readGraphPrompt(text: string): { readonly problem: GraphProblem; readonly length: number } | undefined {
  try {
    const written = promptPattern.exec(text)?.[1];
    const problem = written === undefined ? undefined : graph.readText?.(written);
    return problem && written !== undefined ? { problem, length: written.length + separator.length } : undefined;
  } catch {
    // Not a problem that the rules admit, or longer than the expression can bear.
    return undefined;
  }
}

/** Labels of the usual pool are one piece each; larger ones are written in digits. */
export const vertexPieces: readonly string[] = Array.from({ length: 50 }, (_, label) => String(label));
export const promptPieces: readonly string[] = ["|", "/", separator];
