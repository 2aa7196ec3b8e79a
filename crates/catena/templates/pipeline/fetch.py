"""Fetches the sources: what this prints is the step's result."""

import json
import os
import sys

SOURCES = [
    {"name": "harbour", "text": "ships come and ships go and the harbour stays"},
    {"name": "station", "text": "the last train waits for the first train"},
    {"name": "airport", "text": "every gate says now boarding"},
]

if os.environ.get("CATENA_ATTEMPT") == "1":
    sys.exit("the source does not answer (on purpose, the first time)")

json.dump(SOURCES, sys.stdout)
