"""Import the code that a string ``"module:function"`` names. No other module does this.

Parameters such as ``FaceEmbedder(backbone="mine:network")`` name code that is imported when the
estimator is used: much later, in a thread, in a worker, in a clone or a copy. A string does not
record where it came from, so it cannot be checked then. It is checked where strings enter the
process:

- What a person writes in a program or on a command line is trusted: whoever could write
  ``DeepSVDD(encoder="mine:network")`` could as well write ``import mine``.
- What is read from a file is not. Whatever reads a model file or a configuration passes every
  string of its raw content, however deeply nested, to `untrusted_references` before any object is
  created from it, and refuses the file if it names code that the caller did not trust.

Both sides share one predicate: `import_function` imports exactly what `is_reference` recognizes.
So no string that passed the check, in whatever object it ends up, can be imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from typing import Any

_OTHER_PREFIXES = ("timm",)  # "timm:resnet18" names a model of timm, not a function


def is_reference(text: str) -> bool:
    """Return whether a string has the form ``"module:function"``.

    Parameters
    ----------
    text : str
        Any string.

    Returns
    -------
    bool
        Whether `import_function` would import it.
    """
    module, colon, function = text.partition(":")
    names = module.split(".")
    return (
        bool(colon)
        and function.isidentifier()
        and all(name.isidentifier() for name in names)
        and names[0] not in _OTHER_PREFIXES
    )


def untrusted_references(texts: Iterable[str], trusted: Collection[str]) -> list[str]:
    """Return the names of code among the strings of a file that the caller does not trust.

    Parameters
    ----------
    texts : iterable of str
        Every string in the file.
    trusted : collection of str
        Names of the form ``"module:function"`` that may be imported.

    Returns
    -------
    list of str
        Sorted, without duplicates. If it is not empty, the file must be refused.
    """
    return sorted({text for text in texts if is_reference(text) and text not in trusted})


def import_function(reference: str, parameter: str) -> Any:
    """Import what a parameter of an estimator refers to.

    Parameters
    ----------
    reference : str
        ``"module:function"``.
    parameter : str
        Name of the parameter, for messages.

    Returns
    -------
    object
        What the module holds under that name.

    Raises
    ------
    ValueError
        If the string has another form, or cannot be imported.
    """
    if not is_reference(reference):
        raise ValueError(f"{parameter} must be of the form 'module:function', got {reference!r}.")
    module, _, function = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{parameter}={reference!r} cannot be imported: {error}.") from error
