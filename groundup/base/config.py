"""TOML to frozen dataclasses and back, strictly.

A setting that is misspelt or of the wrong type must not be ignored or guessed: a run that trains for a night
on the default instead of what was asked costs a night. So an unknown key refuses and names the near one, a
value of the wrong type refuses and names key, value and type, and `True` is no integer. One kindness: `1` is
accepted for a float.

What a field may be: bool, int, float, str, Path, Enum, Literal, another dataclass, tuple, list, dict with str
keys, Any, and unions of these with None. TOML has no null, so a field that may be None has None as its
default, and None is written by leaving the key out.

Next: rundir.py, which writes the resolved configuration into every run.
"""

import dataclasses
import enum
import functools
import hashlib
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from groundup.base.errors import ConfigError, suggest
from groundup.base.files import read_text

T = TypeVar("T")


def load_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file as nested dicts. DataError if it is no text file, ConfigError if no TOML."""
    try:
        return tomllib.loads(read_text(path, empty_ok=True))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}. A setting is written `name = value`, a section `[name]`, "
            'text in double quotes: kind = "bpe".'
        ) from None


def from_dict(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """An instance of the dataclass `cls` with the values of `mapping`, its defaults for the keys left out.

    `where` names the origin in messages, such as the file. Raises ConfigError for an unknown or missing key,
    a value of the wrong type, and whatever `__post_init__` of a dataclass refuses with ValueError or
    ConfigError.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Model:
    ...     n_head: int = 4
    >>> from_dict(Model, {"n_head": 8})
    Model(n_head=8)
    >>> from_dict(Model, {"n_head": "four"}, where="my.toml")
    Traceback (most recent call last):
    groundup.base.errors.ConfigError: my.toml: n_head = "four" (a string) but it must be an integer.
    """
    return _dataclass(cls, mapping, "", f"{where}: " if where else "")


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain values (dict, list, str, int, float, bool, None) of a dataclass instance or a dict."""
    plain = _plain(config)
    if not isinstance(plain, dict):
        raise TypeError(f"a configuration is a dataclass instance or a dict, not {type(config).__name__}")
    return plain


def to_toml(config: Any) -> str:
    """TOML text from which `from_dict` makes an equal instance.

    >>> print(to_toml({"seed": 1, "model": {"n_head": 4, "kinds": ["a", "b"]}}), end="")
    seed = 1
    <BLANKLINE>
    [model]
    n_head = 4
    kinds = ["a", "b"]
    """
    _check_nones(config, "")
    lines: list[str] = []
    _table(to_dict(config), "", lines)
    return "\n".join(lines).lstrip("\n") + "\n" if lines else ""


def replace_path(config: T, path: str, value: Any) -> T:
    """A copy of `config` with the field at a dotted path replaced, its type checked as `from_dict` checks it.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Model:
    ...     n_head: int = 4
    >>> replace_path(Model(), "n_head", 2)
    Model(n_head=2)
    """
    return _replace(config, path.split("."), value, "")


