"""Read the tables of a TOML file, and say in which table and at which key something is wrong."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn_diffake.utils._messages import nearest

REQUIRED: Any = object()  # a key without a default
_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class ConfigError(ValueError):
    """A benchmark's configuration that cannot be used; the message names table and key.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import ConfigError, read_config
    >>> _ = Path("bad.toml").write_text("sead = 1")
    >>> try:
    ...     read_config("bad.toml")
    ... except ConfigError as error:
    ...     print(error)
    /...bad.toml: sead: unknown key; did you mean 'seed'?
    """


class Table:
    """A table of a TOML file, whose keys are taken one by one; none may be left.

    Parameters
    ----------
    values : dict
        As ``tomllib`` gives it.
    file : Path
        Named in messages, as is `name`.
    name : str, default=""
        Dotted name of the table; empty for the file's own keys.
    """

    def __init__(self, values: Mapping[str, Any], file: Path, name: str = "") -> None:
        self.values = values
        self.file = file
        self.name = name
        self._taken: list[str] = []

    def error(self, key: str, problem: str) -> ConfigError:
        """Make the error that names file, table and key."""
        where = f"[{self.name}] " if self.name else ""
        return ConfigError(f"{self.file}: {where}{key}: {problem}")

    def take(
        self,
        key: str,
        kind: type,
        default: Any = REQUIRED,
        *,
        least: float | None = None,
        most: float | None = None,
        choices: Iterable[str] | None = None,
    ) -> Any:
        """Return a value of the kind that is expected."""
        self._taken.append(key)
        if key not in self.values:
            if default is REQUIRED:
                raise self.error(key, f"is missing; expected {_KINDS[kind]}{self._misspelt(key)}")
            return default
        return self.check(key, self.values[key], kind, least=least, most=most, choices=choices)

    def _misspelt(self, key: str) -> str:
        """Say which key may be meant to be one that is missing."""
        close = difflib.get_close_matches(key, [k for k in self.values if k not in self._taken])
        return f" (is {close[0]!r} meant to be it?)" if close else ""

    def check(
        self,
        key: str,
        value: Any,
        kind: type,
        *,
        least: float | None = None,
        most: float | None = None,
        choices: Iterable[str] | None = None,
    ) -> Any:
        """Return a value if it is of the kind that is expected."""
        accepted: Any = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"expected {_KINDS[kind]}, got {value!r}")
        if kind is float and not math.isfinite(value):
            raise self.error(key, f"expected a finite number, got {value!r}")
        if (least is not None and value < least) or (most is not None and value > most):
            bounds = f"at least {least:g}" if most is None else f"from {least:g} to {most:g}"
            raise self.error(key, f"expected {_KINDS[kind]} {bounds}, got {value!r}")
        if choices is not None and value not in choices:
            raise self.error(key, f"{value!r} is not known; {nearest(value, choices)}")
        return value

    def take_list(
        self, key: str, kind: type, default: Sequence[Any] = REQUIRED, **limits: Any
    ) -> tuple[Any, ...]:
        """Return a list of values of one kind, at least one and each only once."""
        values = self.take(key, list, default)
        if values is default:
            return tuple(default)
        if not values:
            raise self.error(key, "the list is empty")
        checked = tuple(self.check(key, value, kind, **limits) for value in values)
        for i, value in enumerate(checked):
            if value in checked[:i]:
                raise self.error(key, f"{value!r} is listed twice")
        return checked

    def table(self, key: str) -> Table:
        """Return a table in this one, empty if it is not there."""
        name = f"{self.name}.{key}" if self.name else key
        return Table(self.take(key, dict, {}), self.file, name)

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables in a table."""
        inner = self.table(key)
        for name, value in inner.values.items():
            inner.check(name, value, dict)
        return {name: inner.table(name) for name in inner.values}

    def close(self) -> None:
        """Refuse keys that were not taken."""
        for key in self.values:
            if key not in self._taken:
                raise self.error(key, f"unknown key; {nearest(key, self._taken)}")

    def path(self, text: str) -> str:
        """Return a path that, if relative, begins at the file's folder."""
        return str(self.file.parent / Path(text).expanduser())
