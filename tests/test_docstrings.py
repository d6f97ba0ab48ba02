"""Every public name is in the API reference and well documented, and what is promised is there."""

import importlib
import inspect
import pkgutil
import re
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

import sklearn_diffake
from sklearn_diffake import novelty, pairs

API = Path(__file__).resolve().parents[1] / "docs" / "api.rst"

PACKAGE_NAMES = set(sklearn_diffake.__all__)

# Checks of numpydoc that are left out, each with its reason.
NOT_FOR_ALL = {
    "GL01": "a summary starts on the line of the quotes, which numpydoc before 1.11 refuses",
    "ES01": "a summary may say all there is to say",
    "RT02": "a returned value is named where the name says more, as in scikit-learn",
}
NOT_FOR_METHODS = {
    "EX01": "the example of the class shows them",
    "SA01": "the class has one; methods have their own where it helps",
}
NOT_FOR_RECORDS = {"PR01": "users read their fields, which are Attributes, and seldom fill them"}


# Others, such as `images`, `store` and `utils`, are shared by the subpackages, not by users.
PUBLIC_MODULES = sorted({*dir(sklearn_diffake), "benchmark", "cli", "demo"} - PACKAGE_NAMES)


def public_names():
    """Names below the package, as its public modules offer them in ``__all__``.

    What the package itself offers is not listed again with its subpackage.
    """
    top = set(sklearn_diffake.__all__) - {"__version__"}
    names = set(top)
    for module in PUBLIC_MODULES:
        offered = importlib.import_module(f"sklearn_diffake.{module}").__all__
        names |= {f"{module}.{name}" for name in offered if name not in top}
    return sorted(names)


def find(name):
    """Return the object of a dotted name below the package."""
    result = sklearn_diffake
    for piece in name.split("."):
        result = getattr(result, piece)
    return result


def is_record(item):
    """Tell whether a class is a dataclass or a named tuple."""
    return inspect.isclass(item) and (is_dataclass(item) or hasattr(item, "_fields"))


def own_members(name):
    """Public methods and properties that the package, and not scikit-learn, gives a class."""
    item = find(name)
    for member in dir(item) if inspect.isclass(item) else ():
        owner = next((base for base in item.__mro__ if member in vars(base)), object)
        result = getattr(owner, member)
        if (
            owner.__module__.startswith("sklearn_diffake.")
            and not re.match("_|set_.+_request$", member)
            and (callable(result) or isinstance(result, property))
        ):
            yield f"{name}.{member}"


PUBLIC = public_names()
DOCUMENTED = [name for name in PUBLIC if callable(find(name))]  # a constant has no docstring
RECORDS = [name for name in DOCUMENTED if is_record(find(name))]
MEMBERS = [member for name in DOCUMENTED for member in own_members(name)]


def problems(name, *excluded):
    reference = {code for codes in (NOT_FOR_ALL, *excluded) for code in codes}
    errors = validate(f"sklearn_diffake.{name}")["errors"]
    return [f"{code}: {message}" for code, message in errors if code not in reference]


def modules_without_underscore():
    """Names of all modules of the package whose path has no private part."""
    walked = pkgutil.walk_packages(sklearn_diffake.__path__, "sklearn_diffake.")
    return ["sklearn_diffake", *(m.name for m in walked if "._" not in m.name)]


@pytest.mark.parametrize("name", modules_without_underscore())
def test_all_names_what_a_module_offers(name):
    module = importlib.import_module(name)
    missing = [offered for offered in module.__all__ if not hasattr(module, offered)]
    assert not missing
    assert len(set(module.__all__)) == len(module.__all__)


def test_a_public_object_has_one_import_path():
    paths = {}
    for name in DOCUMENTED:
        paths.setdefault(id(find(name)), []).append(name)
    assert [names for names in paths.values() if len(names) > 1] == []
    for name in set(sklearn_diffake.__all__) - {"__version__"}:  # also where it is defined
        for module in PUBLIC_MODULES:
            offered = importlib.import_module(f"sklearn_diffake.{module}")
            if name in offered.__all__:
                assert getattr(offered, name) is getattr(sklearn_diffake, name)


def test_every_public_name_is_in_the_api_reference():
    listing = re.findall(r"^(?:   |\.\. data:: )([\w.]+)$", API.read_text("utf-8"), re.MULTILINE)
    assert sorted(listing) == PUBLIC


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstring_of_a_public_name_is_valid(name):
    assert not problems(name, NOT_FOR_RECORDS if name in RECORDS else ())


def see_also(name):
    """Full names in the See Also section of a public name."""
    package = f"sklearn_diffake.{name}".rpartition(".")[0]
    for entry in Validator(get_doc_object(find(name))).see_also:
        in_package = f"{package}.{entry}".removeprefix("sklearn_diffake.")
        yield f"sklearn_diffake.{in_package}" if in_package in PUBLIC + MEMBERS else entry


@pytest.mark.parametrize("name", DOCUMENTED)
def test_see_also_leads_to_other_public_names(name):
    entries = list(see_also(name))
    assert entries
    assert f"sklearn_diffake.{name}" not in entries
    for entry in entries:
        assert pkgutil.resolve_name(entry), entry
        if entry.startswith("sklearn_diffake."):
            assert entry.removeprefix("sklearn_diffake.") in PUBLIC + MEMBERS, entry


@pytest.mark.parametrize("name", MEMBERS)
def test_docstring_of_a_member_is_valid(name):
    assert not problems(name, NOT_FOR_METHODS)


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_a_record_is_documented(name):
    record = find(name)
    fields = getattr(record, "_fields", None) or [f.name for f in dataclass_fields(record)]
    assert set(documented(record, "Attributes")) == set(fields)


