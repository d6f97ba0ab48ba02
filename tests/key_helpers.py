"""Lists of what changes a key and what does not, checked against what there is."""

import inspect


def parameters_of(function):
    """Return the names of a function's, or of a class's, parameters."""
    return {name for name in inspect.signature(function).parameters if name != "self"}


def check_listed(subject, present, decisive, indifferent):
    """Fail unless every name is listed once: as deciding the key, or as not doing so.

    Parameters
    ----------
    what : str
        Whose parameters they are.
    there : iterable of str
        The parameters that there are.
    decisive, indifferent : iterable of str
        Those that change the output, and so must change the key; and those that cannot.
    """
    present, decisive, indifferent = set(present), set(decisive), set(indifferent)
    new = present - decisive - indifferent
    assert not new, (
        f"{subject}: {sorted(new)} is in no list of this test. If another value can change the "
        "output, it must change the key, and belongs to the first list; else to the second."
    )
    assert not decisive & indifferent
    assert decisive | indifferent == present, f"{subject}: there is no such parameter any more"
