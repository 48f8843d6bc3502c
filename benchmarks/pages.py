"""The command line of a benchmark that replays folders, and makes a text to print or to keep."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

__all__ = ["parser", "run", "show"]


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of folders, and of ``--page FILE``."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("folders", nargs="+", type=Path)
    made.add_argument("--page", type=Path, help="write it there instead of printing it")
    return made


def show(lines: Iterable[str], page: Path | None) -> None:
    """Print lines, or write them."""
    text = "\n".join([*lines, ""])
    if page is None:
        print(text)
    else:
        page.write_text(text, encoding="utf-8")


def run(description: str | None, lines: Callable[[Sequence[Path]], Iterable[str]]) -> None:
    """Parse the command line, replay its folders, and show what comes of it."""
    arguments = parser(description).parse_args()
    show(lines(arguments.folders), arguments.page)
