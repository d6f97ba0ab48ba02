"""The sentences of reports on verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn_diffake.utils._modes import Mode
from sklearn_diffake.verdict._evidence import GENUINE_MEANS, SUSPICIOUS_MEANS, Outcome


@dataclass(frozen=True)
class ModeTexts:
    """The texts of reports in one mode.

    Attributes
    ----------
    title : str
        Of the page.
    sources_heading, no_sources : str
        Headline over the files, and the text if there are none.
    note : str or None
        What the mode is, for readers who expect the other one.
    altered : str
        Which cases are counted as altered.
    genuine_cases, calibrated_on : str
        What the threshold promises something about, and what it rests on.
    rate_column, count_column : str
        Headlines of columns of the table of error rates.
    look_alikes : tuple of (str, str)
        What else can make genuine material look altered; the last one is what makes altered
        material look genuine.
    """

    title: str
    sources_heading: str
    no_sources: str
    note: str | None
    altered: str
    genuine_cases: str
    calibrated_on: str
    rate_column: str
    count_column: str
    look_alikes: tuple[tuple[str, str], ...]


def outcome_text(outcome: Outcome, mode: Mode, *, measured: bool) -> tuple[str, str]:
    """Return headline and meaning of an outcome; `measured` is whether the page has error rates."""
    unmeasured = "how often this model is wrong was not measured"
    if outcome == "genuine":
        errors = "read below how often the model is wrong" if measured else unmeasured
        return "Genuine", (
            f"{_sentence(GENUINE_MEANS[mode])}, as far as this model can see. This is no proof: "
            f"{errors}."
        )
    if outcome == "suspicious":
        errors = "read below how often the model is wrong, and"
        if not measured:
            errors = f"{unmeasured}. Read below"
        return "Suspicious", (
            f"{_sentence(SUSPICIOUS_MEANS[mode])}. This is no proof: {errors} what else looks the "
            "same."
        )
    if outcome == "inconclusive":
        return "Inconclusive", "The evidence does not carry a decision either way."
    return "Error", "There is no verdict: the comparison could not be made."


def look_alikes(mode: Mode, *, measured: bool) -> list[tuple[str, str]]:
    """Return what else looks the same; `measured` is whether the page has an APCER."""
    *others, (name, text) = MODE_TEXTS[mode].look_alikes
    passing = "How many altered ones do was not measured for this model."
    if measured:
        passing = "How many of the altered ones that were tested did, is the APCER above."
    return [*others, (name, f"{text} {passing}")]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


_POOR_PICTURE = (
    "A poor picture",
    "Blur, strong compression, darkness, a small face, or a face that is turned far away.",
)
_COVERED = (
    "What covers or changes a face",
    "Masks, sunglasses, a new beard, heavy make-up, beauty filters of cameras and phones.",
)
MODE_TEXTS: dict[Mode, ModeTexts] = {
    "reference": ModeTexts(
        title="Face comparison",
        sources_heading="What was compared",
        no_sources="Nothing was compared.",
        note=None,
        altered="altered, or show somebody else",
        genuine_cases="genuine comparisons",
        calibrated_on="genuine people or pairs",
        rate_column="References, probes",
        count_column="Pairs",
        look_alikes=(
            (
                "Another person",
                "The model compares faces. It cannot tell an altered face from somebody who is "
                "simply not the person of the reference, such as a relative, or a reference filed "
                "under a wrong name.",
            ),
            _POOR_PICTURE,
            (
                "Time",
                "Years between the pictures, childhood above all; illness; a large change of "
                "weight.",
            ),
            _COVERED,
            (
                "The other way round",
                "An altered picture that keeps the identity of the person well can look genuine.",
            ),
        ),
    ),
    "same-video": ModeTexts(
        title="Examination of a clip",
        sources_heading="What was judged",
        no_sources="Nothing was judged.",
        note="Same-video mode: the clip was judged by its own frames. There is no trusted "
        "reference, so that nothing is said of who is in it.",
        altered="altered",
        genuine_cases="genuine frames, judged one by one,",
        calibrated_on="people or videos",
        rate_column="Judged",
        count_column="Tested",
        look_alikes=(
            (
                "Another camera or codec",
                "The model was set on videos of a few kinds. Others can look altered to it: strong "
                "or repeated compression, enlarged or sharpened video, screens that were filmed.",
            ),
            _POOR_PICTURE,
            _COVERED,
            (
                "The other way round",
                "A picture that is moved in front of a camera, and a genuine video of somebody "
                "else, are not altered and not found. An altered video can look natural frame by "
                "frame.",
            ),
        ),
    ),
}

CAUTION = (
    "A map shows what the model reacted to. It does not prove that a place was altered, nor that "
    "others were not."
)


def clock(seconds: float) -> str:
    """Write a time in a clip as minutes and seconds."""
    minutes, remainder = divmod(round(seconds, 1), 60)
    return f"{minutes:.0f}:{remainder:04.1f}"


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def expected_count(value: float) -> str:
    """Write an expected number of cases: whole from a hundred on, with one digit below."""
    if 0 < value < 0.05:
        return "fewer than 0.1"
    return f"{value:,.0f}" if value >= 99.95 else f"{round(value, 1):g}"
