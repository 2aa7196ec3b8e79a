"""Counts what the log in $CATENA_DIR/history tells, and prints the figures as JSON.

The log is a list of NUL-terminated fields. A commit is `commit TIME ZONE<tab>PARENTS<tab>AUTHOR`;
each file it changed follows as `ADDED<tab>DELETED<tab>PATH`.
"""

import json
import os
import sys
import time
from collections import Counter, defaultdict
from datetime import date, timedelta
from unicodedata import normalize

TOP = 12  # rows in a list
BARS = 104  # bars over time, or one more
EPOCH = date(1970, 1, 1)  # a Thursday


def fields(path):
    """The fields of the log, one at a time: it may be larger than memory."""
    rest = b""
    with open(path, "rb") as log:
        for block in iter(lambda: log.read(1 << 20), b""):
            *whole, rest = (rest + block).split(b"\0")
            for field in whole:
                yield field.decode("utf-8", "replace").lstrip("\n")


def local_time(stamp):
    """Seconds since 1970 on the author's own clock, or None if the commit's time makes no sense."""
    try:
        seconds, zone = stamp.split()
        shift = int(zone[-4:-2]) * 3600 + int(zone[-2:]) * 60
        seconds = int(seconds) + (-shift if zone[0] == "-" else shift)
    except (ValueError, IndexError):
        return None
    return seconds if 0 < seconds < 2**32 else None


def shown(text):
    """Text fit for a page: no control or direction marks, not too long."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 120 else text[:60] + "…" + text[-59:]


def folder_of(path):
    return "/".join(path.split("/")[:-1][:2]) + "/" if "/" in path else "(top)"


def rows(counter):
    """The largest first; ties by name, so that the same history always gives the same figures."""
    best = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return [[shown(name) or "(no name)", count] for name, count in best]


def half(counter):
    """How few of them make up half of the whole."""
    seen, total = 0, sum(counter.values())
    for n, (_, count) in enumerate(counter.most_common(), 1):
        seen += count
        if 2 * seen >= total:
            return n


def over_time(days):
    """Commits by day, or by as many whole weeks as it takes for the bars to fit side by side."""
    last = max(days, default=0)
    first = min([last - 27, *days])
    span = 1 if last - first < BARS else 7 * ((last - first) // (7 * BARS) + 1)
    first -= (first + 3) % 7 if span > 1 else 0  # a Monday
    counts = [0] * ((last - first) // span + 1)
    for day, count in days.items():
        counts[(day - first) // span] += count
    return {"days": span, "start": str(EPOCH + timedelta(first)), "counts": counts}


def process(log, shallow):
    authors, folders, files, days = Counter(), Counter(), Counter(), Counter()
    hands = defaultdict(set)  # the authors of each file
    hours = [[0] * 24 for _ in range(7)]
    author, counted, touched = "", False, set()
    for field in fields(log):
        if field.startswith("commit "):
            stamp, parents, author = field[len("commit "):].split("\t", 2)
            author = normalize("NFC", author.split("@")[0])  # some sign with an address: it stays out
            authors[author] += 1
            # Where a shallow clone is cut off, a commit seems to add every file there is.
            counted, touched = bool(parents) or not shallow, set()
            when = local_time(stamp)
            if when is not None:
                day = when // 86400
                days[day] += 1
                hours[(day + 3) % 7][when % 86400 // 3600] += 1
        elif counted:
            path = field.split("\t", 2)[2]
            folder = folder_of(path)
            files[path] += 1
            hands[path].add(author)
            folders[folder] += folder not in touched
            touched.add(folder)
    first, last = (str(EPOCH + timedelta(pick(days))) if days else "unknown" for pick in (min, max))
    return {
        "commits": sum(authors.values()), "authors": len(authors), "files": len(files),
        "first": first, "last": last, "half": half(authors),
        "lone": sum(len(people) == 1 for people in hands.values()), "time": over_time(days), "hours": hours,
        "by_author": rows(authors), "by_folder": rows(folders), "by_file": rows(files),
    }


shallow, limit = os.environ["SHALLOW"] == "true", int(os.environ["LIMIT"])
figures = process(os.path.join(os.environ["CATENA_DIR"], "history"), shallow)
folder = os.environ["FOLDER"].removesuffix("/.git").removesuffix(".git")
figures["name"] = shown(os.path.basename(folder)) or "repository"
figures["notes"] = ["The clone is shallow: what came before is not counted."] if shallow else []
figures["notes"] += [f"At most {limit:,} commits were read."] if figures["commits"] == limit else []
print(f"Commits: {figures['commits']}, authors: {figures['authors']}", file=sys.stderr)
time.sleep(float(os.environ["LINGER"]))
json.dump(figures, sys.stdout)
