"""Run the whole pipeline on a photograph of the package, with a table and a picture."""

from ._result import DemoResult
from ._run import run_demo

__all__ = ["DemoResult", "run_demo"]
