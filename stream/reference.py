"""The reference configuration: what each setting means, may be, and is by default."""

import textwrap

from msgspec import NODEFAULT, Struct, inspect

from stream.meaning import allowed, description, dotted, plain, sentence, toml
from stream.toml_lines import TomlPath

__all__ = ["reference"]

WIDTH = 100


def reference(kind: type[Struct]) -> str:
    """Write the defaults as TOML, with what each setting means and may be.

    What has no default (an empty list of tables, a value that is not set) stands there as a
    comment. The text loads back to ``kind()``.
    """
    info = inspect.type_info(kind)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{kind!r} is not a class of settings")
    return "\n".join(_table(info, kind(), ())).strip() + "\n"


def _table(info: inspect.StructType, values: Struct | None, place: TomlPath) -> list[str]:
    """Write what stands below one header: first the settings, then the tables inside.

    `values` is None where there is no table yet, only the type of one.
    """
    settings: list[str] = []
    tables: list[str] = []
    for field in info.fields:
        inside = (*place, field.encode_name)
        value = _default(field) if values is None else getattr(values, field.name)
        about = sentence(description(field.type))
        kind = plain(field.type)
        if isinstance(kind, inspect.StructType):
            entry = value if isinstance(value, Struct) else None
            lines = [f"[{dotted(inside)}]", *_table(kind, entry, inside)]
            tables += ["", *_comment(about), *(lines if entry else _commented_out(lines))]
        elif (content := _content(kind)) is not None:
            tables += ["", *_comment(about)]
            tables += _several(content, value, inside, array=not isinstance(kind, inspect.DictType))
        else:
            settings += ["", *_comment(f"{about} {sentence(_capital(allowed(kind)))}")]
            settings += _setting(field, value)
    return settings[1:] + tables


def _several(
    content: inspect.StructType, value: object, place: TomlPath, *, array: bool
) -> list[str]:
    """Write an array or a dict of tables; if it is empty, one as a comment."""
    entries: list[tuple[TomlPath, Struct]] = []
    if isinstance(value, dict):
        entries = [((*place, key), entry) for key, entry in value.items()]
    elif isinstance(value, list | tuple):
        entries = [(place, entry) for entry in value]
    if not entries:
        below = place if array else (*place, "NAME")
        return _commented_out(_one(content, None, below, array=array))
    lines: list[str] = []
    for below, entry in entries:
        more = _one(content, entry, below, array=array)
        lines += ["", *(line for line in more if not line.startswith("#"))] if lines else more
    return lines


def _one(
    content: inspect.StructType, entry: Struct | None, place: TomlPath, *, array: bool
) -> list[str]:
    header = f"[[{dotted(place)}]]" if array else f"[{dotted(place)}]"
    return [header, *_table(content, entry, place)]


def _content(info: inspect.Type) -> inspect.StructType | None:
    """Type of the tables in an array or a dict of tables; None if it holds something else."""
    match info:
        case inspect.CollectionType():
            content = plain(info.item_type)
        case inspect.DictType():
            content = plain(info.value_type)
        case _:
            return None
    return content if isinstance(content, inspect.StructType) else None


def _default(field: inspect.Field) -> object:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default


def _setting(field: inspect.Field, value: object) -> list[str]:
    name = dotted((field.encode_name,))
    if value is None:
        return [f"# {name} is not set."]
    if value is NODEFAULT:
        return [f"{name} = "]
    line = f"{name} = {toml(value)}"
    if len(line) <= WIDTH or not isinstance(value, list | tuple):
        return [line]
    return [f"{name} = [", *(f"    {toml(item)}," for item in value), "]"]


def _comment(text: str) -> list[str]:
    text = text.strip()
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ") if text else []


def _commented_out(lines: list[str]) -> list[str]:
    return [line if line.startswith("#") else f"# {line}".rstrip() for line in lines]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
