"""Split data without leakage between datasets, techniques, persons or videos, and score it."""

from sklearn_diffake.model_selection._cross_val_scores import cross_val_scores
from sklearn_diffake.model_selection._groups import connected_groups
from sklearn_diffake.model_selection._identity_group_k_fold import IdentityGroupKFold
from sklearn_diffake.model_selection._leakage import LeakageError, LeakageGuard, check_no_leakage
from sklearn_diffake.model_selection._leave_one_dataset_out import LeaveOneDatasetOut
from sklearn_diffake.model_selection._leave_one_technique_out import LeaveOneTechniqueOut

__all__ = [
    "IdentityGroupKFold",
    "LeakageError",
    "LeakageGuard",
    "LeaveOneDatasetOut",
    "LeaveOneTechniqueOut",
    "check_no_leakage",
    "connected_groups",
    "cross_val_scores",
]
