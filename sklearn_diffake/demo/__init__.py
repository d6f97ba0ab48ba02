"""The main job on one photograph that comes with the package: a table and a picture."""

from ._run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
