"""What a report says besides numbers."""

from __future__ import annotations

from ._evidence import SUSPICIOUS_MEANS

#: Headline and meaning of every outcome.
OUTCOMES = {
    "genuine": (
        "Genuine",
        "Like genuine pairs of one person, as far as this model can see. This is no proof: read "
        "below how often the model is wrong.",
    ),
    "suspicious": (
        "Suspicious",
        f"{SUSPICIOUS_MEANS[0].upper()}{SUSPICIOUS_MEANS[1:]}. This is no proof: read below how "
        "often the model is wrong, and what else looks the same.",
    ),
    "inconclusive": (
        "Inconclusive",
        "The evidence does not carry a decision either way.",
    ),
    "error": ("Error", "There is no verdict: the comparison could not be made."),
}

#: What else can make a genuine pair look altered, and an altered one genuine.
LOOK_ALIKES = (
    (
        "Another person",
        "The model compares faces. It cannot tell an altered face from somebody who is simply not "
        "the person of the reference, such as a relative, or a reference filed under a wrong name.",
    ),
    (
        "A poor picture",
        "Blur, strong compression, darkness, a small face, or a head that is turned far away.",
    ),
    ("Time", "Years between the pictures, childhood above all; illness; a large change of weight."),
    (
        "What covers or changes a face",
        "Masks, sunglasses, a new beard, heavy make-up, beauty filters of cameras and phones.",
    ),
    (
        "The other way round",
        "An altered picture that keeps the identity of the person well can look genuine. How many "
        "of those that were tested did, is the APCER above.",
    ),
)

CAUTION = (
    "A map shows what the model reacted to. It does not prove that a place was altered, nor that "
    "others were not."
)


def clock(seconds: float) -> str:
    """Write a time in a clip as minutes and seconds."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{rest:04.1f}"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def expected(value: float) -> str:
    """Write an expected number of cases: whole from a hundred on, with one digit below."""
    if 0 < value < 0.05:
        return "fewer than 0.1"
    return f"{value:,.0f}" if value >= 99.95 else f"{round(value, 1):g}"
