"""Issue forms and workflows: their form, and that they name what exists."""

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
GITHUB = Path(__file__).resolve().parents[1] / ".github"
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
KINDS = {"checkboxes", "dropdown", "input", "markdown", "textarea"}

if not GITHUB.exists():
    pytest.skip("not part of a source distribution", allow_module_level=True)


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


def test_there_are_the_three_forms():
    assert {path.stem for path in FORMS} == {"bug", "feature", "wrong_verdict"}
    assert (GITHUB / "pull_request_template.md").is_file()


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_requires(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    identifiers = [item["id"] for item in form["body"] if item["type"] != "markdown"]
    assert len(identifiers) == len(set(identifiers))
    for item in form["body"]:
        assert item["type"] in KINDS
        assert item["attributes"]["value" if item["type"] == "markdown" else "label"]
        if item["type"] == "dropdown":
            assert len(item["attributes"]["options"]) > 1


def test_forms_warn_of_photographs():
    for name in ("bug", "wrong_verdict"):
        text = (GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml").read_text("utf-8")
        assert "no photograph of a person who did not agree" in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_few_rights_and_ends(path):
    workflow = read(path)
    assert workflow["permissions"] in ({"contents": "read"}, {"contents": "write"})
    assert (workflow["permissions"]["contents"] == "write") == (path.stem == "notebooks")
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert set(job.get("permissions", {})) <= {"id-token"}


def test_a_release_is_published_last_and_without_a_password():
    jobs = read(GITHUB / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["needs"] == "test"
    assert jobs["test"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (GITHUB / "workflows" / "release.yml").read_text("utf-8")


def test_a_release_is_of_the_version_that_its_tag_names():
    text = (GITHUB / "workflows" / "release.yml").read_text("utf-8")
    line = re.search(r"grep -Fqx \"(.+)\" (\S+)", text)
    source = (GITHUB.parent / line[2]).read_text("utf-8").splitlines()
    version = re.search(r'__version__ = "(.+)"', "\n".join(source))[1]
    pattern = line[1].replace("\\", "").replace("${GITHUB_REF_NAME#v}", version)
    assert pattern in source
