"""Adds things up. The words async, await and yield stand in this text alone: the step is synchronous."""


def main():
    return sum(len(name) for name in ("north", "south", "east", "west"))
