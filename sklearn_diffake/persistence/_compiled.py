"""Check arrays in a model file that compiled code uses without bounds checks.

scikit-learn's decision trees, its trees of neighbors and libsvm use indices and sizes from the
fitted state unchecked. An index beyond the end of an array reads or writes other memory: the
process crashes or worse. Here indices and sizes are checked before an object is created.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.persistence._schema import Refusal

_LEAF = -1
_DEEPEST = 62  # levels of a binary tree whose nodes an int64 can count
_MT19937_WORDS = 624


def _require(condition: Any, location: str, problem: str) -> None:
    if not condition:
        raise Refusal(f"is refused: {location}: {problem}")


def _is_index(value: Any, minimum: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def _is_array(value: Any, shape: tuple[int, ...], kinds: str) -> bool:
    """Return whether a value is an array of a shape (-1 is any length) and a kind of numbers."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in kinds
        and value.ndim == len(shape)
        and all(n in (-1, m) for n, m in zip(shape, value.shape, strict=True))
    )


def check_tree(arguments: Any, state: Any, location: str) -> None:
    """Check a decision tree: ``sklearn.tree._tree.Tree``.

    Parameters
    ----------
    arguments : list
        Number of features, numbers of classes, number of outputs.
    state : dict
        ``max_depth``, ``node_count``, ``nodes`` and ``values``.
    location : str
        For messages.
    """
    _require(
        isinstance(arguments, list) and len(arguments) == 3, location, "three arguments expected"
    )
    n_features, n_classes, n_outputs = arguments
    _require(
        _is_index(n_features, 1) and _is_index(n_outputs, 1), location, "no number of features"
    )
    _require(_is_array(n_classes, (n_outputs,), "iu"), location, "no number of classes per output")
    _require((n_classes >= 1).all(), location, "an output without classes")
    expected = {"max_depth", "node_count", "nodes", "values"}
    _require(isinstance(state, dict) and state.keys() == expected, location, f"expected {expected}")
    nodes, values = state["nodes"], state["values"]
    fields = {"left_child", "right_child", "feature"}
    _require(
        _is_array(nodes, (-1,), "V") and fields <= set(nodes.dtype.names or ()) and len(nodes),
        location,
        "nodes without children and features",
    )
    shape = (len(nodes), n_outputs, int(n_classes.max()))
    _require(_is_array(values, shape, "f"), location, f"values of another shape than {shape}")
    _require(state["node_count"] == len(nodes), location, f"node_count is not {len(nodes)}")
    inner = np.flatnonzero(nodes["left_child"] != _LEAF)
    left, right = (nodes[name][inner].astype(np.int64) for name in ("left_child", "right_child"))
    children = np.concatenate([left, right])
    _require(
        (children > np.tile(inner, 2)).all() and (children < len(nodes)).all(),
        location,
        "a child that is no later node of the tree",
    )
    _require(len(np.unique(children)) == len(children), location, "a node with two parents")
    features = nodes["feature"][inner]
    _require(((features >= 0) & (features < n_features)).all(), location, "a feature out of range")
    depth = _depth(nodes["left_child"], nodes["right_child"])
    _require(
        state["max_depth"] == depth, location, f"max_depth is not {depth}, the depth of its nodes"
    )


def _depth(left: NDArray[Any], right: NDArray[Any]) -> int:
    """Return the number of levels of a tree below its root."""
    level, depth = np.array([0]), 0
    while True:
        level = level[left[level] != _LEAF]
        if not len(level):
            return depth
        level, depth = np.concatenate([left[level], right[level]]), depth + 1


