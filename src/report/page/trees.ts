// Sample search trees: what a policy tried for one problem, what was rolled back, what was chosen, where the answer is wrong.
// Pure; knows no grammar beyond the two markers it sets off.

import { integer } from "../figures.ts";
import type { SampleError, SampleNode, SampleTree } from "../model.ts";
import { escapeHtml, note, section } from "./markup.ts";

/** All samples, each folded. */
export function samplesSection(samples: readonly SampleTree[]): string {
  if (samples.length === 0) return "";
  const explain = note(
    "Each entry is one problem with all that the policy generated for it. Grey text is the prefix kept from the completion above; wrong steps are underlined in the chosen answer, and each is explained below it. A completion that was rolled back holds the completions that went on from its cut text.",
  );
  return section("samples", "Sample search trees", explain + samples.map(sampleTree).join(""));
}

function sampleTree(tree: SampleTree): string {
  const children = new Map<number | null, SampleNode[]>();
  const ids = new Set(tree.nodes.map(({ id }) => id));
  for (const node of tree.nodes) {
    // A parent that the sample leaves out makes its children roots: nothing is hidden.
    const parent = node.parent !== null && ids.has(node.parent) && node.parent !== node.id ? node.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const tokens = tree.nodes.reduce((sum, node) => sum + node.tokens, 0);
  const count = `${tree.nodes.length} completion${tree.nodes.length === 1 ? "" : "s"}, ${integer(tokens)} tokens`;
  const verdict = tree.solved
    ? `<span class="verdict supported">solved</span>`
    : `<span class="verdict refuted">not solved</span>`;
  const title = `${verdict}${escapeHtml(`${tree.arm}/${tree.policy}, ${tree.split}: ${problemText(tree.problem)}`)} <span class="meta">(${escapeHtml(count)})</span>`;
  const prompt = `<pre class="command">${escapeHtml(tree.prompt)}</pre>`;
  return `<details class="sample"><summary>${title}</summary>${prompt}${nodeGrid(children.get(null) ?? [], children, tree.errors)}</details>`;
}

/** A problem in short: its fields without the puzzle's name. */
function problemText(problem: SampleTree["problem"]): string {
  if (problem === null || typeof problem !== "object" || Array.isArray(problem)) return JSON.stringify(problem);
  const fields = Object.entries(problem).filter(([key]) => key !== "puzzle");
  return fields.map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value)}`).join(", ");
}

function nodeGrid(
  nodes: readonly SampleNode[],
  children: ReadonlyMap<number | null, readonly SampleNode[]>,
  errors: readonly SampleError[],
): string {
  const shown = nodes.map((node) => {
    const below = children.get(node.id) ?? [];
    const rest = below.length === 0 ? "" : nodeGrid(below, children, errors);
    return nodeCard(node, below.length > 0, node.chosen ? errors : [], rest);
  });
  return `<div class="nodes">${shown.join("")}</div>`;
}

function nodeCard(node: SampleNode, expanded: boolean, errors: readonly SampleError[], below: string): string {
  const tags = [
    node.chosen ? "<b>chosen</b>" : node.candidate ? "candidate" : "",
    expanded ? `<span class="back">rolled back</span>` : "",
    node.verdict === "" ? "" : `<span class="${node.verdict === "solved" ? "yes" : "no"}">${escapeHtml(node.verdict)}</span>`,
    `round ${escapeHtml(node.round)}`,
    `${escapeHtml(node.tokens)} tokens`,
    node.score === null ? "" : `score ${escapeHtml(node.score.toFixed(3))}`,
  ].filter((tag) => tag !== "");
  const mistakes = errors.map(
    (error) => `<li><b>${escapeHtml(error.kind)}</b>, step ${escapeHtml(error.step + 1)}: ${escapeHtml(error.message)}</li>`,
  );
  const list = mistakes.length === 0 ? "" : `<ul class="mistakes">${mistakes.join("")}</ul>`;
  const state = `${node.chosen ? " chosen" : ""}${expanded ? " branch" : ""}`;
  return `<div class="node${state}"><p>${tags.join(" \u00b7 ")}</p><pre>${nodeText(node, errors)}</pre>${list}${below}</div>`;
}

/** The whole response of a node: the kept prefix in grey, markers set off, wrong steps underlined with the error as tooltip. */
function nodeText(node: SampleNode, errors: readonly SampleError[]): string {
  const keptEnd = node.full.endsWith(node.text) ? node.full.length - node.text.length : 0;
  const cuts = new Set([0, keptEnd, node.full.length]);
  const clamp = (position: number) => Math.min(node.full.length, Math.max(0, Math.floor(position)));
  const spans = errors.map((error) => ({
    from: clamp(error.span[0]),
    to: clamp(error.span[1]),
    text: `${error.kind}: ${error.message}`,
  }));
  for (const { from, to } of spans) cuts.add(from).add(to);
  const markers = [...node.full.matchAll(/<backtrack>|Goal Reached!/g)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    kind: match[0] === "<backtrack>" ? "rollback" : "goal",
  }));
  for (const { from, to } of markers) cuts.add(from).add(to);
  const positions = [...cuts].sort((a, b) => a - b);
  return positions
    .slice(1)
    .map((to, index) => {
      const from = positions[index] as number;
      const covering = spans.filter((span) => span.from <= from && to <= span.to);
      const marker = markers.find((span) => span.from <= from && to <= span.to);
      const names = [from < keptEnd ? "kept" : "", marker?.kind ?? "", covering.length > 0 ? "wrong" : ""].filter(
        (name) => name !== "",
      );
      const text = escapeHtml(node.full.slice(from, to));
      if (names.length === 0) return text;
      const title = covering.length === 0 ? "" : ` title="${escapeHtml(covering.map((span) => span.text).join("\n"))}"`;
      return `<span class="${names.join(" ")}"${title}>${text}</span>`;
    })
    .join("");
}
