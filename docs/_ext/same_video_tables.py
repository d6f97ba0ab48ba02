"""Table of the compositions of networks that a clip by itself was judged with."""

from result_tables import Column, Table, area_of, rate, text


def rows_of_compositions(result):
    """Return the rows of each composition, of both parts, the shipped one first."""
    return [
        {**row, "composition": composition}
        for composition in (result, *result["other compositions"])
        for row in composition["frames"]
    ]


def show_networks(row):
    """Name the networks of a composition."""
    return " and ".join(f"``{name}``" for name in row["composition"]["networks"])


def show_gain(row):
    """Show a difference of detection rates with its interval; a dash stands for none."""
    if "gain over the first" not in row:
        return "\u2013"
    gain, low, high = (100 * value for value in row["gain over the first"])
    return f"{gain:+.1f} ({low:+.1f} to {high:+.1f})"


def count_suspicious(clips, truth):
    """Count the clips of one kind that are suspicious."""
    return sum((clip["truth"], clip["outcome"]) == (truth, "suspicious") for clip in clips)


def show_clips(row):
    """Show how many fakes are suspicious, and how many genuine clips."""
    clips = row["composition"]["clips"]
    return f"{count_suspicious(clips, 'fake')} / {count_suspicious(clips, 'real')}"


TABLES = (
    Table(
        "same_video_compositions",
        "same_video",
        (
            Column("Networks", 24, show_networks),
            text("Part", 10, "part"),
            area_of("AUC", 13, "AUC"),
            rate("APCER", 14, "APCER"),
            rate("BPCER", 14, "BPCER"),
            Column("More detected than by the first, points", 15, show_gain),
            Column("Suspicious clips, fake / genuine", 10, show_clips),
        ),
        rows_of_compositions,
    ),
)
