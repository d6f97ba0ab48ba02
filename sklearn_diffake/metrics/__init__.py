"""Error rates of detectors, their confidence intervals and plots."""

from sklearn_diffake.metrics._bootstrap import bootstrap_interval
from sklearn_diffake.metrics._curve import bpcer_at_apcer, detection_error_curve
from sklearn_diffake.metrics._det_display import DetectionErrorDisplay
from sklearn_diffake.metrics._drift import PValueDrift, p_value_drift
from sklearn_diffake.metrics._error_rates import (
    apcer,
    apcer_by_technique,
    bpcer,
    equal_error_rate,
    worst_apcer,
)
from sklearn_diffake.metrics._heatmap_display import TechniqueHeatmapDisplay
from sklearn_diffake.metrics._histogram_display import ScoreHistogramDisplay
from sklearn_diffake.metrics._intervals import confidence_interval
from sklearn_diffake.metrics._ranking import average_precision_fake, youden_thresholded_auc
from sklearn_diffake.metrics._scorers import get_scorer, get_scorer_names, get_scorers
from sklearn_diffake.metrics._transfer import threshold_transfer
from sklearn_diffake.metrics._video import video_level

__all__ = [
    "DetectionErrorDisplay",
    "PValueDrift",
    "ScoreHistogramDisplay",
    "TechniqueHeatmapDisplay",
    "apcer",
    "apcer_by_technique",
    "average_precision_fake",
    "bootstrap_interval",
    "bpcer",
    "bpcer_at_apcer",
    "confidence_interval",
    "detection_error_curve",
    "equal_error_rate",
    "get_scorer",
    "get_scorer_names",
    "get_scorers",
    "p_value_drift",
    "threshold_transfer",
    "video_level",
    "worst_apcer",
    "youden_thresholded_auc",
]
