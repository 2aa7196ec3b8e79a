"""When a cron expression fires, found by walking: every real minute of a window is looked at with Python's zoneinfo.

Reads a case per line from standard input ({"zone", "from", "until", "exprs"}) and answers each with a line: for every
expression the instants in [from, until), in seconds since 1970. Knows nothing of changes of the clocks: a time of day
that the walk never shows fires at the first minute that shows a later one, and one that it shows twice fires once.
"""

import json
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
# Clocks never moved by more than a day; what the walk starts in must not hide what came before.
LEAD = 26 * 60


def numbers(field, least, most):
    found = set()
    for item in field.split(","):
        base, _, step = item.partition("/")
        if base == "*":
            first, last = least, most
        elif "-" in base:
            first, last = (int(part) for part in base.split("-"))
        else:
            first = int(base)
            last = most if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return found


class Expression:
    def __init__(self, text):
        minute, hour, day, month, weekday = text.split()
        self.follows_real_time = any(sign in minute + hour for sign in "*-/")
        self.times = {
            60 * h + m for h in numbers(hour, 0, 23) for m in numbers(minute, 0, 59)
        }
        self.days = numbers(day, 1, 31)
        self.months = numbers(month, 1, 12)
        self.weekdays = {number % 7 for number in numbers(weekday, 0, 7)}
        self.needs_both = day.startswith("*") or weekday.startswith("*")
        self.known = {}

    def names_day(self, day):
        """`day` counts from 1970."""
        if day not in self.known:
            date = EPOCH + timedelta(days=day)
            fits = date.day in self.days, date.isoweekday() % 7 in self.weekdays
            self.known[day] = date.month in self.months and (
                all(fits) if self.needs_both else any(fits)
            )
        return self.known[day]


def walk(zone, start, until):
    """Each real minute with what the clock shows then."""
    minutes = []
    for at in range(start, until, 60):
        shown = datetime.fromtimestamp(at, zone)
        assert shown.second == 0, "offsets of whole minutes since 2000"
        day = shown.toordinal() - EPOCH.toordinal()
        minutes.append((at, day * 1440 + shown.hour * 60 + shown.minute))
    return minutes


def in_real_time(expression, minutes):
    times = expression.times
    return [at for at, local in minutes if local % 1440 in times and expression.names_day(local // 1440)]


def at_fixed_times(expression, minutes, shown_first, later_first):
    """Each time that is named is looked for in the walk."""
    fires = set()
    # The first minute that is looked at shows the least: the walk begins a day before the change.
    lowest, highest = minutes[0][1], later_first[-1][0]
    for day in range(lowest // 1440, highest // 1440 + 1):
        if not expression.names_day(day):
            continue
        for time in expression.times:
            local = day * 1440 + time
            if local in shown_first:
                fires.add(shown_first[local])
            elif lowest < local < highest:
                fires.add(next(at for shown, at in later_first if shown > local))
    return sorted(fires)


def answer(case, zones, expressions):
    zone = zones.setdefault(case["zone"], None) or ZoneInfo(case["zone"])
    zones[case["zone"]] = zone
    start, until = case["from"], case["until"]
    minutes = walk(zone, start - LEAD * 60, until)
    shown_first = {}
    later_first = []
    for at, local in minutes:
        shown_first.setdefault(local, at)
        # The steps at which the clock shows more than ever before.
        if not later_first or local > later_first[-1][0]:
            later_first.append((local, at))
    answers = []
    for text in case["exprs"]:
        expression = expressions.setdefault(text, None) or Expression(text)
        expressions[text] = expression
        if expression.follows_real_time:
            fires = in_real_time(expression, minutes)
        else:
            fires = at_fixed_times(expression, minutes, shown_first, later_first)
        answers.append([at for at in fires if start <= at < until])
    return answers


def main():
    zones, expressions = {}, {}
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), zones, expressions)), flush=True)


main()