def check_forest(values: dict[str, Any], features: Any, widths: list[Any], location: str) -> None:
    """Check that the number of features of every tree of a forest is that of its input.

    Parameters
    ----------
    values : dict
        The attributes ``n_features_in_`` and ``_max_features`` of the forest, if it has them.
    features : list of ndarray or None
        The features of each tree, in an isolation forest.
    widths : list of int or None
        The number of features of each tree; None for an estimator that is not fitted.
    location : str
        For messages.
    """
    if not widths:
        return
    n_features = values.get("n_features_in_")
    _require(_is_index(n_features, 1), location, "n_features_in_ is no number of features")
    is_subset = "_max_features" in values and values["_max_features"] != n_features
    if is_subset:
        _require(
            isinstance(features, list) and len(features) == len(widths),
            location,
            "estimators_features_ has not the features of each tree",
        )
        for indices in features:
            _require(_is_array(indices, (-1,), "iu"), location, "features that are no indices")
            _require(
                ((indices >= 0) & (indices < n_features)).all(), location, "a feature out of range"
            )
    expected = [len(indices) for indices in features] if is_subset else [n_features] * len(widths)
    _require(widths == expected, location, "a tree with another number of features than its rows")


def check_binary_tree(name: str, state: list[Any], distance: Any, location: str) -> None:
    """Check a tree of neighbors: ``KDTree`` or ``BallTree``.

    Parameters
    ----------
    name : str
        Full name of its type.
    state : list
        As from its ``__getstate__``, except its metric.
    distance : list
        The state of the metric: exponent, weights, matrix.
    location : str
        For messages.
    """
    data, order, nodes, bounds, leaf_size, n_levels, n_nodes = state[:7]
    _require(_is_array(data, (-1, -1), "f") and data.size, location, "no table of rows")
    n, width = data.shape
    _require(_is_array(order, (n,), "iu"), location, "no index of its rows")
    _require((np.sort(order) == np.arange(n)).all(), location, "an index that is no permutation")
    _require(_is_index(leaf_size, 1) and _is_index(n_levels, 1), location, "no size of its leaves")
    _require(n_levels <= _DEEPEST and n_nodes == 2**n_levels - 1, location, "no number of nodes")
    fields = {"idx_start", "idx_end", "is_leaf"}
    _require(
        _is_array(nodes, (n_nodes,), "V") and fields <= set(nodes.dtype.names or ()),
        location,
        "nodes without bounds",
    )
    corners = 2 if name.endswith(".KDTree") else 1
    _require(_is_array(bounds, (corners, n_nodes, width), "f"), location, "bounds of another shape")
    _require(all(_is_index(count) for count in state[7:11]), location, "counts that are none")
    weights = state[12]
    _require(weights is None or _is_array(weights, (n,), "f"), location, "weights of other rows")
    _check_spans(nodes, n, location)
    vector = distance[1]
    fits = _is_array(vector, (-1,), "f") and vector.size in (0, width)
    _require(fits or not state[11].startswith("Minkowski"), location, "weights of other features")


def _check_spans(nodes: NDArray[Any], n: int, location: str) -> None:
    """Check that the rows of every reachable node are those of its children."""
    start, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    _require(start[0] == 0 and end[0] == n, location, "a root that has not all rows")
    level = np.array([0])
    while len(level):
        _require((start[level] <= end[level]).all(), location, "a node with bounds out of range")
        level = level[~leaf[level]]
        left, right = 2 * level + 1, 2 * level + 2
        _require((right < len(nodes)).all(), location, "a child out of range")
        is_split = (start[left] == start[level]) & (end[left] == start[right])
        _require(
            (is_split & (end[right] == end[level])).all(), location, "children with other rows"
        )
        level = np.concatenate([left, right])


def check_distance(state: list[Any], location: str) -> None:
    """Check a compiled distance: its exponent, weights and matrix."""
    exponent, vector, matrix = state[:3]
    _require(isinstance(exponent, (int, float)) and exponent > 0, location, "no exponent")
    _require(_is_array(vector, (-1,), "f"), location, "no weights")
    _require(_is_array(matrix, (-1, -1), "f"), location, "no matrix")


