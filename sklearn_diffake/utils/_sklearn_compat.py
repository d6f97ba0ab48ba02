"""Private parts of scikit-learn that this package uses; no other module imports any.

They may change without notice. If they do, this is the only place to adapt.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.base import _clone_parametrized
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._set_output import _get_container_adapter
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.validation import _num_samples

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., Any])

    # scikit-learn has no types; untyped decorators would hide those of what they decorate
    def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_F], _F]: ...
    def validate_params(
        parameter_constraints: Mapping[str, Any], *, prefer_skip_nested_validation: bool
    ) -> Callable[[_F], _F]: ...

    from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky
    from sklearn.model_selection._split import GroupsConsumerMixin
    from sklearn.utils._response import _get_response_values
else:
    from sklearn.base import _fit_context
    from sklearn.utils._param_validation import validate_params

__all__ = [
    "GroupsConsumerMixin",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "_clone_parametrized",
    "_compute_precision_cholesky",
    "_fit_context",
    "_get_container_adapter",
    "_get_response_values",
    "_num_samples",
    "_routing_enabled",
    "_safe_indexing",
    "validate_parameter_constraints",
    "validate_params",
]


def __getattr__(name: str) -> Any:
    """Import what lies in modules that take long to import, where it is used."""
    match name:
        case "GroupsConsumerMixin":
            from sklearn.model_selection._split import GroupsConsumerMixin as attribute
        case "_compute_precision_cholesky":
            from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky as attribute
        case "_get_response_values":
            from sklearn.utils._response import _get_response_values as attribute
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return attribute
