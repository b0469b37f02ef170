"""What the style sheet of a run's page adds to that of `goodfit.report.page_style`."""

from __future__ import annotations

from goodfit.report.palette import MUTED, PALETTE

_LIGHT = (
    f"--first: {PALETTE['blue']}; --second: {PALETTE['orange']}; --member: {PALETTE['sky']}; "
    f"--faint: #8d93a1; --field: #c3c7d0; --grid: #e8e9ee; --tick: {MUTED}; --on: #ffffff;"
)
_DARK = (
    "--first: #5db5f2; --second: #ff9c57; --member: #2f87bd; --faint: #7d8494; --field: #4a4f5d; "
    "--grid: #2b2e39; --tick: #a6acbb; --on: #10121a;"
)

FIT_STYLE = (
    f"""
:root {{ {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
@media print {{ :root {{ {_LIGHT} }} }}
"""
    + """
section > h2 { margin-bottom: .7rem; }
main > section { margin-top: clamp(2.2rem, 5vw, 3.4rem); }
.score { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .9rem; margin: .2rem 0 .4rem; }
.score strong {
  font-size: clamp(2.6rem, 1.8rem + 4.5vw, 4.4rem); line-height: 1.05; letter-spacing: -.03em;
  font-variant-numeric: tabular-nums;
}
.score span { font-size: 1.15rem; color: var(--muted); font-variant-numeric: tabular-nums; }
.said { list-style: none; padding: 0; margin: 1rem 0; max-width: 52rem; }
.said li { display: grid; grid-template-columns: 1.9rem 1fr; padding: .3rem 0; }
.said b {
  width: 1.45rem; height: 1.45rem; line-height: 1.45rem; border-radius: 50%; text-align: center;
  font-size: .85rem; margin-top: .08rem;
}
.charts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.1rem;
  margin: 1.2rem 0; align-items: start;
}
.charts.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.charts .table { margin: 0; }
.charts figure, figure.chart {
  margin: 0; padding: .8rem .8rem .5rem; background: var(--card); max-width: 40rem; width: 100%;
}
figcaption { font-size: .9rem; font-weight: 650; margin: 0 .2rem .5rem; line-height: 1.35; }
.option { white-space: nowrap; }
.hint { color: var(--muted); font-size: .95rem; }
svg { display: block; width: 100%; height: auto; }
svg text {
  font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: var(--tick);
}
svg .label { fill: var(--tick); }
svg .name { fill: var(--ink); font-size: 11px; }
svg .count { fill: var(--ink); }
svg .on { fill: var(--on); font-weight: 650; }
svg .tiny { font-size: 8.5px; }
.grid { stroke: var(--grid); stroke-width: 1; }
.axis { stroke: var(--field); stroke-width: 1; }
.zero { stroke: var(--faint); stroke-width: 1.2; stroke-dasharray: 4 3; }
.bar { stroke-width: 2.4; stroke-linecap: round; }
.bar.first { stroke: var(--first); } .bar.second { stroke: var(--second); }
.bar.plain, .bar.faint { stroke: var(--faint); }
.dot { stroke: var(--card); stroke-width: 1.2; }
.dot.first { fill: var(--first); } .dot.second { fill: var(--second); }
.dot.plain, .dot.faint { fill: var(--faint); }
.curve { fill: none; stroke-linejoin: round; }
.curve.field { stroke: var(--field); stroke-width: .9; }
.curve.member { stroke: var(--member); stroke-width: 1.3; }
.curve.winner { stroke: var(--second); stroke-width: 2.6; }
.point.field { fill: var(--field); } .point.member { fill: var(--member); }
.point.winner { fill: var(--second); }
.stage { fill: var(--first); fill-opacity: .16; stroke: var(--first); stroke-width: 1; }
.stage.harvest { fill: var(--second); fill-opacity: .13; stroke: var(--second); }
.draw { stroke: var(--card); stroke-width: .5; }
.draw.begun { fill: var(--field); } .draw.half { fill: var(--member); } .draw.full { fill: var(--first); }
.broken { stroke: var(--second); stroke-width: 1.2; }
.best { fill: none; stroke: var(--second); stroke-width: 2.2; }
.cell { stroke: var(--grid); stroke-width: .8; }
.cell.right { fill: var(--first); } .cell.wrong { fill: var(--second); }
.spot { fill: var(--first); fill-opacity: .45; }
.column { fill: var(--first); fill-opacity: .75; }
.left-out {
  border: 1px dashed var(--line); border-radius: .6rem; padding: .8rem 1.1rem; color: var(--muted);
}
.contents.short { columns: 14rem 4; }
.contents.short li { padding: .12rem 0; text-indent: 0; }
@media screen and (max-width: 44rem) {
  .charts figure, figure.chart { padding: .5rem .3rem .3rem; }
  th, td { padding-right: .9rem; }
}
@media print {
  section { break-before: auto; margin-top: 1.4rem; border-top: 1px solid #bbb; padding-top: .8rem; }
  .charts { grid-template-columns: 1fr 1fr; }
  .said b { border: 1px solid #000; }
  nav { display: none; }
  rect, circle { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
)
