// Search trees on the page: what a policy tried for one problem, what was rolled back, what was chosen and what is wrong in
// it. Pure.
import { html, type Markup } from "./markup.ts";
import type { SampleError, SampleNode, SampleTree } from "./model.ts";

const shownPerLevel = 40;

/** A collapsible tree; equal siblings are folded into one line with their count. */
export function treeMarkup(tree: SampleTree): Markup {
  const calls = new Set(tree.nodes.map((node) => node.round)).size;
  return html`<details class="tree"><summary><b class="${tree.solved ? "good" : "bad"}">${tree.solved ? "solved" : "failed"}</b> ${tree.arm}/${tree.policy}
<span class="dim">${tree.split}, ${tree.nodes.length} completions in ${calls} ${calls === 1 ? "round" : "rounds"}</span></summary>
<pre class="prompt">${tree.prompt}</pre>${levelMarkup(tree, null)}</details>`;
}

function levelMarkup(tree: SampleTree, parent: number | null): Markup | undefined {
  const groups = new Map<string, SampleNode[]>();
  for (const node of tree.nodes.filter((item) => item.parent === parent)) {
    const hasChildren = tree.nodes.some((item) => item.parent === node.id);
    const key = hasChildren || node.chosen ? `#${node.id}` : node.text;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  if (groups.size === 0) return undefined;
  const shown = [...groups.values()].slice(0, shownPerLevel);
  const rest = groups.size - shown.length;
  return html`<ul>${shown.map((nodes) => nodeMarkup(tree, nodes))}${rest > 0 ? html`<li class="dim">and ${rest} more</li>` : undefined}</ul>`;
}

function nodeMarkup(tree: SampleTree, nodes: readonly SampleNode[]): Markup {
  const node = nodes[0] as SampleNode;
  const badges = [
    node.chosen ? html`<b class="badge">chosen</b>` : undefined,
    node.candidate ? html`<span class="badge">candidate</span>` : undefined,
    nodes.length > 1 ? html`<span class="badge">${nodes.length} times</span>` : undefined,
    node.score === null ? undefined : html`<span class="dim">score ${node.score.toFixed(3)}</span>`,
    node.verdict === "" ? undefined : html`<span class="dim">${node.verdict}</span>`,
  ];
  const text = node.chosen ? markedText(node, tree.errors) : html`${node.text}`;
  return html`<li><div class="node${node.chosen ? " chosen" : ""}"><pre>${text}</pre><p>${badges}</p></div>${levelMarkup(tree, node.id)}</li>`;
}

/** The text of a node with its wrong parts underlined; spans count in `full`, of which `text` is the end. */
export function markedText(node: SampleNode, errors: readonly SampleError[]): Markup {
  const offset = node.full.length - node.text.length;
  const inside = errors
    .map((error) => ({
      ...error,
      from: Math.max(0, error.span[0] - offset),
      to: Math.min(node.text.length, error.span[1] - offset),
    }))
    .filter(({ from, to }) => to > from)
    .sort((a, b) => a.from - b.from);
  const parts: Markup[] = [];
  let at = 0;
  for (const { from, to, kind, message } of inside) {
    if (from < at) continue; // inside one that is marked already
    parts.push(html`${node.text.slice(at, from)}<mark title="${kind}: ${message}">${node.text.slice(from, to)}</mark>`);
    at = to;
  }
  return html`${parts}${node.text.slice(at)}`;
}
