// The page's style sheet: light, dark, print, narrow. One text, no fonts or files from elsewhere.

/** Series colours (arms, policies), told apart by people with any colour vision in both schemes, and error kinds. */
export const seriesColours = 8;
export const kindColours = 8;

const light = ["#1f5fa8", "#b4540a", "#1b7a4b", "#8a3a8f", "#7a6a00", "#b02a4b", "#0f7f8c", "#555555"];
const dark = ["#79b0f0", "#f0a060", "#66c795", "#d08ad6", "#d0bd4a", "#f2839f", "#5fc9d6", "#b0b0b0"];
const lightKinds = ["#30507a", "#c9772b", "#7fa650", "#a8475d", "#8d7cb5", "#c2a83e", "#5a9aa0", "#8a8a8a"];
const darkKinds = ["#7d9fce", "#d98f4a", "#8fb866", "#cf6f86", "#a594cf", "#cdb651", "#6cb0b6", "#9a9a9a"];

const palette = (name: string, colours: readonly string[]) =>
  colours.map((colour, index) => `--${name}${index}:${colour}`).join(";");
const classes = (name: string, count: number, rule: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => `.${name}${index}{${rule(index)}}`).join("");

const lightScheme = `--ink:#1a1a1a;--soft:#5c5c5c;--line:#d9d9d6;--faint:#ececea;--paper:#ffffff;--raised:#f6f6f4;--good:#17683c;--bad:#a8261b;--doubt:#80580a;${palette("c", light)};${palette("k", lightKinds)}`;
const darkScheme = `--ink:#e6e6e3;--soft:#a3a3a0;--line:#3d3d3b;--faint:#2a2a29;--paper:#161615;--raised:#1f1f1e;--good:#74cc98;--bad:#f08a7e;--doubt:#e0b562;${palette("c", dark)};${palette("k", darkKinds)}`;

const base = `
:root{color-scheme:light dark;${lightScheme}}
@media (prefers-color-scheme:dark){:root{${darkScheme}}}
@media print{:root{color-scheme:light;${lightScheme}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:66rem;padding:2.5rem 1.5rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .4rem;font-weight:650;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 .6rem;font-weight:650}
h3{font-size:1rem;margin:1.4rem 0 .4rem;font-weight:600}
p{margin:0 0 .7rem;max-width:46rem;overflow-wrap:anywhere}
section{margin-top:2.6rem;padding-top:1.2rem;border-top:1px solid var(--line)}
a{color:inherit}
nav{margin-top:1.2rem;font-size:.875rem;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem}
.meta,.note{color:var(--soft);font-size:.875rem}
.warning{border-left:3px solid var(--doubt);padding:.5rem .9rem;background:var(--raised)}
.failure{border-left:3px solid var(--bad);padding:.6rem .9rem;background:var(--raised);margin:0 0 .8rem;overflow-wrap:anywhere}
.failure p{margin:.15rem 0}
code,pre{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
summary{cursor:pointer}
summary:hover{color:var(--c0)}
:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
`;

const tables = `
table{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.35;margin:0 0 1.2rem}
caption{text-align:left;font-weight:600;font-size:1rem;padding:.9rem 0 .3rem}
th,td{padding:.3rem .75rem .3rem 0;text-align:left;vertical-align:middle;font-weight:400}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-size:.8125rem;vertical-align:bottom;border-bottom:1px solid var(--line)}
tbody tr{border-bottom:1px solid var(--faint)}
tbody tr.first:not(:first-child){border-top:1px solid var(--line)}
th.figure,td.figure{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tbody th{min-width:11rem;overflow-wrap:break-word}
th.plot,td.plot{width:26%;min-width:9rem}
.arm{color:var(--soft)}
.keyed{display:inline-block;min-width:1.5em;color:var(--soft);font-variant-numeric:tabular-nums}
.swatch{display:inline-block;width:.7em;height:.7em;border-radius:1px;margin-right:.35em;vertical-align:baseline}
.mark{vertical-align:-2px;margin-right:.35em}
`;

