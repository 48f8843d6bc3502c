"""On which line of a TOML text a setting stands.

`tomllib` gives values without places. Here the text is cut into statements (the fewest lines
that `tomllib` takes), and each is read by itself: so there is no second grammar of TOML.
"""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["TomlPath", "line_of", "lines_of", "unfinished"]

TomlPath = tuple[str | int, ...]
"""Keys and positions in arrays, from the root."""


def lines_of(text: str) -> dict[TomlPath, int]:
    """Find the line (from 1) where each table, setting and array item is first written.

    Parameters
    ----------
    text
        Valid TOML.
    """
    lines: dict[TomlPath, int] = {(): 1}
    header: TomlPath = ()
    arrays: dict[TomlPath, int] = {}
    split = text.replace("\r\n", "\n").split("\n")
    for first, last in _statements(split):
        source = "\n".join(split[first : last + 1])
        table = tomllib.loads(source)
        if source.lstrip().startswith("["):
            header = _enter(table, arrays)
            _note(lines, header, first + 1)
            continue
        for path in _paths(table):
            if all(isinstance(part, str) for part in path):
                _note(lines, header + path, first + 1)
        for end in range(first, last):  # an array over several lines: what it holds so far
            try:
                begun = tomllib.loads("\n".join(split[first : end + 1]) + "\n]")
            except tomllib.TOMLDecodeError:
                continue
            for path in _paths(begun):
                _note(lines, header + path, end + 1)
        for path in _paths(table):
            _note(lines, header + path, first + 1)
    return lines


def line_of(lines: dict[TomlPath, int], path: TomlPath) -> int:
    """Find the line of a path, or of the nearest table round it that is written."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def unfinished(text: str) -> int:
    """Find the line (from 1) of the statement that runs to the end of the text unclosed."""
    split = text.replace("\r\n", "\n").split("\n")
    after = max((last + 1 for _, last in _statements(split)), default=0)
    return min(after + 1, len(split))


def _statements(split: list[str]) -> Iterator[tuple[int, int]]:
    """First and last line (from 0) of each statement; ends at one that never closes."""
    first = 0
    while first < len(split):
        for last in range(first, len(split)):
            try:
                tomllib.loads("\n".join(split[first : last + 1]))
            except tomllib.TOMLDecodeError:
                continue
            break
        else:
            return
        yield first, last
        first = last + 1


def _enter(table: dict[str, Any], arrays: dict[TomlPath, int]) -> TomlPath:
    """Path of a ``[header]`` or ``[[header]]``, with the position in each array on the way."""
    path: TomlPath = ()
    node: Any = table
    while node:
        key, node = next(iter(node.items()))
        path = (*path, key)
        if isinstance(node, list):
            arrays[path] = arrays.get(path, -1) + 1
            node = node[0]
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _paths(value: object) -> Iterator[TomlPath]:
    """Every path in a value, its root left out."""
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (key,)
        for rest in _paths(inner):
            yield (key, *rest)


def _note(lines: dict[TomlPath, int], path: TomlPath, line: int) -> None:
    """Keep the first line of a path and of the tables round it."""
    for length in range(1, len(path) + 1):
        lines.setdefault(path[:length], line)