def digest(config: Any) -> str:
    """A SHA-256 (64 hexadecimal digits) that two configurations share if and only if their values are equal.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    >>> digest({"a": 1}) == digest({"a": 2})
    False
    """
    text = json.dumps(to_dict(config), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def diff(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The dotted keys at which two nested dicts differ, each with both values.

    >>> diff({"seed": 1, "model": {"n_head": 4}}, {"seed": 1, "model": {"n_head": 8}, "steps": 10})
    ['model.n_head: 4 -> 8', 'steps: (absent) -> 10']
    """
    flat_a, flat_b = _flat(a, ""), _flat(b, "")
    keys = [*flat_a, *(key for key in flat_b if key not in flat_a)]
    return [
        f"{key}: {_short(flat_a.get(key, '(absent)'))} -> {_short(flat_b.get(key, '(absent)'))}"
        for key in keys
        if flat_a.get(key) != flat_b.get(key)
    ]


# --- reading --------------------------------------------------------------------------------------


@functools.cache
def _fields(cls: type) -> dict[str, tuple[Any, bool]]:
    """The settable fields of a dataclass: name -> (type, whether it has a default)."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return {
        f.name: (hints[f.name], f.default is not missing or f.default_factory is not missing)
        for f in dataclasses.fields(cls)
        if f.init
    }


def _dataclass(cls: Any, mapping: Any, path: str, where: str) -> Any:
    if not isinstance(mapping, Mapping):
        raise _wrong(mapping, "a section of settings", path, where)
    fields = _fields(cls)
    for key in mapping:
        if key not in fields:
            inside = f"[{path}] has" if path else "there is"
            raise ConfigError(
                f"{where}{inside} no setting {key!r}.{suggest(str(key), fields)} Allowed: "
                f"{', '.join(sorted(fields))}."
            )
    values = {}
    for name, (kind, has_default) in fields.items():
        inner = f"{path}.{name}" if path else name
        if name in mapping:
            values[name] = _value(kind, mapping[name], inner, where)
        elif not has_default and type(None) in typing.get_args(kind):
            values[name] = None  # how TOML says None
        elif not has_default:
            raise ConfigError(f"{where}{inner} is missing; it must be {_expected(kind)}. Add it.")
    try:
        return cls(**values)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{where}{f'[{path}] ' if path else ''}{error}") from error


def _value(kind: Any, value: Any, path: str, where: str) -> Any:
    """`value` as an instance of the type `kind`, or ConfigError."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _union(kind, args, value, path, where)
    if origin is Literal:
        for choice in args:
            if value == choice and type(value) is type(choice):
                return choice
        raise _wrong(value, _expected(kind), path, where, suggest(str(value), map(str, args)))
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, typing.cast(type, kind)) else _dataclass(kind, value, path, where)
    if origin in (tuple, list, dict):
        return _container(kind, origin, args, value, path, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        for member in kind:
            if value is member or (value == member.value and type(value) is type(member.value)):
                return member
        raise _wrong(value, _expected(kind), path, where, suggest(str(value), [str(m.value) for m in kind]))
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in (bool, int, float, str, type(None)) and type(value) is kind:
        return value
    if kind in (bool, int, float, str, Path, type(None)):
        raise _wrong(value, _expected(kind), path, where)
    raise TypeError(
        f"{path}: a configuration field cannot have the type {kind!r}; see the docstring of config.py"
    )


def _union(kind: Any, args: tuple[Any, ...], value: Any, path: str, where: str) -> Any:
    if value is None and type(None) in args:
        return None
    choices = [arg for arg in args if arg is not type(None)]
    if len(choices) == 1:  # Optional: let the one choice explain itself
        return _value(choices[0], value, path, where)
    choices.sort(
        key=lambda choice: type(value) is not choice
    )  # 1 for `float | int` is an int: exact types first
    for choice in choices:
        try:
            return _value(choice, value, path, where)
        except ConfigError:
            continue
    raise _wrong(value, _expected(kind), path, where)


def _container(kind: Any, origin: Any, args: tuple[Any, ...], value: Any, path: str, where: str) -> Any:
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _wrong(value, _expected(kind), path, where)
        return {key: _value(args[1], item, f"{path}.{key}", where) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        raise _wrong(value, _expected(kind), path, where)
    if origin is list or (len(args) == 2 and args[1] is Ellipsis):
        kinds = [args[0]] * len(value)
    elif args == ((),) or len(args) != len(value):
        raise _wrong(value, _expected(kind), path, where)
    else:
        kinds = list(args)
    return origin(
        _value(k, item, f"{path}[{i}]", where) for i, (k, item) in enumerate(zip(kinds, value, strict=True))
    )


def _wrong(value: Any, expected: str, path: str, where: str, near: str = "") -> ConfigError:
    return ConfigError(f"{where}{path} = {_show(value)} ({_kind_of(value)}) but it must be {expected}.{near}")


def _show(value: Any) -> str:
    try:
        text = _toml_value(value)
    except TypeError:
        text = repr(value)
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


NAMES = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path",
    dict: "a section",
}


def _kind_of(value: Any) -> str:
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return {**NAMES, bool: "a truth value", type(None): "nothing"}.get(
        type(value), f"a {type(value).__name__}"
    )


def _expected(kind: Any) -> str:
    """A type in the user's words, such as "an integer" or "one of "bpe", "chars"."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_expected(arg) for arg in args if arg is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(_show(choice) for choice in args)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(_show(member.value) for member in kind)
    if origin is dict:
        return f"a section whose values are each {_expected(args[1])}"
    if origin is list or (origin is tuple and len(args) == 2 and args[1] is Ellipsis):
        return f"a list, each item {_expected(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)}: " + ", ".join(_expected(arg) for arg in args)
    if dataclasses.is_dataclass(kind):
        return "a section of settings"
    return NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _replace(config: Any, path: list[str], value: Any, done: str) -> Any:
    fields = _fields(config.__class__)
    name, rest = path[0], path[1:]
    inner = f"{done}.{name}" if done else name
    if name not in fields:
        raise ConfigError(
            f"there is no setting {inner!r}.{suggest(name, fields)} Allowed: {', '.join(sorted(fields))}."
        )
    child = getattr(config, name)
    if rest and not dataclasses.is_dataclass(child):
        raise ConfigError(
            f"{inner} = {_show(child)} is a value, not a section, so {'.'.join(path)!r} names nothing."
        )
    new = _replace(child, rest, value, inner) if rest else _value(fields[name][0], value, inner, "")
    try:
        return dataclasses.replace(config, **{name: new})
    except ValueError as error:
        raise ConfigError(f"{inner} = {_show(new)}: {error}") from error


# --- writing --------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _fields(value.__class__)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration cannot hold a {type(value).__name__}: {value!r}")


def _check_nones(config: Any, path: str) -> None:
    """A None whose default is not None would come back as that default: refuse to write what is lost."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return
    for field in dataclasses.fields(config):
        value, inner = getattr(config, field.name), f"{path}{field.name}"
        if value is None and field.init and field.default not in (None, dataclasses.MISSING):
            raise TypeError(
                f"{inner} is None but its default is {field.default!r}; TOML has no null. Default to None."
            )
        _check_nones(value, f"{inner}.")


def _table(table: Mapping[str, Any], path: str, lines: list[str]) -> None:
    """Values first, then sub-tables: TOML gives everything after a [header] to that header."""
    for key, value in table.items():
        if value is not None and not isinstance(value, Mapping):
            lines.append(f"{_key(key)} = {_toml_value(value)}")
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = f"{path}.{_key(key)}" if path else _key(key)
            lines.extend(["", f"[{inner}]"])
            _table(value, inner, lines)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):  # JSON escapes as TOML does, except DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Path):
        return _toml_value(str(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        items = (f"{_key(key)} = {_toml_value(item)}" for key, item in value.items() if item is not None)
        return "{ " + ", ".join(items) + " }"
    raise TypeError(f"TOML cannot hold {value!r}")


def _flat(table: Mapping[str, Any], path: str) -> dict[str, str]:
    """Dotted key -> value as text; None counts as absent, as in TOML."""
    flat: dict[str, str] = {}
    for key, value in table.items():
        inner = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            flat.update(_flat(value, inner))
        elif value is not None:
            flat[inner] = _toml_value(value)  # as text, so that 1, 1.0 and true differ
    return flat
