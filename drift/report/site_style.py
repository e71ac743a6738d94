"""What the stylesheet of served pages has beside that of pages in a file: navigation, rows of models, and buttons."""

SITE_STYLE = """
:root { --ok: #2f7d5b; --held: #6b4ea0; --on-accent: #fff; }
@media screen and (prefers-color-scheme: dark) { :root { --ok: #63b891; --held: #b6a0e3; --on-accent: #10131a; } }
body { max-width: 72rem; padding-bottom: 1rem; } a { color: var(--accent); }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: .5rem; background: var(--card); }
body > header { align-items: baseline; gap: .25rem 1.5rem; flex-wrap: wrap; }
body > header a { color: var(--soft); text-decoration: none; } body > header strong a { color: var(--ink); }
nav { display: flex; gap: 1rem; flex: 1; } nav a[aria-current] { color: var(--ink); font-weight: 600; }
#live { font-size: .88rem; white-space: nowrap; } #live:empty { display: none; } #live::before { margin-right: .35rem; }
#live.on::before { content: "●"; color: var(--ok); } #live.waits::before { content: "❚❚"; color: var(--warn); }
#live.lost { color: var(--bad); font-weight: 600; } #live.lost::before { content: "✕"; }
h1 { margin: 1.5rem 0 .25rem; } h2 { margin: 1.6rem 0 .5rem; } h1 a, h3 a { color: inherit; }
.lede { max-width: 60rem; } time { font-variant-numeric: tabular-nums; } td time { white-space: nowrap; }
code { font-size: .92em; }
.answers { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .5rem 1.75rem; margin: 1rem 0 1.1rem;
  padding: .7rem 0 0; border-top: 1px solid var(--line); }
.answers dd { font-size: .9rem; line-height: 1.4; }
.todo { display: grid; gap: .5rem; margin: 1rem 0; padding: 0; list-style: none; }
.todo li { display: flex; flex-wrap: wrap; gap: .35rem .6rem; align-items: center; background: var(--card);
  border: 1px solid var(--line); border-left: 4px solid var(--warn); border-radius: 10px; padding: .6rem 1rem; }
.todo li > p { flex: 1 1 24rem; margin: 0; font-size: .95rem; } .todo .bad-need { border-left-color: var(--bad); }
.todo .held-need { border-left-color: var(--held); }
button, .button { font: inherit; font-size: .9rem; padding: .35rem .8rem; border: 1px solid var(--line);
  border-radius: 7px; background: var(--bg); color: var(--ink); cursor: pointer; text-decoration: none; }
button:hover, .button:hover { border-color: var(--accent); }
.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
form { display: inline; margin: 0; } .acts { display: flex; flex-wrap: wrap; gap: .5rem; align-items: start; }
.sure > summary { list-style: none; display: inline-block; } .sure > summary::-webkit-details-marker { display: none; }
.sure[open] > div { border: 1px solid var(--line); border-radius: 10px; background: var(--card); padding: .7rem .9rem;
  margin: .4rem 0; max-width: 34rem; font-size: .92rem; }
.models { display: grid; gap: .5rem; margin: 0; padding: 0; list-style: none; }
.heads, .model { display: grid; gap: .1rem 1.75rem;
  grid-template-columns: minmax(11rem, 1.25fr) 5rem minmax(11rem, 1fr) minmax(12rem, 1.2fr); }
.heads { padding: 0 1rem .3rem; color: var(--soft); font-size: .82rem; }
.model { align-items: center; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .5rem 1rem .55rem; }
.model h3 { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; }
.model p { margin: 0; font-size: .88rem; } .model .why { grid-column: 1 / -1; color: var(--soft); min-width: 0;
  padding: 0; } .model .why b { font-weight: 600; color: var(--ink); }
.q { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .75rem; align-items: center; }
.q p, .traffic { line-height: 1.35; font-variant-numeric: tabular-nums; } .traffic b { font-size: 1rem; }
.narrow { display: none; }
.q p { margin: 0; } .q b { font-size: 1rem; }
.files { height: 1.6rem; } .model .spark { height: 1.6rem; }
.state { display: inline-flex; gap: .35rem; align-items: baseline; font-weight: 600; font-size: .88rem; }
.state svg { width: .68rem; height: .68rem; } .ok { color: var(--ok); } .warn { color: var(--warn); }
.bad { color: var(--bad); } .held { color: var(--held); } svg .at.held { fill: var(--held); }
.f-clean { fill: var(--ok); } .f-drift { fill: var(--warn); } .f-held { fill: var(--held); }
.f-refused { fill: var(--bad); } .f-none { fill: var(--line); }
.two aside .why { min-width: 0; }
.two { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); gap: 0 2rem; }
.plain { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; margin: .5rem 0 1rem; }
.plain > div { display: contents; } .plain dd { font-size: .95rem; } .plain dt { font-size: .95rem; }
.band { fill: var(--tint); stroke: none; } .line.est { stroke-dasharray: 5 4; } .line.evaluated { stroke: var(--old);
  stroke-dasharray: 1 4; } .line.ghost { stroke-width: 1.3; stroke-dasharray: 2 3; }
.line.ghost.never { stroke: var(--s2); stroke-dasharray: 7 3; }
.at.refused { fill: var(--bad); stroke: none; }
.story { list-style: none; margin: 1rem 0 0; padding: 0; border-left: 2px solid var(--line); }
.story > li { padding: .1rem 0 .8rem 1.1rem; position: relative; font-size: .95rem; }
.story > li::before { content: ""; position: absolute; left: -6px; top: .5rem; width: 10px; height: 10px;
  border-radius: 50%; background: var(--accent); border: 2px solid var(--bg); box-sizing: border-box; }
.story h2 { margin: 0 0 .2rem; } .lines { font-size: .82rem; margin: .5rem 0; }
.lineage { list-style: none; margin: .5rem 0; padding: 0; display: grid; gap: .35rem; font-size: .9rem; }
.lineage li { display: grid; grid-template-columns: 1.2fr 1.2fr 1fr; gap: 1.4rem; }
.lineage span { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .35rem .7rem;
  position: relative; } .lineage span + span::before { content: "→"; position: absolute; left: -1.15rem;
  color: var(--soft); }
.findings { list-style: none; padding: 0; margin: 1rem 0; } .findings li { display: grid; gap: 1rem;
  grid-template-columns: 4rem minmax(0, 1fr); padding: .4rem 0; border-bottom: 1px solid var(--line); }
.findings p { margin: 0; } .pages a[aria-current] { color: var(--ink); font-weight: 600; text-decoration: none; }
.pages { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .75rem 0; font-size: .9rem; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .6rem; margin: .6rem 0;
  align-items: start; }
.multiples article { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .6rem .8rem; }
.multiples .drifted { border-left: 4px solid var(--bad); }
.multiples figure { border: 0; padding: 0; margin: .4rem 0 0; }
.multiples h3 { font-size: .98rem; } .multiples figcaption { font-size: .78rem; margin: 0 0 .3rem; }
.multiples table { margin: 0; font-size: .82rem; } .multiples th, .multiples td { padding-block: .17rem; }
body > footer { margin-top: 1.5rem; padding-top: .5rem; }
@media (max-width: 46rem) {
  .multiples, .lineage li { grid-template-columns: minmax(0, 1fr); } .lineage li { gap: .15rem; }
  .lineage span + span::before { content: none; }
  .model, .two { grid-template-columns: minmax(0, 1fr); } .heads { display: none; }
  .answers { grid-template-columns: minmax(0, 1fr); gap: .4rem; } .todo li > p { flex-basis: 100%; }
  .model { gap: .35rem; } .traffic br { display: none; } .narrow { display: inline; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""
