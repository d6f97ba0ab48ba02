"""Run the whole pipeline on a photograph of the package, with a table and a picture."""

from sklearn_diffake.demo._result import DemoResult
from sklearn_diffake.demo._run import run_demo

__all__ = ["DemoResult", "run_demo"]
