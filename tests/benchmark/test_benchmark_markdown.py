"""What comes from tables and files is text in a report, and nothing else."""

import html
import re

import pytest

from sklearn_diffake.benchmark._results import draw_figures
from sklearn_diffake.benchmark._scores import POOLED
from sklearn_diffake.benchmark.protocols import PROTOCOLS
from sklearn_diffake.benchmark.protocols._cross_manipulation import CALIBRATED
from sklearn_diffake.benchmark.report._document import (
    datasets_table,
    document,
    extractors_table,
)
from sklearn_diffake.benchmark.report._markdown import Markup, escape, table
from sklearn_diffake.benchmark.report._tables import FIGURE_TITLES
from sklearn_diffake.utils._messages import printable

HOSTILE = [
    "plain", "a_b_c", "_x_", "*x*", "**x**", "`x`", "``x", "a|b", "\\|", "\\", "x\\",
    "<script>alert(1)</script>", "<b>", "&lt;", "&copy;", "<!-- x", "<http://x.y>", "<a@b.cd>",
    "[x](http://x.y)", "![x](http://x.y)", "[x]: http://x.y", "[^1]", "http://x.y", "www.x.y",
    "HTTPS://x.y", "a@b.cd", "# x", "x #", "- x", "+ x", "* x", "1. x", "2) x", "12.", "> x", "---",
    "===", "    code", "\tx", "~~~", "~~x~~", "$x$", "$$x$$", "line\nnext", "a\r\n\r\n# head",
    "\x1b[2J", "\x00", "gpj.\u202eexe", "\udcff", "\u2028x", ":---:", "| a | b |", "@somebody",
    "0.250", "-0.5", ":smile:", "", "Zo\u00eb \u753b\u50cf",
]  # fmt: skip


@pytest.fixture(scope="module")
def render():
    markdown = pytest.importorskip("markdown_it", reason="needs the extra docs")
    parser = markdown.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parser.render


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("position", ["### {}", "- {}", "- job: {}", "Device {}, seed 0."])
def test_text_is_shown_as_it_is(render, text, position):
    displayed = render(position.format(escape(text)))
    inner = position.removeprefix("### ").removeprefix("- ").format(printable(text.strip()))
    tags = re.findall(r"<(\w+)", displayed)
    assert tags == {"#": ["h3"], "-": ["ul", "li"], "D": ["p"]}[position[0]]
    visible = re.sub(r"</?(h3|ul|li|p)>", "", displayed).strip()
    assert html.unescape(visible) == inner.strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_keeps_its_form(render, text):
    displayed = render("\n".join(table(["name", text], [[text, Markup("`0.5` [0.1, 0.9]")]])))
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", displayed)
    expected = printable(text.strip())
    assert [html.unescape(cell) for cell in cells] == [
        "name", expected, expected, "<code>0.5</code> [0.1, 0.9]",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["http://x.y", "www.x.y", "HTTPS://x.y", "a@b.cd", "@somebody"])
def test_no_link_of_github(text):
    assert not re.search(r"(?i)(https?:|www\.|(^|[^\\])@)", escape(text))


def test_every_section_escapes_every_name():
    """Whatever is a name in a row: none of its marks comes through bare."""
    evil = "<b>|`[x](y)\n# h"
    row = {
        "candidate": evil, "technique": POOLED, "fit": evil, "test": evil, "chosen": True,
        "condition": [], "held_out_auc": 0.5, "transfer_eer": {"apcer": 0.5, "bpcer": 0.5},
        "transfer_bpcer": {"apcer": 0.5, "bpcer": 0.5}, "n_faceless": 0,
        "n_skipped_videos": 0, "mode": "reference",
        "figures": {name: [0.25, 0.125, 0.5] for name in FIGURE_TITLES},
    }  # fmt: skip
    conditions = {"robustness": ["jpeg", 50], "compression": [evil, evil]}
    for name, protocol in PROTOCOLS.items():
        rows = [{**row, "protocol": name, "condition": conditions.get(name, [])}]
        if name == "cross-manipulation":
            rows += [{**rows[0], "technique": evil}]
            rows += [{**rows[0], "condition": [CALIBRATED, evil]}]
        text = "\n".join(protocol.section(rows))
        assert not re.search(r"(?<!\\)<b>|(?<!\\)`|^# h|\]\(y", text, re.MULTILINE), (name, text)
        assert r"\<b\>" in text


def test_datasets_and_failures_are_escaped():
    evil = "<b>|`\n# h"
    facts = {"pairs": 1, "genuine": 1, "deepfakes": 0, "identity": 1, "video": 1, "images": 2,
             "unreadable": 0, "fingerprint": "0" * 32, "technique": {evil: 1},
             "mode": "reference", "skipped_videos": 0}  # fmt: skip
    versions = {"sklearn-diffake": "0", "scikit-learn": "0", "torch": "0", "python": "3.11.7 x"}
    results = {
        "versions": versions, "device": evil, "seed": 0, "cells": [], "images": 0,
        "datasets": {evil: facts}, "failures": {evil: evil}, "extractors": [], "not_judged": {},
        "summary": [],
    }  # fmt: skip
    trained = {"name": evil, "parameters": {"backbone": evil}, "dataset": evil, "splits": [evil],
               "images": 1, "people": 1, "epochs": 1, "validation_auc": None, "without_face": 0,
               "skipped_videos": 0}  # fmt: skip
    text = "\n".join(
        [
            *datasets_table({evil: facts}, []),
            *extractors_table([trained]),
            *document(results, {}, {}, confidence=0.95),
        ]
    )
    text = text.replace("`000000000000`", "")
    assert not re.search(r"(?<!\\)<b>|(?<!\\)`|^# h", text, re.MULTILINE)


def test_names_with_dollars_are_no_mathematics_in_figures():
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    name = r"$\frac{broken$"
    row_fields = {"protocol": "cross-dataset", "candidate": name, "technique": POOLED}
    figures = {key: [0.25, 0.125, 0.5] for key in FIGURE_TITLES}
    rows = [{**row_fields, "fit": name, "test": name, "figures": figures}]
    sample = draw_figures("cross-dataset", rows, [], {})
    assert all(picture.startswith(b"\x89PNG") for picture in sample.values())
    assert sample