const figures = `
figure{margin:1rem 0 1.6rem}
figcaption{font-weight:600}
.axis{color:var(--soft);font-size:.75rem;margin:.15rem 0 .5rem}
.axis.end{text-align:right;margin:.1rem 0 0;max-width:none}
.frame{padding:.3rem .9rem 1.4rem 3rem}
svg{overflow:visible}
svg.strip,svg.plot{display:block;width:100%}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 2.2rem}
.grid{stroke:var(--faint);stroke-width:1}
.reference{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 2}
.tick{fill:var(--soft);font-size:11px;font-variant-numeric:tabular-nums}
.key{fill:var(--ink);font-size:11px;font-variant-numeric:tabular-nums;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.whisker{stroke:currentColor;stroke-width:1.5}
.dot{fill:currentColor;stroke:var(--paper);stroke-width:1}
.curve{fill:none;stroke:currentColor;stroke-width:1.5;vector-effect:non-scaling-stroke}
.legend{list-style:none;margin:0 0 1rem;padding:0;font-size:.8125rem;display:flex;flex-wrap:wrap;gap:.15rem 1.2rem}
${classes("c", seriesColours, (index) => `color:var(--c${index})`)}
${classes("k", kindColours, (index) => `fill:var(--k${index});background:var(--k${index})`)}
`;

const claims = `
.claim{margin:0 0 1.3rem}
.claim h3{margin:0 0 .15rem}
.claim p{margin:0 0 .3rem}
.claim .strip{max-width:30rem}
.verdict{display:inline-block;font-weight:650;margin-right:.5rem}
.supported{color:var(--good)}.refuted{color:var(--bad)}.inconclusive,.underpowered{color:var(--doubt)}
`;

const trees = `
details.sample{border-bottom:1px solid var(--faint);padding:.45rem 0}
details.sample>summary{font-size:.875rem;font-variant-numeric:tabular-nums}
.nodes{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.6rem;margin:.6rem 0 .4rem}
.node{border:1px solid var(--line);border-radius:3px;padding:.4rem .6rem;min-width:0;break-inside:avoid}
.node.chosen{border-color:var(--ink);border-width:2px}
.node.branch{grid-column:1/-1}
.node>.nodes{border-left:2px solid var(--line);padding-left:.8rem}
.node p{margin:0 0 .2rem;font-size:.75rem;color:var(--soft);font-variant-numeric:tabular-nums}
.node p b{color:var(--ink);font-weight:600}
.node p .yes{color:var(--good)}.node p .no{color:var(--bad)}.node p .back{color:var(--doubt)}
.kept{color:var(--soft)}
.rollback{color:var(--doubt);font-weight:600}
.goal{color:var(--good);font-weight:600}
.wrong{text-decoration:underline wavy var(--bad);text-decoration-skip-ink:none;text-underline-offset:3px;cursor:help}
.mistakes{font-size:.8125rem;margin:.3rem 0;padding-left:1.2rem}
`;

const provenance = `
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;font-size:.875rem;margin:0 0 1rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
dd dl{margin:0}
.command{background:var(--raised);padding:.6rem .9rem;margin:0 0 1rem}
`;

const narrow = `
@media (max-width:44rem){
body{padding:1.4rem 1rem 3rem;font-size:15px}
table,tbody,tr,caption{display:block}
thead{display:none}
tbody tr{padding:.5rem 0;display:grid;grid-template-columns:1fr 1fr;gap:.05rem 1rem}
tbody th{min-width:0;grid-column:1/-1;padding:0 0 .15rem;font-weight:600}
td{display:flex;justify-content:space-between;gap:.6rem;padding:0;min-width:0;overflow-wrap:anywhere}
td::before{content:attr(data-label);color:var(--soft);font-size:.8125rem}
td.text{grid-column:1/-1;justify-content:flex-start}
td.plot{width:auto;min-width:0;grid-column:1/-1;display:block;padding:.15rem .4rem}
td.plot::before{display:none}
dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.4rem}
}
`;

const print = `
@media print{
body{max-width:none;padding:0;font-size:10.5pt}
nav{display:none}
section{break-inside:auto}
h2,h3,caption{break-after:avoid}
tr,figure,.claim,.failure{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;

export const styleSheet = [base, tables, figures, claims, trees, provenance, narrow, print].join("");
