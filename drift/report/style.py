"""The one stylesheet of all pages: in light, in the dark, on paper and on a phone."""

import re

RULE = re.compile(r"\s*([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}")
WHOLE = re.compile(r"^(?::root|html|body)\b")

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbf9; --card: #fff; --ink: #1c1d1f; --soft: #5d6066; --line: #e4e4df;
  --bad: #b3261e; --bad-tint: #fbe9e7; --warn: #a86400; --accent: #2456a6; --tint: #2456a624;
  --old: #85888e; --old-tint: #c9cbcf; --s1: #2f7d5b; --s2: #7b4bb0; --s3: #b3261e; --s4: #0b7a89; }
@media screen and (prefers-color-scheme: dark) {
  :root { --bg: #141517; --card: #1b1d20; --ink: #e9eaec; --soft: #a2a6ad; --line: #2e3136;
    --bad: #f0837b; --bad-tint: #43211e; --warn: #e0a24a; --accent: #8db4f2; --tint: #8db4f22b;
    --old: #858a92; --old-tint: #474b52; --s1: #63b891; --s2: #c3a3ee; --s3: #f0837b; --s4: #5cc8d6; }
}
* { box-sizing: border-box; }
html { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  background: var(--bg); color: var(--ink); }
body { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem 3rem; overflow-wrap: anywhere; }
a { color: inherit; text-decoration-color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
body > header { display: flex; gap: .75rem; padding: 1rem 0; border-bottom: 1px solid var(--line); }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -.02em; margin: 2rem 0 .4rem; text-wrap: balance; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .6rem; } h3 { font-size: 1.05rem; line-height: 1.3; margin: 0; }
p { margin: .25rem 0; } .lede { max-width: 48rem; }
.soft, dt, dd small, footer, caption, figcaption, body > header span { color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .9rem 1.75rem; margin: 1.5rem 0; }
dt, dd small, footer, .small { font-size: .82rem; }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
dd small { display: block; line-height: 1.4; } .notes { padding-left: 1.1rem; margin: 0; }
.card, .fold, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card { border-left: 4px solid var(--bad); padding: 1rem 1.15rem 1.15rem; margin: 0 0 1rem; }
.card figure, .fold figure { border: 0; padding: 0; margin: .9rem 0 0; }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .75rem; }
.mark { color: var(--bad); background: var(--bad-tint); border-radius: 5px; padding: 0 .45rem; font-size: .82rem;
  font-weight: 600; white-space: nowrap; }
.facts { display: flex; flex-wrap: wrap; gap: 0 1.2rem; font-size: .88rem; font-variant-numeric: tabular-nums; }
.facts small { color: var(--soft); } .fold { margin: 0 0 .4rem; } summary { cursor: pointer; }
.fold > summary { display: grid; grid-template-columns: minmax(0, 1fr) 7rem minmax(0, 25rem); gap: .2rem 1.25rem;
  align-items: center; padding: .5rem .9rem; list-style: none; }
.fold > summary::-webkit-details-marker { display: none; }
.fold > summary .name::before { content: "▸"; display: inline-block; width: 1.1rem; color: var(--soft); }
.fold[open] > summary .name::before { content: "▾"; } .fold > div { padding: 0 .9rem 1rem; }
.table summary { color: var(--soft); font-size: .82rem; padding: .4rem 0 0; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; margin-top: .75rem; }
caption { text-align: left; font-size: .82rem; }
th, td { padding: .32rem .9rem .32rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: .82rem; white-space: nowrap; }
tbody th { min-width: 6rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.num { text-align: right; white-space: nowrap; }
.why { min-width: 15rem; padding-left: .6rem; overflow-wrap: anywhere; } .wide { min-width: 5rem; width: 34%; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .75rem 1rem;
  overflow-x: auto; }
figure { margin: 0; padding: 1rem 1.1rem; } figcaption { font-size: .85rem; margin-bottom: .6rem; }
figcaption span { margin-right: .9rem; } .key { color: var(--ink); white-space: nowrap; }
.key svg { display: inline-block; width: 1.4rem; height: .7rem; margin-right: .35rem; vertical-align: -.05em; }
svg { display: block; width: 100%; overflow: visible; } svg * { vector-effect: non-scaling-stroke; }
svg text { font: 12px system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--soft);
  font-variant-numeric: tabular-nums; }
.axes { padding-left: 3.2rem; } .lanes { padding-left: 5.2rem; } .spark { height: 1.7rem; } .pair { height: 1.2rem; }
.grid { stroke: var(--line); fill: none; } .shade { fill: var(--line); fill-opacity: .55; }
.guide { stroke: var(--accent); stroke-opacity: .4; stroke-dasharray: 3 4; fill: none; }
.reference { fill: var(--old-tint); stroke: var(--old); stroke-width: 1; }
.current { fill: var(--tint); stroke: var(--accent); stroke-width: 1.5; } .effect { fill: var(--bad); }
.line { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.line.main { stroke-width: 2.6; } .line.never { stroke: var(--old); stroke-dasharray: 5 4; }
.line.every { stroke: var(--warn); } .line.other1 { stroke: var(--s1); } .line.other2 { stroke: var(--s2); }
.line.other3 { stroke: var(--s3); } .line.other4 { stroke: var(--s4); }
.at { stroke: var(--accent); stroke-width: 2; fill: var(--card); } .at.promoted { fill: var(--accent); }
.at.reweigh { fill: var(--old); stroke: none; } .at.rollback, .at.held { fill: var(--bad); stroke: none; }
.at.drift { fill: var(--warn); stroke: none; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .75rem; }
@media (max-width: 46rem) {
  body { padding: 0 .9rem 2rem; } h1 { font-size: 1.4rem; margin-top: 1.25rem; }
  dl { grid-template-columns: 1fr 1fr; gap: .8rem 1rem; } .card { padding: .9rem; } figure { padding: .8rem; }
  .fold > summary { grid-template-columns: minmax(0, 1fr) 5.5rem; }
  .fold > summary .facts { grid-column: 1 / -1; padding-left: 1.1rem; }
  th, td { padding-right: .6rem; } table { font-size: .82rem; } .why { min-width: 9rem; }
}
@media print {
  @page { margin: 15mm; }
  html { font-size: 10pt; background: none; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; } figure, .fold, tr { break-inside: avoid; } h2, .head { break-after: avoid; }
  .scroll { overflow: visible; }
}
"""


def scoped(style: str, scope: str) -> str:
    """A stylesheet whose every rule is of one element and what is in it, in place of the whole page; without rules for
    paper, which are the page's.

    >>> scoped("body { margin: 0; } h1, .a p { color: red; } @media (max-width: 9rem) { p { margin: 0; } }", ".x")
    '.x { margin: 0; }\\n.x h1, .x .a p { color: red; }\\n@media (max-width: 9rem) {\\n.x p { margin: 0; }\\n}'
    """
    rules = []
    for selectors, block in RULE.findall(style):
        if selectors.startswith("@media print"):
            continue
        if selectors.startswith("@media"):
            rules.append(f"{selectors.strip()} {{\n{scoped(block, scope)}\n}}")
        else:
            rules.append(f"{', '.join(_within(one.strip(), scope) for one in selectors.split(','))} {{{block}}}")
    return "\n".join(rules)


def _within(selector: str, scope: str) -> str:
    return WHOLE.sub(scope, selector) if WHOLE.match(selector) else f"{scope} {selector}"
