"""A fault that is declared for `chosen_mutants.py` fits the code, or is an error."""

import pytest

chosen_mutants = pytest.importorskip("benchmarks.release.chosen_mutants")

MUTANT = {
    "area": "Labels",
    "fault": "The sum is a difference",
    "file": "part.py",
    "old": "a + b",
    "new": "a - b",
    "tests": ["test_part.py"],
}


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """Write a small project, and a declaration with other values; return the mutants read."""
    (tmp_path / "sklearn_diffake").mkdir()
    (tmp_path / "sklearn_diffake" / "__init__.py").touch()  # so that it hides the installed one
    (tmp_path / "tests").mkdir()
    (tmp_path / "sklearn_diffake" / "part.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "tests" / "test_part.py").write_text(
        "from sklearn_diffake.part import add\n\n\ndef test_add():\n    assert add(1, 1) == 2\n"
    )

    def read(**values):
        lines = [f"{name} = {value!r}" for name, value in (MUTANT | values).items()]
        (tmp_path / "mutants.toml").write_text("\n".join(["[[mutants]]", *lines]))
        monkeypatch.setattr(chosen_mutants, "DECLARATIONS", tmp_path / "mutants.toml")
        return chosen_mutants.read_mutants(tmp_path)

    return read


def test_the_declared_faults_fit_the_code():
    assert len(chosen_mutants.read_mutants()) == 50


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"old": "a * b"}, "must occur once, occurs 0 times"),
        ({"old": "a"}, "must occur once, occurs 3 times"),
        ({"tests": ["test_gone.py"]}, "no tests/test_gone.py"),
    ],
)
def test_a_declaration_that_does_not_fit_is_an_error(declare, values, message):
    with pytest.raises(ValueError, match=f"part.py: The sum is a difference.*{message}"):
        declare(**values)


def test_a_change_that_is_no_python_is_an_error(declare):
    with pytest.raises(SyntaxError):
        declare(new="a +")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "outcome", "test"),
    [
        ({}, "caught", "tests/test_part.py::test_add"),
        ({"new": "b + a"}, "survived", None),
    ],
)
def test_a_mutant_is_caught_if_a_test_fails(declare, tmp_path, values, outcome, test):
    (mutant,) = declare(**values)
    row = chosen_mutants.try_mutant(tmp_path, mutant, 120)
    assert (row["outcome"], row["test"]) == (outcome, test)
    assert (tmp_path / "sklearn_diffake" / "part.py").read_text().endswith("a + b\n")


@pytest.mark.slow
def test_a_test_that_fails_on_the_unchanged_code_catches_nothing(declare, tmp_path):
    (mutant,) = declare()
    (tmp_path / "tests" / "test_part.py").write_text("def test_add():\n    assert False\n")
    with pytest.raises(RuntimeError, match="test_add fails on the unchanged code"):
        chosen_mutants.try_mutant(tmp_path, mutant, 120)
