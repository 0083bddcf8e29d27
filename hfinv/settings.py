"""Settings: frozen dataclasses whose values a person writes as `a.b=c` or as TOML.

Any tree of dataclasses will do, if each field has a default, an annotation of plain types, and a
docstring under it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import textwrap
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from hfinv.errors import UsageError

Config = TypeVar("Config")
NONE = "none"
"""How None is written, for TOML has no word for it."""
SEE_ALL = "`hfinv config --help-settings` lists all settings"


@dataclass(frozen=True)
class Setting:
    """One value of a tree."""

    path: str
    """Such as `latent.w_steps`."""
    kind: Any
    """Its annotation."""
    value: Any
    meaning: str
    """Its docstring."""


def every(config: Any, prefix: str = "") -> Iterator[Setting]:
    """The settings of a tree, in the order in which they are written."""
    kinds, meanings = annotations(type(config)), docstrings(type(config))
    for field in fields(config):
        path, value = prefix + field.name, getattr(config, field.name)
        if is_dataclass(value):
            yield from every(value, path + ".")
        else:
            yield Setting(path, kinds[field.name], value, meanings.get(field.name, ""))


def assign(config: Config, assignment: str) -> Config:
    """The tree with one value changed.

    Args:
        config: the tree.
        assignment: such as `latent.w_steps=60`; a tuple is `64,32`, None is `none`.

    Raises:
        UsageError: there is no such setting, or it cannot have that value.
    """
    path, equals, text = assignment.partition("=")
    if not equals:
        raise UsageError(f"`{assignment}` sets nothing", "write `--set name=value`")
    path = path.strip()
    return _put(config, path, _value(text.strip(), _known(config, path), from_text))


def merge(config: Config, table: dict[str, Any], prefix: str = "") -> Config:
    """The tree with the values of a TOML table.

    Raises:
        UsageError: as for `assign`.
    """
    for name, value in table.items():
        path = prefix + name
        if isinstance(value, dict) and _group(config, path) is not None:
            config = merge(config, value, path + ".")
        else:
            config = _put(config, path, _value(value, _known(config, path), from_toml))
    return config


def adjusted(config: Config, config_file: Path | None, assignments: Iterable[str]) -> Config:
    """The tree with the values of a TOML file, then those assigned.

    Raises:
        UsageError: as for `assign` and `read_toml`.
    """
    if config_file is not None:
        config = merge(config, read_toml(config_file))
    for assignment in assignments:
        config = assign(config, assignment)
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read ({error.strerror})", "check the path") from error
    except ValueError as error:
        hint = "`hfinv config` prints a file to start from"
        raise UsageError(f"`{path}` is not TOML ({error})", hint) from error


def to_toml(config: Any) -> str:
    """The whole tree as TOML, each value under its meaning; `merge` reads it back."""
    settings = list(every(config))
    groups: dict[str, list[Setting]] = {"": [s for s in settings if "." not in s.path]}
    for setting in settings:
        group, _, name = setting.path.rpartition(".")
        if group:
            groups.setdefault(group, []).append(setting)
    blocks = []
    for group, members in groups.items():
        lines = [f"[{group}]"] if group else []
        for setting in members:
            lines += textwrap.wrap(setting.meaning, 98, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{setting.path.rpartition('.')[2]} = {_toml(setting.value)}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(block for block in blocks if block.strip())


def describe(config: Any) -> str:
    """The whole tree for a person: each setting, its value, what it may be and what it means."""
    lines = []
    for setting in every(config):
        lines.append(f"{setting.path} = {_toml(setting.value)}    ({in_words(setting.kind)})")
        lines += textwrap.wrap(setting.meaning, 96, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


@cache
def annotations(kind: type) -> dict[str, Any]:
    """The annotation of each field of a dataclass, by its name."""
    return typing.get_type_hints(kind)


@cache
def docstrings(cls: type) -> dict[str, str]:
    """The strings that stand under a dataclass's fields, by field."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body
        for field, below in zip(body, body[1:]):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`, if one is; `w_steps` is like `latent.w_steps`."""
    names = list(names)
    last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(names)}
    close = difflib.get_close_matches(name, names, 1) or [
        last[match] for match in difflib.get_close_matches(name.rpartition(".")[2], last, 1)
    ]
    return close[0] if close else None


def from_text(text: str, kind: Any) -> Any:
    """A value of the annotated kind from what was typed.

    Raises:
        ValueError: it is none.
    """
    if kind in (str, Path):
        return kind(text)
    if kind in (int, float, bool, types.NoneType):
        return _number(text, kind)
    if typing.get_origin(kind) is Literal:
        return _member(text, kind, str)
    if _is_union(kind):
        return _first(text, kind, from_text)
    if typing.get_origin(kind) is tuple:
        inner = text.removeprefix("[").removesuffix("]").strip(", ")
        return _items([part.strip() for part in inner.split(",")] if inner else [], kind, from_text)
    raise TypeError(f"settings of type {kind} are not supported")


def from_toml(value: Any, kind: Any) -> Any:
    """A value of the annotated kind from what TOML holds.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, str) and (kind in (str, Path, types.NoneType)):
        return from_text(value, kind)
    if kind is float and type(value) in (int, float) and not math.isnan(value):
        return float(value)
    if kind in (int, bool) and type(value) is kind:
        return value
    if typing.get_origin(kind) is Literal:
        return _member(value, kind, lambda choice: choice)
    if _is_union(kind):
        return _first(value, kind, from_toml)
    if typing.get_origin(kind) is tuple and isinstance(value, list):
        return _items(value, kind, from_toml)
    raise ValueError(value)


def in_words(kind: Any) -> str:
    """What a setting of that kind may be, to finish the sentence "it must be ..."."""
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if _is_union(kind):
        return " or ".join(in_words(member) for member in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        items = typing.get_args(kind)
        many = f"{len(items)} values" if Ellipsis not in items else "values"
        return f"{many} with commas between, each {in_words(items[0])}"
    words = {int: "a whole number", float: "a number", bool: "`true` or `false`", str: "text"}
    return {**words, Path: "a path", types.NoneType: f"`{NONE}`"}.get(kind, str(kind))


def _number(text: str, kind: type) -> int | float | bool | None:
    words = {bool: {"true": True, "false": False}, types.NoneType: {NONE: None}}.get(kind)
    if words is not None:
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    number = kind(text)
    if math.isnan(number):
        raise ValueError(text)
    return number


def _member(value: Any, kind: Any, written: Any) -> Any:
    for choice in typing.get_args(kind):
        if written(choice) == value and (written is str or type(choice) is type(value)):
            return choice
    raise ValueError(value)


def _first(value: Any, kind: Any, convert: Any) -> Any:
    """As the first member of the union that fits; text fits anything, so it is tried last."""
    for member in sorted(typing.get_args(kind), key=lambda member: member in (str, Path)):
        try:
            return convert(value, member)
        except ValueError:
            continue
    raise ValueError(value)


def _items(values: list[Any], kind: Any, convert: Any) -> tuple[Any, ...]:
    kinds = typing.get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    if len(kinds) != len(values):
        raise ValueError(values)
    return tuple(convert(value, item) for value, item in zip(values, kinds))


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)


def _value(written: Any, setting: Setting, convert: Any) -> Any:
    try:
        return convert(written, setting.kind)
    except ValueError as error:
        shown = written if isinstance(written, str) else _shown(written)
        near = nearest(str(written), map(str, _choices(setting.kind)))
        hint = f"did you mean `{near}`?" if near else setting.meaning or None
        message = f"`{setting.path}` must be {in_words(setting.kind)}, not `{shown}`"
        raise UsageError(message, hint) from error


def _shown(value: Any) -> str:
    try:
        return _toml(value)
    except TypeError:  # a date or a table, which no setting is
        return str(value)


def _choices(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _known(config: Any, path: str) -> Setting:
    settings = {setting.path: setting for setting in every(config)}
    if path in settings:
        return settings[path]
    inside = [name for name in settings if name.startswith(path + ".")]
    if inside:
        raise UsageError(
            f"`{path}` is a group of settings", f"set one of them, such as `{inside[0]}`"
        )
    near = nearest(path, settings)
    hint = f"did you mean `{near}`?" if near else SEE_ALL
    raise UsageError(f"there is no setting `{path}`", hint)


def _group(config: Any, path: str) -> Any | None:
    for name in path.split("."):
        config = getattr(config, name, None)
    return config if is_dataclass(config) else None


def _put(config: Config, path: str, value: Any) -> Config:
    name, dot, rest = path.partition(".")
    return replace(config, **{name: _put(getattr(config, name), rest, value) if dot else value})


_ESCAPES = {i: f"\\u{i:04x}" for i in (*range(32), 127)} | {ord('"'): '\\"', ord("\\"): "\\\\"}


def _toml(value: Any) -> str:
    if value is None:
        return f'"{NONE}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, Path)):
        return '"' + str(value).translate(_ESCAPES) + '"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    raise TypeError(f"settings of type {type(value).__name__} are not supported")