def check_support_vectors(values: dict[str, Any], location: str) -> None:
    """Check a fitted ``OneClassSVM``: libsvm assumes that the sizes of its arrays agree.

    Parameters
    ----------
    values : dict
        Its fitted attributes; empty if it is not fitted.
    location : str
        For messages.
    """
    if not values:
        return
    # A kernel function returns rows of any width, in which libsvm would index each support vector.
    _require(isinstance(values.get("kernel"), str), location, "a kernel that is no name of one")
    vectors: Any = values.get("support_vectors_")
    support: Any = values.get("support_")
    width, shape = values.get("n_features_in_"), values.get("shape_fit_")
    _require(_is_array(vectors, (-1, -1), "f"), location, "no support vectors")
    n = len(vectors)
    _require(vectors.flags.c_contiguous, location, "support vectors in another order")
    _require(_is_index(width, 1), location, "n_features_in_ is no number of features")
    _require(vectors.shape[1] in (0, width), location, "support vectors of another width")
    _require(_is_array(support, (n,), "iu"), location, "no indices of its support vectors")
    rows = shape[0] if isinstance(shape, list) and shape and _is_index(shape[0], 1) else 0
    _require(((support >= 0) & (support < rows)).all(), location, "a support vector out of range")
    counts: Any = values.get("_n_support")
    _require(_is_array(counts, (2,), "iu") and counts[0] == n, location, "_n_support is not theirs")
    for name in ("_dual_coef_", "dual_coef_"):
        _require(_is_array(values.get(name), (1, n), "f"), location, f"{name} is not one for each")
    for name in ("_intercept_", "intercept_"):
        _require(_is_array(values.get(name), (1,), "f"), location, f"{name} is no number")


def check_neighbors(values: dict[str, Any], location: str) -> None:
    """Check the stored rows of a neighbor search: they must have the width of its input.

    Parameters
    ----------
    values : dict
        The attributes ``_fit_X``, ``n_features_in_`` and ``n_samples_fit_``, and the parameters of
        the metric.
    location : str
        For messages.
    """
    rows, width = values["_fit_X"], values.get("n_features_in_")
    _require(_is_array(rows, (-1, -1), "fiub"), location, "no table of rows")
    _require(_is_index(width, 1) and rows.shape[1] == width, location, "rows of another width")
    _require(values.get("n_samples_fit_") == len(rows), location, "another number of rows")
    for name in ("metric_params", "effective_metric_params_"):
        options = values.get(name) or {}
        plain = isinstance(options, dict) and all(
            isinstance(option, (int, float, str, type(None))) for option in options.values()
        )
        _require(plain, location, f"{name} holds arrays, whose sizes scipy does not compare")


def check_covariance(values: dict[str, Any], location: str) -> None:
    """Check an estimate of location and covariance: scipy assumes that the sizes agree.

    Parameters
    ----------
    values : dict
        The attributes ``n_features_in_``, ``location_``, ``covariance_`` and ``precision_``.
    location : str
        For messages.
    """
    width: Any = values.get("n_features_in_")
    _require(_is_index(width, 1), location, "n_features_in_ is no number of features")
    _require(
        _is_array(values.get("location_"), (width,), "f"), location, "location_ of another size"
    )
    for name in ("covariance_", "precision_"):
        matrix = values.get(name)
        fits = matrix is None or _is_array(matrix, (width, width), "f")
        _require(fits, location, f"{name} of another size")


def check_random_state(state: Any, location: str) -> None:
    """Check the state of numpy's Mersenne Twister, whose position is used as an index."""
    inner: Any = state.get("state") if isinstance(state, dict) else None
    _require(isinstance(inner, dict), location, "no state of a random generator")
    _require(state.get("bit_generator") == "MT19937", location, "another generator than MT19937")
    _require(
        _is_array(inner.get("key"), (_MT19937_WORDS,), "iu"), location, "no key of a generator"
    )
    position = inner.get("pos")
    _require(
        _is_index(position) and position <= _MT19937_WORDS, location, "a position out of range"
    )
