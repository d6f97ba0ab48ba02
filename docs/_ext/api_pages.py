"""Lead from every page of the API reference to its guide page and to its source.

`GUIDE_PAGES` is the one place that says which page of the guide treats what.
"""

import inspect
import pkgutil
import sys

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PACKAGE = "sklearn_diffake"
#: Documents, by the names below the package that they treat. A longer name goes before a shorter
#: one; what the package itself offers goes by the subpackage in which it is defined.
GUIDE_PAGES = {
    "base": "guide/detectors",
    "benchmark": "running_benchmarks",
    "cli": "guide/command_line",
    "datasets": "guide/video",
    "datasets.fetch_lfw_pairs": "guide/pairs",
    "datasets.make_face_pairs": "guide/pairs",
    "demo": "guide/command_line",
    "embedding": "guide/embeddings",
    "embedding.EmbeddingStore": "guide/scaling_out",
    "embedding.ForgeryEmbedder": "guide/extractor",
    "faces": "guide/aligning",
    "generation": "guide/extractor",
    "inspection": "guide/explaining",
    "metrics": "guide/evaluating",
    "metrics.PValueDrift": "guide/calibrating",
    "metrics.p_value_drift": "guide/calibrating",
    "metrics.video_level": "guide/video",
    "model_selection": "guide/evaluating",
    "model_selection.LeaveOneDatasetOut": "guide/choosing",
    "novelty": "guide/detectors",
    "novelty.ConformalDetector": "guide/calibrating",
    "novelty.NearestReferenceDetector": "guide/pairs",
    "novelty.stack_references": "guide/pairs",
    "pairs": "guide/pairs",
    "pairs.DifferenceScaler": "guide/differences",
    "pairs.ModeError": "guide/paper",
    "pairs.PairDifference": "guide/differences",
    "pairs.check_mode": "guide/paper",
    "pairs.mode_of": "guide/paper",
    "persistence": "guide/saving",
    "pipeline": "guide/differences",
    "load_default": "guide/verdicts",
    "PairScores": "guide/aligning",
    "score_in_batches": "guide/scaling_out",
    "score_pairs": "guide/aligning",
    "show_versions": "guide/installing",
    "streaming": "guide/scaling_out",
    "recalibrate": "guide/calibrating",
    "verdict": "guide/verdicts",
    "verdict.CalibrationReport": "guide/calibrating",
    "verdict.CategoryCalibration": "guide/calibrating",
    "verdict.RankedPicture": "guide/streams",
    "verdict.annotate_clip": "guide/command_line",
    "verdict.find_misfits": "guide/streams",
    "verdict.verify_stream": "guide/streams",
}


def guide_page(full_name):
    """Return the document that treats a public object; raises KeyError if there is none."""
    defined_in = getattr(pkgutil.resolve_name(full_name), "__module__", "")
    for candidate in (full_name, defined_in):
        segments = candidate.removeprefix(f"{PACKAGE}.").split(".")
        for length in range(len(segments), 0, -1):
            if page := GUIDE_PAGES.get(".".join(segments[:length])):
                return page
    raise KeyError(f"{full_name} needs a page of the guide: add it to GUIDE_PAGES in {__file__}")


class GuideLink(SphinxDirective):
    """A paragraph that leads from an object, given by its full name, to its guide page."""

    required_arguments = 1

    def run(self):
        """Return the paragraph."""
        try:
            page = guide_page(self.arguments[0])
        except KeyError as error:
            raise self.error(error.args[0]) from None
        children, messages = self.state.inline_text(
            f"Read more in the user guide: :doc:`/{page}`.", self.lineno
        )
        return [nodes.paragraph("", "", *children, classes=["guide-link"]), *messages]


def module_of_source(app, module_name, name):
    """Return the module that holds a class if its ``__module__`` does not; None otherwise.

    The ``__module__`` of a class may be the one that saved models name, or the public one.
    """
    item = getattr(sys.modules.get(module_name), name, None)
    if not inspect.isclass(item):
        return None
    modules = {member.__module__ for member in vars(item).values() if inspect.isfunction(member)}
    other_modules = sorted((modules - {item.__module__}) & set(sys.modules))
    return next((module for module in other_modules if hasattr(sys.modules[module], name)), None)


def setup(app):
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.viewcode")
    app.add_directive("guide-link", GuideLink)
    app.connect("viewcode-follow-imported", module_of_source)
    return {"parallel_read_safe": True}
