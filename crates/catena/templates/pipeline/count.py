"""Counts the words of one source, which comes on standard input."""

import collections
import json
import sys

source = json.load(sys.stdin)
words = source["text"].split()
most, times = collections.Counter(words).most_common(1)[0]

json.dump({"name": source["name"], "words": len(words), "most": most, "times": times}, sys.stdout)
