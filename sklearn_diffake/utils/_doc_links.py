"""Link to the published documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


@cache
def docs_url() -> str:
    """Return the root of the published documentation, "" if it is not published.

    It stands in ``[project.urls]`` of ``pyproject.toml``, and so in the metadata of the installed
    package.
    """
    try:
        entries = metadata("sklearn-diffake").get_all("Project-URL") or []
    except PackageNotFoundError:  # sources on the path, not installed
        return ""
    urls = dict(entry.split(", ", 1) for entry in entries)
    return urls.get("Documentation", "").rstrip("/")


class DocumentedMixin:
    """Link an estimator's HTML representation to its page in our documentation.

    scikit-learn fills in the class and its module up to the first private part, which is the
    public path of every estimator here, and the name of its page in the API reference.
    """

    _doc_link_module = "sklearn_diffake"

    @property
    def _doc_link_template(self) -> str:
        root = docs_url()
        return f"{root}/generated/{{estimator_module}}.{{estimator_name}}.html" if root else ""
