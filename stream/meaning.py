"""What a setting is, in words, and how TOML writes its name and its value."""

import json
import re
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time

import msgspec
from msgspec import inspect

from stream.toml_lines import TomlPath

__all__ = ["allowed", "description", "dotted", "names", "plain", "sentence", "toml"]


def names(info: inspect.Type) -> list[str]:
    """Names of the settings in a table; none if it is not a table."""
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    return [field.encode_name for field in fields]


def plain(info: inspect.Type) -> inspect.Type:
    """Take off the description and the permission to be absent."""
    if isinstance(info, inspect.Metadata):
        return plain(info.type)
    if isinstance(info, inspect.UnionType):
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        if len(members) == 1:
            return plain(members[0])
    return info


def description(info: inspect.Type) -> str:
    """Read what `msgspec.Meta` says; for a table else the first line of its docstring."""
    if isinstance(info, inspect.Metadata):
        return str((info.extra_json_schema or {}).get("description", "")) or description(info.type)
    if isinstance(info, inspect.StructType):
        return (vars(info.cls).get("__doc__") or "").strip().partition("\n")[0]
    return ""


def sentence(text: str) -> str:
    """End a text with one full stop; no text stays no text."""
    return f"{text.rstrip('.')}." if text else ""


def dotted(place: TomlPath) -> str:
    """Write a path as TOML does in headers; positions in arrays as ``[0]``."""
    name = ""
    for part in place:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            name += ("." if name else "") + (part if bare else _quoted(part))
    return name


def _quoted(text: str) -> str:
    """Write a basic string of TOML, which is that of JSON but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml(value: object) -> str:
    """Write a value inline; sets in order, so that the text is the same every time."""
    if isinstance(value, AbstractSet):
        value = sorted(value)
    value = msgspec.to_builtins(value, builtin_types=(datetime, date, time))
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case dict():
            inside = ", ".join(f"{dotted((key,))} = {toml(inner)}" for key, inner in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return repr(value)


def allowed(info: inspect.Type) -> str:
    """Say what a setting may be."""
    info = plain(info)
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            noun = "a whole number" if isinstance(info, inspect.IntType) else "a number"
            return " ".join([noun, *_bounds(info)])
        case inspect.StrType():
            pattern = f" like {info.pattern}" if info.pattern else ""
            return f"text{pattern}{_length(info, 'characters')}"
        case inspect.LiteralType():
            return f"one of {', '.join(toml(value) for value in info.values)}"
        case inspect.EnumType():
            return f"one of {', '.join(toml(member.value) for member in info.cls)}"
        case inspect.TupleType():
            return f"a list of {len(info.item_types)}: {', '.join(map(allowed, info.item_types))}"
        case inspect.CollectionType():
            return f"a list, each {allowed(info.item_type)}{_length(info, 'items')}"
        case inspect.DictType():
            return f"a table of names, each with {allowed(info.value_type)}"
        case inspect.StructType():
            return f"a table of {', '.join(names(info))}"
        case inspect.UnionType():
            return " or ".join(allowed(member) for member in info.types)
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def _bounds(info: inspect.IntType | inspect.FloatType) -> list[str]:
    signs = ((">", info.gt), (">=", info.ge), ("<", info.lt), ("<=", info.le))
    bounds = ", ".join(f"{sign} {bound:.12g}" for sign, bound in signs if bound is not None)
    step = [] if info.multiple_of is None else [f"in steps of {info.multiple_of:.12g}"]
    return [*([bounds] if bounds else []), *step]


def _length(info: inspect.StrType | inspect.CollectionType, unit: str) -> str:
    least = [] if info.min_length is None else [f"at least {info.min_length}"]
    most = [] if info.max_length is None else [f"at most {info.max_length}"]
    return f", {' and '.join(least + most)} {unit}" if least or most else ""
