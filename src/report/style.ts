// The page's style sheet: sober, light and dark, narrow screens and paper.
export const style = `
:root{--bg:#fff;--fg:#1c1f23;--dim:#667;--line:#d9dce1;--panel:#f6f7f9;--good:#1a7f4b;--bad:#b3352b;--warn:#96690a;
--c0:#2563a8;--c1:#c2571a;--c2:#3d8a5f;--c3:#8a4fa3;--c4:#7a6a2c;--c5:#b03a6b;--k0:#c9574d;--k1:#d98c3f;--k2:#c9b13b;--k3:#8f7fc0;--k4:#6f9bb5;--k5:#999;--k6:#b58ab0;--solved:#4f9d74}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e4e7eb;--dim:#99a1ab;--line:#343a42;--panel:#1d2126;--good:#5fc48f;--bad:#ef8379;--warn:#dcb257;
--c0:#74a9e6;--c1:#eb9560;--c2:#76c79b;--c3:#c295dc;--c4:#c9b877;--c5:#e88bb0}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 80px}h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:40px 0 10px;border-bottom:1px solid var(--line);padding-bottom:4px}
h3{font-size:15px;margin:22px 0 6px}p{margin:6px 0;max-width:75ch}.dim,caption{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}caption{text-align:left;padding:4px 0}
th,td{padding:5px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}th{font-weight:600}th.l,td.l{text-align:left}td.w{white-space:normal}
.claim{border-left:4px solid var(--line);padding:6px 14px;margin:12px 0;background:var(--panel)}.claim b{text-transform:uppercase;letter-spacing:.04em;font-size:13px}
.supported{border-color:var(--good)}.supported b{color:var(--good)}.refuted{border-color:var(--bad)}.refuted b{color:var(--bad)}.inconclusive,.underpowered{border-color:var(--warn)}.inconclusive b,.underpowered b{color:var(--warn)}
.warn{border:1px solid var(--warn);padding:8px 14px;color:var(--warn)}
svg{display:block}svg.bar{width:200px;height:16px}svg.plot{width:100%;max-width:760px;height:auto;margin:8px 0}svg text{fill:var(--dim);font-size:11px}svg .mark{fill:currentColor}
.axis,.grid,.tick{stroke:var(--line);stroke-width:1}.whisker{stroke:currentColor;stroke-width:2}.dot{fill:currentColor}.curve{fill:none;stroke:currentColor;stroke-width:1.5}
svg.bar{color:var(--c0)}${[0, 1, 2, 3, 4, 5].map((n) => `.c${n}{color:var(--c${n})}i.c${n}{background:var(--c${n})}`).join("")}
${[0, 1, 2, 3, 4, 5, 6].map((n) => `rect.k${n}{fill:var(--k${n})}i.k${n}{background:var(--k${n})}`).join("")}rect.solved{fill:var(--solved)}i.solved{background:var(--solved)}
.legend span{margin-right:16px;white-space:nowrap}.legend i{display:inline-block;width:10px;height:10px;margin-right:6px}
.tree{border:1px solid var(--line);margin:8px 0;padding:6px 12px}.tree summary{cursor:pointer}.tree ul{list-style:none;margin:0;padding-left:18px;border-left:1px solid var(--line)}
.node{margin:6px 0;padding:4px 10px;background:var(--panel)}.node.chosen{outline:2px solid var(--c0)}.node p{margin:2px 0 0;font-size:13px}pre{margin:0;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap}
.prompt{color:var(--dim);margin:8px 0}.badge{border:1px solid var(--line);padding:0 6px;margin-right:8px;font-size:12px}mark{background:none;color:var(--bad);text-decoration:underline wavy}
@media print{main{max-width:none;padding:0}.tree:not([open]){display:none}h2{break-after:avoid}tr,.claim,svg{break-inside:avoid}}
`;
