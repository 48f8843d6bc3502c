"""Settings from TOML, and the reference configuration that explains them.

Every room keeps a `settings.py` with `Settings`; each field is annotated with a
`msgspec.Meta` that describes it and bounds it, and has a default.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from stream.errors import ConfigurationError
from stream.meaning import allowed, description, dotted, names, plain, sentence
from stream.reference import reference
from stream.toml_lines import TomlPath, line_of, lines_of, unfinished

__all__ = ["Settings", "load", "misfit", "reference"]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings: frozen, by name only, and no unknown name passes."""


T = TypeVar("T", bound=Settings)


class Fault(Struct, frozen=True):
    """One setting that does not fit."""

    place: TomlPath
    problem: str
    remedy: str


def load(path: Path | None, kind: type[T]) -> T:
    """Read settings.

    Parameters
    ----------
    path
        A TOML file in UTF-8; None gives the defaults.
    kind
        The settings that it holds.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, is not TOML, or a setting is unknown or out of bounds.
        It names the file, the line, and what would be right.
    """
    if path is None:
        return kind()
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise ConfigurationError(
            f"this is not TOML: {error}",
            remedy="Text stands in quotes, a name is given once, and every [, { and quote closes.",
            file=path,
            line=int(found[1]) if found else unfinished(text),
        ) from error
    fault = _find_fault(table, kind, (), "", kind)
    if fault is not None:
        raise ConfigurationError(
            fault.problem,
            remedy=fault.remedy,
            file=path,
            line=line_of(lines_of(text), fault.place),
        )
    return msgspec.convert(table, kind)


def misfit(path: Path | None, place: TomlPath, problem: str, remedy: str) -> ConfigurationError:
    """Make the error of a setting that is allowed, but does not fit the world it is used in.

    Parameters
    ----------
    path
        The file that the settings were read from; None if there is none.
    place
        Names of the tables and of the setting.
    problem, remedy
        See `ConfigurationError`.
    """
    line = None if path is None else line_of(lines_of(_read(path)), place)
    return ConfigurationError(f"`{dotted(place)}`: {problem}", remedy=remedy, file=path, line=line)


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the configuration cannot be read: {error.strerror}",
            remedy="Name a file that exists and may be read, or leave it out for the defaults.",
            file=path,
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "this is not UTF-8 text",
            remedy="Save the file as UTF-8.",
            file=path,
            line=content.count(b"\n", 0, error.start) + 1,
        ) from error


def _find_fault(
    value: object, kind: object, place: TomlPath, about: str, root: object
) -> Fault | None:
    """Find the first setting that does not fit.

    msgspec says what is wrong, but not under which key of a dict; so each part is tried by
    itself until the smallest one that does not fit.
    """
    info = inspect.type_info(kind)
    about = description(info) or about
    for key, inner, inner_kind in _parts(value, kind):
        inner_place = (*place, key)
        if inner_kind is None:
            problem = f"`{dotted(inner_place)}` is not a setting"
            return Fault(inner_place, problem, _closest(inner_place, plain(info), root))
        fault = _find_fault(inner, inner_kind, inner_place, about, root)
        if fault is not None:
            return fault
    name = f"`{dotted(place)}`" if place else "the configuration"
    remedy = " ".join(filter(None, (sentence(about), sentence(f"It is {allowed(info)}"))))
    if isinstance(value, float) and not math.isfinite(value):
        return Fault(place, f"{name} is {value}, which is no number", remedy)
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = str(error).split(" - at `$")[0].replace("`object`", "a table")
        return Fault(place, f"{name}: {problem[:1].lower()}{problem[1:]}", remedy)
    return None


def _parts(value: object, kind: object) -> Iterator[tuple[str | int, Any, Any]]:
    """Key, value and type of what a table or an array holds; type None for an unknown key."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _parts(value, arguments[0])
    elif origin in (Union, UnionType):
        members = [member for member in arguments if member is not type(None)]
        if len(members) == 1:
            yield from _parts(value, members[0])
    elif isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, dict):
        known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, inner in value.items():
            yield key, inner, known.get(key)
    elif origin is dict and isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner, arguments[1]
    elif origin is tuple and isinstance(value, list) and arguments[-1] is not Ellipsis:
        yield from zip(range(len(value)), value, arguments, strict=False)
    elif origin in (list, tuple, set, frozenset) and isinstance(value, list):
        for index, inner in enumerate(value):
            yield index, inner, arguments[0]


def _closest(place: TomlPath, table: inspect.Type, root: object) -> str:
    """Say which setting an unknown name may have meant."""
    name = str(place[-1])
    siblings = names(table)
    close = difflib.get_close_matches(name, siblings, n=1)
    if close:
        return f"Did you mean `{dotted((*place[:-1], close[0]))}`?"
    homes = [path for path in _tree(inspect.type_info(root), ()) if path[-1] == name]
    if homes:
        return f"Did you mean `{dotted(homes[0])}`?"
    return f"Here can stand: {', '.join(siblings)}."


def _tree(info: inspect.Type, place: TomlPath) -> Iterator[TomlPath]:
    """Every setting in the tables below, those inside arrays and dicts left out."""
    table = plain(info)
    if isinstance(table, inspect.StructType):
        for field in table.fields:
            inner = (*place, field.encode_name)
            yield inner
            yield from _tree(field.type, inner)
