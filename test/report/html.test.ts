import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderHtml } from "../../src/report/html.ts";
import { escapeHtml } from "../../src/report/page/markup.ts";
import { extras, sample, summary, wrongAnswer } from "./fixture.ts";

const page = renderHtml(summary, extras);

/** Elements that need an end tag must nest; returns the names that do not. */
function unbalanced(html: string): string[] {
  const voids = new Set(["meta", "line", "circle", "br"]);
  const open: string[] = [];
  const wrong: string[] = [];
  const body = html.replace(/<!doctype html>/, "").replace(/<style>[^<]*<\/style>/, "");
  for (const [, close, name, rest] of body.matchAll(/<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*)>/g)) {
    if (name === undefined || voids.has(name) || rest?.endsWith("/")) continue;
    if (close === "") open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}

describe("renderHtml", () => {
  it("is one file that asks for nothing: no script, no link, no address, and a policy that forbids requests", () => {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:\/\//i);
    expect(page).toContain("default-src 'none'");
  });

  it("is well-formed, with and without its optional parts", () => {
    expect(unbalanced(page)).toEqual([]);
    const bare = { ...summary, arms: [], comparisons: [], claims: [], failures: [], overlap: {}, description: "" };
    const empty = renderHtml(bare, { losses: {}, samples: [] });
    expect(unbalanced(empty)).toEqual([]);
    expect(empty).toContain("This sweep makes no claim.");
  });

  it("shows verdicts, accuracies, tests, budgets, errors, samples and provenance", () => {
    for (const id of ["claims", "accuracy", "compute", "tests", "training", "errors", "samples", "provenance"]) {
      expect(page).toContain(`<section id="${id}">`);
      expect(page).toContain(`href="#${id}"`);
    }
    expect(page).toContain(`<span class="verdict supported">Supported</span>rollback-helps`);
    expect(page).toContain("+6.2 percentage points, 95% interval +3.2 to +9.2.");
    expect(page).toContain("base/b1 on unseen: 59.6%");
    expect(page).toContain("35\u2009200");
    expect(page).toContain(summary.configDigest);
  });

  it("draws a dot at the accuracy, on the scale of the whole section", () => {
    // Intervals reach from 36.7% to 64.9%: the scale runs from 30% to 70%, so 42.4% lies at 31%.
    expect(page).toMatch(/<title>base\/greedy on seen: 42\.4%[\s\S]*?<circle class="dot" cx="31\.00%"/);
  });

  it("escapes a model's text wherever it is shown", () => {
    const hostile = `"><script>alert('x')</script>\u0000<img src=x>`;
    const tree = sample(false);
    const nodes = tree.nodes.map((node) => ({ ...node, text: hostile, full: hostile, verdict: hostile }));
    const errors = [{ kind: hostile, step: 0, span: [0, 9] as const, message: hostile }];
    const arm = { ...(summary.arms[0] as (typeof summary.arms)[number]), name: hostile, settings: { [hostile]: hostile } };
    const claim = {
      ...(summary.claims[0] as (typeof summary.claims)[number]),
      name: hostile,
      statement: hostile,
      explanation: hostile,
    };
    const failures = [{ stage: hostile, cause: hostile, log: hostile, retry: hostile }];
    const bad = { ...summary, name: hostile, description: hostile, device: hostile, provenance: { [hostile]: [hostile] } };
    const html = renderHtml(
      { ...bad, arms: [arm], claims: [claim], failures, overlap: { [hostile]: 1 } },
      {
        losses: { [hostile]: extras.losses.base ?? [] },
        samples: [{ ...tree, arm: hostile, policy: hostile, split: hostile, prompt: hostile, problem: hostile, nodes, errors }],
      },
    );
    expect(html).not.toMatch(/<script|<img/);
    expect(html.includes("\u0000")).toBe(false);
    expect(html).toContain("&lt;script&gt;");
    expect(unbalanced(html)).toEqual([]);
  });

  it("escapes any text so that it reads back as it was", () => {
    const names: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab<>&\"'; \n#") }), (text) => {
        const escaped = escapeHtml(text);
        expect(escaped).not.toMatch(/[<>"']/);
        expect(escaped.replace(/&(amp|lt|gt|quot|#39);/g, (name) => names[name] ?? "?")).toBe(text);
      }),
    );
  });

  it("underlines the wrong step of the chosen answer with the error as tooltip, and no other", () => {
    const html = renderHtml(summary, { losses: {}, samples: [sample(false)] });
    const wrong = [...html.matchAll(/<span class="wrong" title="([^"]*)">([^<]*)<\/span>/g)].map((match) => [
      match[1],
      match[2],
    ]);
    expect(wrong).toEqual([["arithmetic: 5*3 is 15, not &quot;16&quot;", wrongAnswer.slice(6, 12)]]);
    expect(wrong[0]?.[1]).toBe("5*3=16");
  });

  it("marks what was rolled back, chosen and kept, and nests what went on from it", () => {
    const html = renderHtml(summary, { losses: {}, samples: [sample(true)] });
    expect(html).toMatch(
      /<div class="node branch"><p><span class="back">rolled back<\/span>[\s\S]*?<div class="nodes"><div class="node chosen"><p><b>chosen<\/b>/,
    );
    expect(html).toContain(`<span class="kept">9+4=13\n</span>13*3=39\n<span class="goal">Goal Reached!</span>`);
  });

  it("bears a tree whose parents are missing, its own, or whose spans lie outside the text", () => {
    const tree = sample(false);
    const nodes = tree.nodes.map((node) => ({ ...node, parent: node.id === 0 ? 0 : 99 }));
    const errors = [{ kind: "format", step: 3, span: [-5, 10_000] as const, message: "outside" }];
    const html = renderHtml(summary, { losses: {}, samples: [{ ...tree, nodes, errors }] });
    expect(html.match(/<div class="node[ "]/g)).toHaveLength(tree.nodes.length);
  });

  it("puts first what a reader must know: the mock worker, shared problems, failed stages", () => {
    const failures = [{ stage: "train base", cause: "out of memory", log: "train.log", retry: "backtrail run x.yaml" }];
    const html = renderHtml({ ...summary, flavour: "mock", overlap: { "train / seen": 2 }, failures }, extras);
    const head = html.slice(0, html.indexOf("<main>"));
    expect(head).toContain("no language model was trained");
    expect(head).toContain("train / seen: 2");
    expect(head).toContain("1 stage failed");
    expect(page.slice(0, page.indexOf("<main>"))).not.toContain('warning"');
    expect(html).toContain("<code>backtrail run x.yaml</code>");
  });
});
