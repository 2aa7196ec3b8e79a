"""Writes the result down."""

import pathlib


def main():
    pathlib.Path("results.txt").write_text("18\n")
