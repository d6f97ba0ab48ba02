"""Names and sentences keep to the vocabulary of CONTRIBUTING.md.

`python tests/test_vocabulary.py` prints the figures of each area.
"""

import ast
import doctest
import functools
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_diffake"
TOP_LEVEL = "top-level modules"
PAGES = "pages"
OTHER_AREAS = ("benchmarks", "docs", "examples", "tests")  # folders beside the package
MOST_BANNED_NAMES = 0.01  # of the assigned names of an area


class Vocabulary(NamedTuple):
    """The tables of CONTRIBUTING.md: what is not written."""

    names: frozenset
    phrases: list  # of (compiled pattern, areas where it is allowed)
    any_phrase: re.Pattern  # a quick look: most texts have none


def table_rows(section):
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def phrase_pattern(*phrases):
    """Compile a pattern of one or more phrases, also across the lines of a comment."""
    escaped = [re.escape(phrase).replace(r"\*", r"\w*").split(r"\ ") for phrase in phrases]
    choices = "|".join(r"\s+(?:#:?\s+)?".join(words) for words in escaped)
    return re.compile(rf"(?<![\w-])(?:{choices})(?!\w)", re.IGNORECASE)


def read_vocabulary(text):
    section = text.split("\n## Vocabulary\n")[1].split("\n## ")[0]
    names, phrases = set(), []
    for row in table_rows(section):
        quoted = [re.findall(r"`([^`]+)`", cell) for cell in row]
        if len(row) == 3:
            phrases += [(phrase, frozenset(quoted[2])) for phrase in quoted[1]]
        else:
            names.update(quoted[1])
    patterns = [(phrase_pattern(phrase), allowed) for phrase, allowed in phrases]
    any_phrase = phrase_pattern(*(phrase for phrase, _ in phrases))
    return Vocabulary(frozenset(names - {"right"}), patterns, any_phrase)


