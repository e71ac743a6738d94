"""How the page of a replay looks, in light, in the dark and on paper."""

CSS = """
:root { color-scheme: light; --page: #f6f7f8; --card: #fff; --text: #1c2128; --soft: #5b6470; --line: #dfe3e8;
  --policy: #1d5fd0; --never: #878e99; --every: #c2620a; --o1: #1a7f4b; --o2: #8b3fc0; --o3: #b3261e; --o4: #0b7a89;
  --bad: #b3261e; --warm: #c2620a; --tint: #eceff3; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --page: #14171b; --card: #1c2026; --text: #e4e7eb; --soft: #9ca5b1; --line: #323841;
    --policy: #76aaff; --never: #8b929d; --every: #f0a050; --o1: #5fce94; --o2: #cc9bf0; --o3: #ff9a8d; --o4: #5cc8d6;
    --bad: #ff9a8d; --warm: #f0a050; --tint: #262b33; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); line-height: 1.5; overflow-wrap: anywhere;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: 0 0 1.5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .8rem; }
.brand, dt, figcaption, dd small { color: var(--soft); }
.brand { margin: 0 0 .25rem; font-size: .85rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem 1.75rem; margin: 0; }
dt { font-size: .8rem; }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
dd small { display: block; font-size: .8rem; }
header p { margin: 1rem 0 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.1rem; }
figcaption { font-size: .84rem; margin-bottom: .6rem; }
.key { white-space: nowrap; color: var(--text); margin-right: 1.1rem; }
.key i { display: inline-block; width: 1.4rem; height: 0; border-top: .18rem solid; margin: 0 .4rem .22rem 0; }
.key i.dot { width: .75rem; height: .75rem; border: .13rem solid var(--policy); border-radius: 50%;
  margin-bottom: -.08rem; }
i.dot.promoted { background: var(--policy); }
i.policy { border-color: var(--policy); } i.never { border-color: var(--never); border-top-style: dashed !important; }
i.every { border-color: var(--every); } i.other1 { border-color: var(--o1); } i.other2 { border-color: var(--o2); }
i.other3 { border-color: var(--o3); } i.other4 { border-color: var(--o4); }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 40rem; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
.initial { fill: var(--tint); }
.grid { stroke: var(--line); fill: none; }
.guide { stroke: var(--policy); stroke-opacity: .35; stroke-dasharray: 3 4; fill: none; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.line.policy { stroke: var(--policy); stroke-width: 2.8; }
.line.never { stroke: var(--never); stroke-dasharray: 6 4; }
.line.every { stroke: var(--every); }
.line.other1 { stroke: var(--o1); } .line.other2 { stroke: var(--o2); }
.line.other3 { stroke: var(--o3); } .line.other4 { stroke: var(--o4); }
circle { stroke: var(--policy); stroke-width: 2; fill: var(--card); }
circle.promoted { fill: var(--policy); }
.reweighed { fill: var(--never); }
.undone, .held { fill: var(--bad); }
path.drift { fill: var(--warm); }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; vertical-align: top; border-top: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 400; white-space: pre-wrap; }
thead th { color: var(--soft); font-size: .8rem; border-top: 0; }
th:first-child, .why, .word { text-align: left; }
.why { min-width: 20rem; white-space: normal; }
table:not(:has(.why)) { width: auto; min-width: 60%; }
table { overflow-wrap: normal; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem;
  overflow-x: auto; }
.notes { padding-left: 1.1rem; margin: 0; }
footer { margin-top: 2.5rem; font-size: .8rem; color: var(--soft); }
@media print {
  @page { margin: 15mm; }
  body { background: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
