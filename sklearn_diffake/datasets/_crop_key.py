"""The key of a face detector, as a part of the key of the frames that it crops."""

from __future__ import annotations

import functools
import inspect
from types import CodeType, FunctionType
from typing import Any

import joblib


def crop_key(crop: Any) -> Any:
    """Describe a detector of faces by plain values.

    Parameters
    ----------
    crop : str, callable or None

    Returns
    -------
    key : str, list or None
        Of a function: its name, code, defaults and the values it closes over. Of another
        callable: its type and state. A value that cannot be pickled counts by its type alone.
    """
    if crop is None or isinstance(crop, str):
        return crop
    if isinstance(crop, functools.partial):
        return ["partial", crop_key(crop.func), _value_keys([crop.args, crop.keywords])]
    if inspect.ismethod(crop):
        return ["method", crop_key(crop.__func__), _value_keys([crop.__self__])]
    if isinstance(crop, FunctionType):
        return [f"{crop.__module__}.{crop.__qualname__}", *_function_key(crop)]
    kind = type(crop)
    state = [crop] if not inspect.isbuiltin(crop) else [crop.__name__]
    call_method = inspect.getattr_static(kind, "__call__", None)
    code = _function_key(call_method) if isinstance(call_method, FunctionType) else []
    return [f"{kind.__module__}.{kind.__qualname__}", _value_keys(state), *code]


def _function_key(function: FunctionType) -> list[str]:
    """Describe a function by its code, defaults and closure."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    bound_values = [function.__defaults__, function.__kwdefaults__, *cells]
    return [joblib.hash(_code_key(function.__code__)), _value_keys(bound_values)]


def _code_key(code: CodeType) -> list[Any]:
    """Describe compiled code without the file and the lines that it is from."""
    constants = [
        _code_key(c) if isinstance(c, CodeType) else _constant_key(c) for c in code.co_consts
    ]
    return [code.co_code, list(code.co_names), constants]


def _constant_key(value: Any) -> str:
    """Write a constant; the order in a set differs from process to process."""
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _value_keys(values: list[Any]) -> list[str]:
    """Describe values by their content; functions among them as such."""
    return [_value_key(value) for value in values]


def _value_key(value: Any) -> str:
    if isinstance(value, (FunctionType, functools.partial)):
        return repr(crop_key(value))
    try:
        return str(joblib.hash(value))
    except Exception:  # objects that cannot be pickled raise errors of any type
        return f"{type(value).__module__}.{type(value).__qualname__}"