TABULAR = [
    estimator
    for package in (pairs, novelty)
    for estimator in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(estimator) and issubclass(estimator, BaseEstimator)
]


def documented(estimator, section):
    """Names in one section of a numpydoc docstring."""
    doc = inspect.cleandoc(estimator.__doc__) + "\n\nEnd\n---\n"
    body = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n)", doc, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^(\w+(?:, \w+)*) :", body.group(1), re.MULTILINE) if body else []
    return [name for entry in entries for name in entry.split(", ")]


def fit_on_what_it_takes(estimator):
    """Fit on a table of numbers, or on pairs of its rows where it takes no table."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    two_d = get_tags(estimator()).input_tags.two_d_array
    return estimator().fit(X if two_d else np.stack([X, X[::-1]], axis=1))


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_documented_attribute_exists_after_fit(estimator):
    fitted = fit_on_what_it_takes(estimator)
    attributes = documented(estimator, "Attributes")
    assert attributes
    missing = [name for name in attributes if not hasattr(fitted, name)]
    assert not missing


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_fitted_attribute_is_documented(estimator):
    fitted = fit_on_what_it_takes(estimator)
    public = {name for name in vars(fitted) if re.fullmatch(r"[a-z]\w*_", name)}
    assert public <= set(documented(estimator, "Attributes"))


@pytest.mark.parametrize("estimator", TABULAR)
def test_every_parameter_is_documented_in_order(estimator):
    assert documented(estimator, "Parameters") == list(inspect.signature(estimator).parameters)


ESTIMATORS = [
    name for name in PUBLIC if inspect.isclass(find(name)) and issubclass(find(name), BaseEstimator)
]
ABSTRACT = {"base.BaseDetector"}
TYPED = (Path(__file__).parent / "typed_entry_points.py").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - ABSTRACT))
def test_mypy_checks_that_fit_keeps_the_type(name):
    kind = name.rpartition(".")[2]
    assert re.search(rf"^    assert_type\({kind}\(.*\)\.fit\(X\), {kind}\)$", TYPED, re.M)


def test_mypy_checks_the_functions_of_the_package():
    functions = [name for name in sklearn_diffake.__all__ if inspect.isfunction(find(name))]
    assert functions
    missing = [name for name in functions if not re.search(rf"assert_type\(.*\b{name}\(", TYPED)]
    assert not missing


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - ABSTRACT))
def test_number_of_features_or_its_absence_is_documented(name):
    estimator = find(name)
    absent = "There is no `n_features_in_`" in (section(inspect.getdoc(estimator), "Notes") or "")
    assert absent != ("n_features_in_" in documented(estimator, "Attributes"))
    if not absent:
        width = fit_on_what_it_takes(estimator).n_features_in_
        assert width == 4
    elif name != "embedding.ForgeryEmbedder":  # its fit takes long; tests/test_output.py has it
        small = {"backbone": "tiny_backbones:colors"} if name == "embedding.FaceEmbedder" else {}
        pytest.importorskip("cv2", reason="needs the extra 'generation'")
        crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
        assert not hasattr(estimator(**small).fit(crops), "n_features_in_")


FITTED = "self : object\n    The fitted estimator"


def section(docstring, title):
    """Return the dedented text of a section of a numpydoc docstring, None without it."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n\S[^\n]*\n---|\Z)", docstring, re.DOTALL | re.M)
    return match and match[1].strip()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit_returns_the_estimator_in_one_form(name):
    for method in ("fit", "partial_fit"):
        function = inspect.getattr_static(find(name), method, None)
        if function is not None and function.__module__.startswith("sklearn_diffake."):
            text = section(inspect.getdoc(getattr(find(name), method)), "Returns")
            assert text.startswith(FITTED), f"{method}: {text}"
            assert method == "partial_fit" or text == FITTED + ".", text


@pytest.mark.parametrize("name", DOCUMENTED + MEMBERS)
def test_references_are_numbered_and_cited(name):
    docstring = inspect.getdoc(find(name)) or ""
    text = section(docstring, "References")
    numbers = re.findall(r"^\.\. \[(\d+)\]", text or "", re.M)
    if text:
        assert text.startswith(".. [1] ")
        assert numbers == [str(i + 1) for i in range(len(numbers))]
    assert set(re.findall(r"\[(\d+)\]_", docstring)) == set(numbers)


WITH_N_JOBS = [
    name for name in public_names() if "\nn_jobs : " in (inspect.getdoc(find(name)) or "")
]


def test_every_n_jobs_is_documented():
    items = {name: find(name) for name in public_names()}
    takes_parameters = {
        name: item
        for name, item in items.items()
        if inspect.isfunction(item) or (inspect.isclass(item) and issubclass(item, BaseEstimator))
    }
    with_n_jobs = {
        name
        for name, item in takes_parameters.items()
        if "n_jobs" in inspect.signature(item).parameters
    }
    assert with_n_jobs
    assert with_n_jobs <= set(WITH_N_JOBS)


@pytest.mark.parametrize("name", WITH_N_JOBS)
def test_n_jobs_means_the_same_everywhere(name):
    """A number of threads or of processes, counted in one way, that changes no result."""
    entry = inspect.getdoc(find(name)).partition("\nn_jobs : ")[2]
    default, _, text = entry.partition("\n")
    sentences = " ".join(re.split(r"\n\n|\n(?=\S)", text)[0].split())
    assert default == "int, default=None"
    counting = "as joblib counts them: None is 1, -1 is one per core"
    assert re.match(rf"Number of (threads|processes) [^,]*, {counting}\.", sentences)
    is_exact = name != "novelty.DeepSVDD"
    assert ("The result does not depend on it." if is_exact else "changes rounding") in sentences