VOCABULARY = read_vocabulary((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


@functools.cache  # one test checks the names, another the sentences
def parse_module(source):
    """Return the first line of each assigned name, and (line, text) of strings of several words.

    Names are those of variables, parameters, attributes, functions and classes.
    """
    names, strings = {}, []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                name = node.name
            case ast.Name(ctx=ast.Store()):
                name = node.id
            case ast.arg():
                name = node.arg
            case ast.Attribute(ctx=ast.Store()):
                name = node.attr
            case ast.Constant(value=str() as text) if " " in text:
                strings.append((node.lineno, text))
                continue
            case _:
                continue
        if name.strip("_") and not (name.startswith("__") and name.endswith("__")):
            names.setdefault(name.strip("_"), node.lineno)
    return names, strings


@functools.cache  # most names stand in many files
def is_banned_name(name):
    if name.lower() in VOCABULARY.names:
        return True
    words = re.sub(r"_+|(?<=[a-z])(?=[A-Z])", " ", name)
    return any(pattern.search(words) for pattern, allowed in VOCABULARY.phrases if not allowed)


def names_of_file(source):
    """Return the distinct names of a module, and of the banned ones the first line."""
    names, _ = parse_module(source)
    banned = {name: line for name, line in names.items() if is_banned_name(name)}
    if "right" in names:  # the side of a picture
        banned.pop("left", None)
    return names, banned


def sentences_of_file(source):
    """Give (line, text) of comments, docstrings and strings of several words."""
    comment, first, last = [], 0, -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1 and comment:
                yield first, "\n".join(comment)
                comment = []
            first = token.start[0] if not comment else first
            comment.append(token.string)
            last = token.start[0]
    if comment:
        yield first, "\n".join(comment)
    yield from parse_module(source)[1]


def banned_phrases(line, text, area):
    if not VOCABULARY.any_phrase.search(text):
        return
    for pattern, allowed in VOCABULARY.phrases:
        if area not in allowed:
            for match in pattern.finditer(text):
                yield line + text.count("\n", 0, match.start()), " ".join(match.group().split())


def area_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else TOP_LEVEL


def python_files():
    areas = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        areas.setdefault(area_of(path), []).append(path)
    for area in OTHER_AREAS:
        areas[area] = [path for path in sorted((ROOT / area).rglob("*.py")) if not is_made(path)]
    return areas


def pages():
    paths = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    paths += [path for path in sorted((ROOT / "docs").rglob("*.rst")) if not is_made(path)]
    return paths + sorted((ROOT / "docs").glob("*.md"))


def is_made(path):
    return {"_build", "auto_examples", "generated"} & set(path.relative_to(ROOT).parts)


def text_of_page(path):
    """Return a page without the section that lists what is not written."""
    text = path.read_text(encoding="utf-8")
    if path.name != "CONTRIBUTING.md":
        return text
    before, after = text.split("\n## Vocabulary\n")
    section, rest = after.split("\n## ", 1)
    return before + "\n" * (section.count("\n") + 3) + rest


def check_names(paths):
    """Return the number of assigned names of these files, and the places of banned ones."""
    total, places = 0, []
    for path in paths:
        names, banned = names_of_file(path.read_text(encoding="utf-8"))
        total += len(names)
        relative = path.relative_to(ROOT)
        places += [f"{relative}:{line}: {name}" for name, line in sorted(banned.items())]
    return total, places


def check_sentences(paths, area):
    places = []
    for path in paths:
        if path.suffix == ".py":
            texts = sentences_of_file(path.read_text(encoding="utf-8"))
        else:
            texts = [(1, text_of_page(path))]
        found = {hit for line, text in texts for hit in banned_phrases(line, text, area)}
        relative = path.relative_to(ROOT)
        places += [f"{relative}:{line}: {phrase}" for line, phrase in sorted(found)]
    return places


@pytest.mark.parametrize("area", sorted(python_files()))
def test_names_say_what_they_are(area):
    total, places = check_names(python_files()[area])
    assert len(places) <= MOST_BANNED_NAMES * total, "\n".join(places)


def test_names_in_examples_say_what_they_are():
    """Those of the guide and of docstrings, which readers copy."""
    parser, places = doctest.DocTestParser(), []
    for path in [*pages(), *sorted(PACKAGE.rglob("*.py"))]:
        examples = parser.get_examples(path.read_text(encoding="utf-8"))
        _, banned = names_of_file("".join(example.source for example in examples))
        places += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(banned)]
    assert not places, "\n".join(places)


@pytest.mark.parametrize("area", sorted(set(python_files()) - {"tests"}))
def test_sentences_keep_to_the_vocabulary(area):
    places = check_sentences(python_files()[area], area)
    assert not places, "\n".join(places)


def test_pages_keep_to_the_vocabulary():
    places = check_sentences(pages(), PAGES)
    assert not places, "\n".join(places)


def test_banned_names_are_seen_wherever_they_are_assigned():
    source = """
class Found:
    known: int

def tell(given, *, other=1):
    self.left_ = [what for what in given]
    right = 1
    normal = Found(whole=2)

def lip_colour(): pass

class ColourTable: pass
"""
    names, banned = names_of_file(source)
    assert set(banned) == {
        "Found", "known", "tell", "given", "other", "what", "lip_colour", "ColourTable",
    }  # fmt: skip
    assert {"right", "normal", "left"} <= set(names)
    assert "left" in names_of_file(source.replace("right", "most_of_it"))[1]


def test_banned_phrases_are_seen_in_comments_docstrings_and_messages():
    source = '''
# It is begun
# anew.
def fit(detector, head):
    """Fit a head that is of no licence."""
    raise ValueError(f"the colours of {head} must be gray", "anew")
'''
    hits = [
        hit
        for line, text in sentences_of_file(source)
        for hit in banned_phrases(line, text, "novelty")
    ]
    assert sorted(hits) == [(3, "anew"), (5, "a head"), (5, "licence"), (6, "colours")]


def print_figures():
    print(f"{'area':<20}{'names':>8}{'banned':>8}{'':>9}{'phrases':>9}")
    for area, paths in python_files().items():
        total, places = check_names(paths)
        phrases = check_sentences(paths, area)
        print(f"{area:<20}{total:>8}{len(places):>8}{len(places) / total:>9.2%}{len(phrases):>9}")
    print(f"{PAGES:<20}{'':>25}{len(check_sentences(pages(), PAGES)):>9}")


if __name__ == "__main__":
    print_figures()
