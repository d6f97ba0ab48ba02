"""The main job on one photograph that comes with the package: a table and a picture."""

from ._result import DemoResult
from ._run import run_demo

__all__ = ["DemoResult", "run_demo"]
