"""Link to the published documentation."""

#: Root of the published documentation.
DOCS_URL = "https://sklearn-diffake.readthedocs.io/en/stable"


class DocumentedMixin:
    """Link an estimator's HTML representation to its page in our documentation.

    scikit-learn fills in the class and its module up to the first private part, which is the
    public path of every estimator here, and the name of its page in the API reference.
    """

    _doc_link_module = "sklearn_diffake"
    _doc_link_template = f"{DOCS_URL}/generated/{{estimator_module}}.{{estimator_name}}.html"
