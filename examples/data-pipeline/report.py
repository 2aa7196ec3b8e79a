"""Renders the figures on standard input as one self-contained page, saves it, prints its path."""

import json
import os
import sys
from datetime import date, timedelta
from html import escape
from pathlib import Path
from string import Template

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root { --page: #f6f5f1; --card: #fff; --ink: #1d2126; --soft: #676e77; --line: #e4e2dc; --mark: #2563a8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #121417; --card: #1b1e23; --ink: #e8eaed; --soft: #9aa2ac; --line: #2d3239; --mark: #6aa9ec; }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1rem; max-width: 62rem; background: var(--page); color: var(--ink) }
body { font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; overflow-wrap: anywhere } h2 { margin: 0 0 .9rem; font-size: 1rem }
p { margin: .3rem 0 1.5rem; color: var(--soft) }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)) }
.facts { grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)) }
section, .facts div { padding: 1.1rem 1.2rem; background: var(--card); border-radius: 10px; min-width: 0 }
.facts b { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.2 }
.facts span, section p { color: var(--soft); font-size: .87rem } .facts, .wide { margin-bottom: 1rem }
section p { display: flex; justify-content: space-between; margin: .4rem 0 0 }
svg { display: block; width: 100%; fill: var(--mark) } svg .track { fill: var(--line) }
svg text { fill: var(--soft); font-size: 10px }
table { width: 100%; table-layout: fixed; border-collapse: collapse }
th { width: 48%; padding-right: .8rem; font-weight: 400; text-align: left }
th { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
td:last-child { width: 4.2rem; text-align: right; color: var(--soft) }
</style>
<h1>$title</h1><p>$period$notes</p>
<div class="grid facts">$facts</div>
<section class="wide"><h2>Commits $span</h2>$time</section>
<div class="grid">
<section><h2>Commits by author</h2>$authors</section>
<section><h2>Busiest hours, on the authors’ own clocks</h2>$hours</section>
<section><h2>Commits by folder</h2>$folders</section>
<section><h2>Most changed files</h2>$files</section>
</div></html>
""")


def table(rows):
    """One bar a row, the longest first."""
    most = max((count for _, count in rows), default=1)
    return "<table>" + "".join(
        f'<tr><th title="{escape(name)}"><bdi>{escape(name)}</bdi></th><td><svg viewBox="0 0 100 8" height="8" '
        f'preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8"/>'
        f'<rect width="{100 * count / most:.1f}" height="8"/></svg></td><td>{count:,}</td></tr>'
        for name, count in rows) + "</table>" if rows else "<p>Nothing to show.</p>"


def timeline(time):
    counts, most, start = time["counts"], max(time["counts"]), date.fromisoformat(time["start"])
    if not most:
        return "<p>No commit has a usable date.</p>"
    starts = [start + timedelta(time["days"] * i) for i in range(len(counts))]
    step = 936 / len(counts)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{150 - 140 * n / most:.1f}" width="{step * .8:.1f}" rx="1" '
        f'height="{140 * n / most:.1f}"><title>{day}: {n:,}</title></rect>'
        for i, (day, n) in enumerate(zip(starts, counts)) if n)
    ends = f"<span>{start}</span><span>at most {most:,}</span><span>{starts[-1]}</span>"
    return (f'<svg viewBox="0 0 936 151" role="img" aria-label="Commits over time">{bars}'
            f'<rect class="track" y="150" width="936" height="1"/></svg><p>{ends}</p>')


def week(hours):
    most = max(map(max, hours)) or 1
    cells = "".join(
        f'<rect x="{30 + 17 * h}" y="{32 * d}" width="15" height="30" rx="3" fill-opacity="{.08 + .92 * n / most:.2f}">'
        f"<title>{day} {h:02d}:00: {n:,}</title></rect>" for d, day in enumerate(DAYS) for h, n in enumerate(hours[d]))
    names = "".join(f'<text x="0" y="{32 * d + 19}">{day}</text>' for d, day in enumerate(DAYS))
    marks = "".join(f'<text x="{30 + 17 * h}" y="237">{h:02d}:00</text>' for h in range(0, 24, 6))
    return f'<svg viewBox="0 0 438 240" role="img" aria-label="Commits by day and hour">{names}{cells}{marks}</svg>'


def save(path, text):
    """All or nothing: a crash leaves the old report or the new one, and a second try does no harm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.environ['CATENA_EXECUTION_ID']}.part")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # the new name, too, outlives a power cut
    os.close(folder)


f = json.load(sys.stdin)
path = Path(os.environ["REPORT"]).expanduser().resolve()
if path.is_dir():
    sys.exit(f"{path} is a folder. Name a file: --set report=/path/to/report.html")
lone = f"{f['lone'] / f['files']:.0%}" if f["files"] else "–"
facts = [(f"{f[key]:,}", key[:-1] if f[key] == 1 else key) for key in ("commits", "authors", "files")]
facts += [(f"{f['half']:,}", "made half of the commits"), (lone, "of files have one author only")]
days = f["time"]["days"]
save(path, PAGE.substitute(
    title=escape(os.environ["HEADLINE"]), period=escape(os.environ["PERIOD"]),
    notes="".join(f"<br>{escape(note)}" for note in f["notes"]),
    facts="".join(f"<div><b>{number}</b><span>{text}</span></div>" for number, text in facts),
    span={1: "per day", 7: "per week"}.get(days, f"per {days // 7} weeks"),
    time=timeline(f["time"]), hours=week(f["hours"]),
    authors=table(f["by_author"]), folders=table(f["by_folder"]), files=table(f["by_file"]),
))
print(path)
