"""When two spellings are one name."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_diffake.utils._names import is_missing, lookalike_key, name_key

COMPOSED, DECOMPOSED = "Zo\u00eb", "Zoe\u0308"


@pytest.mark.parametrize(
    "spelling",
    [
        DECOMPOSED,
        f" {COMPOSED}",
        f"{COMPOSED}\n",
        f"{COMPOSED}\u00a0",  # no-break space
        f"\ufeff{COMPOSED}",  # byte order mark
        "Zo\u200be\u0308",  # zero-width space
        "Zo\u00ade\u200d\u0308",  # soft hyphen; a joiner between letter and accent
        "\u202aZo\u00eb\u202c",  # marks of the writing direction
        f"\u3000{COMPOSED}\u2003",  # wide spaces
        f"{COMPOSED}\x00",
        f"\x1b{COMPOSED}\x7f",  # control characters
        f"{COMPOSED}\u2800",  # Braille blank
        f"\ufff9{COMPOSED}\ufffb",  # marks of an annotation
    ],
)
def test_spellings_that_look_the_same(spelling):
    assert name_key(spelling) == COMPOSED


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("Ann Lee", "Ann  Lee"),
        ("Ann Lee", "Ann\u00a0Lee"),
        ("Ann Lee", "Ann \t\u200b Lee"),
        ("7", 7),
        ("7", 7.0),
        ("7", np.int16(7)),
        ("-7", np.float32(-7)),
        ("Ann", "A\x00nn"),
        ("1" + "0" * 400, 10**400),
    ],
)
def test_spaces_and_numbers(name, spelling):
    assert name_key(spelling) == name_key(name) == name


@pytest.mark.parametrize(
    ("first", "second"),
    [("Zo\u00eb", "zo\u00eb"), ("Zo\u00eb", "Zoe"), ("AnnLee", "Ann Lee"), ("07", 7), ("1", True),
     ("clip\u00b2", "clip2"), ("\uff21nn", "Ann"), (1.5, "1")],
)  # fmt: skip
def test_different_names(first, second):
    assert name_key(first) != name_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("Zo\u00eb", "ZO\u00cb"), ("\uff21nn", "ann"), ("\ufb01nn", "Finn"), ("clip\u00b2", "clip2")],
)
def test_names_that_look_alike(first, second):
    assert lookalike_key(name_key(first)) == lookalike_key(name_key(second))


@given(st.text())
def test_a_key_is_its_own_key_in_every_form(text):
    key = name_key(text)
    assert name_key(key) == key
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, text)) == key
    assert lookalike_key(lookalike_key(key)) == lookalike_key(key)


@pytest.mark.parametrize(
    "value", [None, np.nan, "", " ", "\u200b", "\u00a0\n", np.datetime64("NaT")]
)
def test_missing(value):
    assert is_missing(value)


@pytest.mark.parametrize("value", ["nan", "None", 0, False, (), "-"])
def test_not_missing(value):
    assert not is_missing(value)
