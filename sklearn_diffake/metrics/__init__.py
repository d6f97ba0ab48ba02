"""How well genuine pairs and deepfakes are told apart, and how sure that figure is."""

from sklearn_diffake.metrics._bootstrap import bootstrap_interval
from sklearn_diffake.metrics._error_rates import equal_error_rate

__all__ = ["bootstrap_interval", "equal_error_rate"]
