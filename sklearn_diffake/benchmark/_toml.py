"""Read the tables of a TOML file; an error names file, table and key."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn_diffake.utils._messages import nearest

REQUIRED: Any = object()  # a key without a default
_TYPE_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class ConfigError(ValueError):
    r"""A benchmark's configuration that cannot be used; the message names table and key.

    Parameters
    ----------
    problem : str
        What is wrong, and what is expected.
    key : str, default=""
        The key in question, with dots for what is nested.
    table : str, default=""
        Dotted name of its table; empty for the keys at the top of a file.
    file : Path or None, default=None
        The configuration; None for a detector or loader that was described elsewhere.

    See Also
    --------
    read_config : Reads and checks a configuration.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sklearn_diffake.benchmark import ConfigError, read_config
    >>> _ = Path("bad.toml").write_text("sead = 1")
    >>> try:
    ...     read_config("bad.toml")
    ... except ConfigError as error:
    ...     print(error, error.key, sep="\n")
    /...bad.toml: sead: unknown key; did you mean 'seed'?
    sead
    """

    def __init__(
        self, problem: str, key: str = "", table: str = "", file: Path | None = None
    ) -> None:
        super().__init__(problem, key, table, file)  # all of them, so that it can be pickled
        self.problem = problem
        self.key = key
        self.table = table
        self.file = file

    def __str__(self) -> str:
        table = f"[{self.table}]" if self.table else ""
        location = " ".join(text for text in (table, self.key) if text)
        return ": ".join(str(text) for text in (self.file, location, self.problem) if text)


class Table:
    """A table of a TOML file, whose keys are read one by one; `close` refuses any that remain.

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
        self._keys_read: list[str] = []

    def error(self, key: str, problem: str) -> ConfigError:
        """Make the error that names file, table and key."""
        return ConfigError(problem, key, self.name, self.file)

    def error_at(self, key: str, error: ConfigError) -> ConfigError:
        """Make the error of a detector or loader that is described at a key."""
        return self.error(f"{key}.{error.key}" if key else error.key, error.problem)

    def get(
        self,
        key: str,
        kind: type,
        default: Any = REQUIRED,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        choices: Iterable[str] | None = None,
    ) -> Any:
        """Return a value of the kind that is expected."""
        self._keys_read.append(key)
        if key not in self.values:
            if default is REQUIRED:
                raise self.error(
                    key, f"is missing; expected {_TYPE_NAMES[kind]}{self._similar_key(key)}"
                )
            return default
        limits: dict[str, Any] = {"minimum": minimum, "maximum": maximum, "choices": choices}
        return self.check(key, self.values[key], kind, **limits)

    def _similar_key(self, key: str) -> str:
        """Return a hint which key may be a misspelling of one that is missing."""
        unread = [name for name in self.values if name not in self._keys_read]
        close = difflib.get_close_matches(key, unread)
        return f" (is {close[0]!r} meant to be it?)" if close else ""

    def check(
        self,
        key: str,
        value: Any,
        kind: type,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        choices: Iterable[str] | None = None,
    ) -> Any:
        """Return a value if it is of the kind that is expected."""
        accepted: Any = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"expected {_TYPE_NAMES[kind]}, got {value!r}")
        if kind is float and not math.isfinite(value):
            raise self.error(key, f"expected a finite number, got {value!r}")
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            is_open = maximum is None
            bounds = f"at least {minimum:g}" if is_open else f"from {minimum:g} to {maximum:g}"
            raise self.error(key, f"expected {_TYPE_NAMES[kind]} {bounds}, got {value!r}")
        if choices is not None and value not in choices:
            raise self.error(key, f"{value!r} is not known; {nearest(value, choices)}")
        return value

    def get_list(
        self, key: str, kind: type, default: Sequence[Any] = REQUIRED, **limits: Any
    ) -> tuple[Any, ...]:
        """Return a list of values of one kind, at least one and each only once."""
        values = self.get(key, list, default)
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
        """Return a table in this one, empty if there is none."""
        name = f"{self.name}.{key}" if self.name else key
        return Table(self.get(key, dict, {}), self.file, name)

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables in a table."""
        inner = self.table(key)
        for name, value in inner.values.items():
            inner.check(name, value, dict)
        return {name: inner.table(name) for name in inner.values}

    def close(self) -> None:
        """Refuse keys that were not read."""
        for key in self.values:
            if key not in self._keys_read:
                raise self.error(key, f"unknown key; {nearest(key, self._keys_read)}")

    def path(self, text: str) -> str:
        """Return a path that, if relative, begins at the file's folder."""
        return str(self.file.parent / Path(text).expanduser())
