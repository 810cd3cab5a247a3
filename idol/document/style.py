"""Style sheet of the HTML pages: light or dark like the reader's system, and print."""

from __future__ import annotations

from idol.hints import Final

STYLE: Final = """\
:root {
  --paper: #ffffff; --ink: #1d2433; --soft: #5b6578; --line: #e2e6ee; --tint: #f5f7fb;
  --accent: #2557c7; --accent-tint: #e8eefc;
  --again: #12805c; --again-tint: #dff4ea; --once: #9a6200; --once-tint: #fdf0d5;
  --keyword: #a0338c; --type: #12708a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12151c; --ink: #dfe4ee; --soft: #97a1b4; --line: #2a303d; --tint: #1a1f29;
    --accent: #8fb1ff; --accent-tint: #1e2a47;
    --again: #4fd1a1; --again-tint: #153629; --once: #f3c064; --once-tint: #3b2e14;
    --keyword: #e58ad2; --type: #6cc7e0;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body {
  margin: 0; display: flex; align-items: flex-start; color: var(--ink); background: var(--paper);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
code, pre, nav, h2 { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
nav {
  position: sticky; top: 0; flex: 0 0 17rem; max-height: 100vh; overflow: auto; padding: 2rem 1rem;
  border-right: 1px solid var(--line); min-height: 100vh; font-size: 0.85rem;
}
nav p { margin: 0 0 0.75rem 0.5rem; font-weight: 700; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: 0.2rem 0.5rem; border-radius: 0.35rem; overflow-wrap: anywhere; }
nav a:hover { background: var(--accent-tint); }
a { color: inherit; text-decoration: none; }
main a:hover, td a { color: var(--accent); }
main { flex: 1 1 auto; min-width: 0; max-width: 62rem; padding: 2rem 2.5rem 6rem; }
h1 { margin: 0 0 0.5rem; font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.02em; }
.facts { color: var(--soft); }
section { margin-top: 2.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
section:target h2 { color: var(--accent); }
h2 { margin: 0; font-size: 1.3rem; overflow-wrap: anywhere; }
h3 {
  margin: 1.5rem 0 0.4rem; font-size: 0.78rem; color: var(--soft);
  text-transform: uppercase; letter-spacing: 0.06em;
}
.code { display: inline-block; min-width: 1.6em; color: var(--soft); font-weight: 400; }
.badges { margin: 0.4rem 0 0.8rem; }
.badge {
  display: inline-block; margin-right: 0.4rem; padding: 0.05rem 0.6rem; border-radius: 1rem;
  background: var(--accent-tint); color: var(--accent); font-size: 0.78rem;
}
.badge.again { background: var(--again-tint); color: var(--again); }
.badge.once { background: var(--once-tint); color: var(--once); }
.badge.sure { background: var(--tint); color: var(--soft); }
.keyword { color: var(--keyword); }
.name { font-weight: 700; }
.type { color: var(--type); }
.back { margin: 0 0 1rem 0.5rem; color: var(--accent); font-family: system-ui, sans-serif; }
nav a.back { display: inline-block; padding: 0; }
nav a.back:hover { background: none; text-decoration: underline; }
.contents { display: none; }
.index {
  display: grid; gap: 0.8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
  list-style: none; padding: 0; color: inherit;
}
.index li {
  padding: 0.8rem 1rem; border: 1px solid var(--line); border-radius: 0.6rem; min-width: 0;
  background: var(--tint);
}
.index a { color: var(--accent); overflow-wrap: anywhere; }
.index a:hover { text-decoration: underline; }
.index .badge { margin-left: 0.4rem; }
.index p { margin: 0.3rem 0 0; color: var(--soft); overflow-wrap: anywhere; }
.index p code { background: none; padding: 0; }
pre {
  margin: 0.8rem 0; padding: 0.8rem 1rem; overflow-x: auto; border-radius: 0.5rem;
  background: var(--tint); border: 1px solid var(--line); font-size: 0.88rem; line-height: 1.5;
}
p code, li code, td code {
  padding: 0.08em 0.35em; border-radius: 0.3rem; background: var(--tint); font-size: 0.88em;
  overflow-wrap: anywhere;
}
td code { overflow-wrap: break-word; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th {
  text-align: left; font-weight: 600; color: var(--soft); font-size: 0.82rem;
}
th, td {
  padding: 0.4rem 0.9rem 0.4rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
}
.number { font-variant-numeric: tabular-nums; }
ul { margin: 1rem 0 0; padding-left: 1.2rem; color: var(--soft); font-size: 0.92rem; }
@media (max-width: 52rem) {
  html { scroll-padding-top: 4rem; }
  body { display: block; }
  nav {
    display: flex; gap: 1rem; align-items: baseline; min-height: 0; max-height: none; z-index: 1;
    padding: 0.6rem 1rem; border-right: 0; border-bottom: 1px solid var(--line);
    background: var(--paper);
  }
  nav p { margin: 0; overflow-wrap: anywhere; }
  nav .back { margin: 0; white-space: nowrap; }
  nav ol { display: none; }
  main { padding: 1.2rem 1rem 4rem; }
  .contents { display: block; border: 1px solid var(--line); border-radius: 0.5rem; }
  .contents summary { padding: 0.6rem 0.9rem; cursor: pointer; color: var(--accent); }
  .contents ol { list-style: none; margin: 0; padding: 0 0.9rem 0.6rem; }
  .contents a {
    display: block; padding: 0.3rem 0; overflow-wrap: anywhere;
    font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 0.9rem;
  }
  section { margin-top: 1.8rem; padding-top: 1.2rem; }
  th, td { padding-right: 0.6rem; }
}
@media print {
  nav { display: none; }
  section { break-inside: avoid; }
}
"""
