"""The style sheet of a page: light and dark, screen, phone and print; system fonts, nothing from outside."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c1c28; --muted: #5b6070; --line: #dcdee4; --link: #0a5a98;
  --code: #f1f2f5; --shade: 0 1px 2px rgba(20, 24, 40, .06), 0 4px 16px rgba(20, 24, 40, .05);
  --holds: #05694a; --holds-back: #dff3ea; --fails: #9a3d00; --fails-back: #fdeadd;
  --unknown: #4d5261; --unknown-back: #eceef2; --other: #0a5a98; --other-back: #e0eef9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14151c; --card: #1e2029; --ink: #eceef4; --muted: #a6acbb; --line: #363a47; --link: #7cc0f2;
    --code: #252833; --shade: none;
    --holds: #6fdcb3; --holds-back: #153529; --fails: #ffb183; --fails-back: #442413;
    --unknown: #c3c8d4; --unknown-back: #2e323e; --other: #8fcaf5; --other-back: #14324a;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; padding: 0 clamp(1rem, 4vw, 3rem) 4rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { max-width: 66rem; margin-inline: auto; }
header { padding-top: clamp(1.75rem, 5vw, 3.5rem); }
h1, h2, h3 { line-height: 1.2; text-wrap: balance; font-weight: 700; letter-spacing: -.012em; }
h1 { font-size: clamp(1.8rem, 1.2rem + 2.6vw, 2.9rem); margin: 0 0 .75rem; }
h2 { font-size: clamp(1.3rem, 1.1rem + 1vw, 1.75rem); margin: 0; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .6rem; }
p { margin: .6rem 0; max-width: 46rem; }
a { color: var(--link); text-underline-offset: .16em; text-decoration-thickness: .08em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible, pre:focus-visible {
  outline: 3px solid var(--link); outline-offset: 3px; border-radius: 4px;
}
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; z-index: 2; }
.lead { font-size: 1.2rem; color: var(--muted); max-width: 44rem; }
.count {
  display: flex; flex-wrap: wrap; gap: .5rem .6rem; margin: 1.2rem 0 1.6rem; padding: 0; list-style: none;
}
.block { margin-top: 2.75rem; }
.scroll { overflow-x: auto; max-width: 100%; }

.verdict {
  display: inline-flex; align-items: baseline; gap: .45em; padding: .16em .7em .2em .55em; border-radius: 1em;
  font-size: .95rem; font-weight: 650; line-height: 1.35; background: var(--other-back); color: var(--other);
  overflow-wrap: normal;
}
.verdict b { font-weight: 700; }
.holds { background: var(--holds-back); color: var(--holds); }
.fails { background: var(--fails-back); color: var(--fails); }
.unknown { background: var(--unknown-back); color: var(--unknown); }

table { border-collapse: collapse; width: 100%; font-size: .95rem; line-height: 1.45; }
caption { text-align: left; color: var(--muted); font-size: .92rem; padding: 0 0 .5rem; caption-side: top; }
th, td {
  text-align: left; vertical-align: top; padding: .5rem 1.4rem .5rem 0; border-bottom: 1px solid var(--line);
}
th { font-weight: 650; }
thead th {
  border-bottom: 2px solid var(--line); color: var(--muted); font-size: .88rem; vertical-align: bottom;
}
.n { text-align: right; font-variant-numeric: tabular-nums; padding-left: .6rem; }
tr > :last-child { padding-right: .2rem; }
.numbers { width: auto; min-width: min(100%, 34rem); }
.numbers td, .numbers th { overflow-wrap: normal; }
.wide { min-width: 44rem; }
.wider { min-width: 58rem; }

.answers td:nth-child(3) { color: var(--muted); }
.answers .verdict { white-space: nowrap; }
.id {
  display: inline-block; white-space: nowrap; overflow-wrap: normal;
  min-width: 2.1em; padding: 0 .4em; text-align: center;
  border-radius: .35em;
  background: var(--code); color: var(--ink); font-weight: 700; font-variant-numeric: tabular-nums;
}
a .id, a.id { color: var(--link); }
.block > h2 { margin-bottom: 1rem; }
.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(13.5rem, 1fr)); gap: .9rem 2rem; margin: 0;
}
.facts dt { color: var(--muted); font-size: .85rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.contents { columns: 20rem 3; column-gap: 2.5rem; padding: 0; margin: 0; list-style: none; }
.contents li { break-inside: avoid; padding: .2rem 0 .2rem 2.75em; text-indent: -2.75em; }
.contents li > * { text-indent: 0; }
.contents .id { margin-right: .65em; }

section { margin-top: clamp(3rem, 7vw, 4.75rem); padding-top: 1.6rem; border-top: 1px solid var(--line); }
section h2 { display: flex; gap: .6em; align-items: baseline; }
section h2 .id { font-size: .82em; flex: none; }
.question { font-size: 1.12rem; color: var(--muted); margin: .6rem 0 1.2rem; }
figure {
  margin: 1.2rem 0; background: #fff; border: 1px solid var(--line); border-radius: .6rem;
  box-shadow: var(--shade);
}
figure .scroll { padding: clamp(.6rem, 2vw, 1.25rem); border-radius: .6rem; }
figure img {
  display: block; margin-inline: auto; max-width: 100%; min-width: 35rem; height: auto; color: #1c1c28;
}
.cards { display: grid; gap: 1rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem; box-shadow: var(--shade);
  padding: 1rem 1.2rem 1.1rem; display: grid; grid-template-columns: 1fr 1fr; gap: .3rem 2rem;
}
.card > .verdict { grid-column: 1 / -1; justify-self: start; margin-bottom: .35rem; }
.card dt { color: var(--muted); font-size: .85rem; font-weight: 650; }
.card dd { margin: .1rem 0 0; }
.card dl { margin: 0; }
.reading { border-left: 4px solid var(--link); padding: .1rem 0 .1rem 1.1rem; margin: 1.4rem 0; }
.reading h3 { margin-top: 0; }
.reading p:last-child { margin-bottom: 0; }
.notes { color: var(--muted); font-size: .95rem; padding-left: 1.2rem; max-width: 46rem; }
.skipped {
  background: var(--unknown-back); color: var(--unknown); border-radius: .6rem; padding: .8rem 1.1rem;
  max-width: none;
}
details { margin: 1.2rem 0 .4rem; }
summary { cursor: pointer; color: var(--link); font-weight: 650; padding: .3rem 0; }
.table { margin: 1.2rem 0; }
pre {
  background: var(--code); border-radius: .5rem; padding: .75rem 1rem; margin: .4rem 0; overflow-x: auto;
  font: .92rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace;
  white-space: pre; overflow-wrap: normal;
}
.again { color: var(--muted); font-size: .9rem; margin: 1.5rem 0 0; }
.up { font-size: .9rem; }
footer {
  margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted);
  font-size: .9rem;
}

@media screen { details:not([open]) + .folded { display: none; } }
@media screen and (max-width: 44rem) {
  body { font-size: 1rem; }
  .card { grid-template-columns: 1fr; gap: .7rem; padding: .9rem 1rem; }
  .answers, .answers tbody { display: block; }
  .answers thead { position: absolute; left: -99rem; }
  .answers tr {
    display: grid; grid-template-columns: auto 1fr; gap: .3rem .7rem; padding: .8rem 0;
    border-bottom: 1px solid var(--line);
  }
  .answers td, .answers th { display: block; border: 0; padding: 0; }
  .answers td:nth-child(2), .answers td:nth-child(3) { grid-column: 1 / -1; }
  .answers td:nth-child(4) { grid-row: 1; grid-column: 2; justify-self: end; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print {
  :root {
    --paper: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #bbb; --link: #000; --code: #f4f4f4;
    --shade: none; --holds: #000; --holds-back: #fff; --fails: #000; --fails-back: #fff;
    --unknown: #000; --unknown-back: #fff; --other: #000; --other-back: #fff;
  }
  body { font-size: 10pt; padding: 0; }
  .skip, .up, summary { display: none; }
  .verdict { border: 1px solid #000; }
  figure, .card, tr, .reading { break-inside: avoid; }
  h2, h3, .question { break-after: avoid; }
  section { break-before: page; border-top: 0; margin-top: 0; padding-top: 0; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  figure img { min-width: 0; }
  .numbers, .wide, .wider { min-width: 0; font-size: 8.5pt; }
  a { text-decoration: none; }
}
"""
