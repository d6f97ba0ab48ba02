"""Arrays in a model file that compiled code follows without looking where they lead.

scikit-learn's trees, its trees of neighbors and libsvm take indices and sizes from the fitted state
as they are: one that points past the end of an array reads or writes memory there, and the
process crashes or worse. Here they are compared with each other before an object is made of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._schema import Refusal

_LEAF = -1
_DEEPEST = 62  # levels of a binary tree whose nodes an int64 can count
_MT19937_WORDS = 624


def _require(condition: Any, where: str, problem: str) -> None:
    if not condition:
        raise Refusal(f"is refused: {where}: {problem}")


def _is_index(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_array(value: Any, shape: tuple[int, ...], kinds: str) -> bool:
    """Return whether a value is an array of a shape, -1 being any length, and kind of numbers."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in kinds
        and value.ndim == len(shape)
        and all(n in (-1, m) for n, m in zip(shape, value.shape, strict=True))
    )


def check_tree(arguments: Any, state: Any, where: str) -> None:
    """Check a decision tree: ``sklearn.tree._tree.Tree``.

    Parameters
    ----------
    arguments : list
        Number of features, numbers of classes, number of outputs.
    state : dict
        ``max_depth``, ``node_count``, ``nodes`` and ``values``.
    where : str
        For messages.
    """
    _require(isinstance(arguments, list) and len(arguments) == 3, where, "three arguments expected")
    n_features, n_classes, n_outputs = arguments
    _require(_is_index(n_features, 1) and _is_index(n_outputs, 1), where, "no number of features")
    _require(_is_array(n_classes, (n_outputs,), "iu"), where, "no number of classes per output")
    _require((n_classes >= 1).all(), where, "an output without classes")
    expected = {"max_depth", "node_count", "nodes", "values"}
    _require(isinstance(state, dict) and state.keys() == expected, where, f"expected {expected}")
    nodes, values = state["nodes"], state["values"]
    fields = {"left_child", "right_child", "feature"}
    _require(
        _is_array(nodes, (-1,), "V") and fields <= set(nodes.dtype.names or ()) and len(nodes),
        where,
        "nodes without children and features",
    )
    shape = (len(nodes), n_outputs, int(n_classes.max()))
    _require(_is_array(values, shape, "f"), where, f"values of another shape than {shape}")
    _require(state["node_count"] == len(nodes), where, f"node_count is not {len(nodes)}")
    inner = np.flatnonzero(nodes["left_child"] != _LEAF)
    left, right = (nodes[name][inner].astype(np.int64) for name in ("left_child", "right_child"))
    children = np.concatenate([left, right])
    _require(
        (children > np.tile(inner, 2)).all() and (children < len(nodes)).all(),
        where,
        "a child that is no later node of the tree",
    )
    _require(len(np.unique(children)) == len(children), where, "a node with two parents")
    features = nodes["feature"][inner]
    _require(((features >= 0) & (features < n_features)).all(), where, "a feature out of range")
    depth = _depth(nodes["left_child"], nodes["right_child"])
    _require(state["max_depth"] == depth, where, f"max_depth is not {depth}, as its nodes say")


def _depth(left: NDArray[Any], right: NDArray[Any]) -> int:
    """Return the number of levels of a tree below its root."""
    level, depth = np.array([0]), 0
    while True:
        level = level[left[level] != _LEAF]
        if not len(level):
            return depth
        level, depth = np.concatenate([left[level], right[level]]), depth + 1


def check_forest(values: dict[str, Any], features: Any, widths: list[Any], where: str) -> None:
    """Check that every tree of a forest has as many features as the rows that it is given.

    Parameters
    ----------
    values : dict
        The attributes ``n_features_in_`` and ``_max_features`` of the forest, if it has them.
    features : list of ndarray or None
        The features that each tree is given, in an isolation forest.
    widths : list of int or None
        The number of features of each tree; None for an estimator that is not fitted.
    where : str
        For messages.
    """
    if not widths:
        return
    n_features = values.get("n_features_in_")
    _require(_is_index(n_features, 1), where, "n_features_in_ is no number of features")
    drawn = "_max_features" in values and values["_max_features"] != n_features
    if drawn:
        _require(
            isinstance(features, list) and len(features) == len(widths),
            where,
            "estimators_features_ has not the features of each tree",
        )
        for chosen in features:
            _require(_is_array(chosen, (-1,), "iu"), where, "features that are no indices")
            _require(((chosen >= 0) & (chosen < n_features)).all(), where, "a feature out of range")
    expected = [len(chosen) for chosen in features] if drawn else [n_features] * len(widths)
    _require(widths == expected, where, "a tree with another number of features than its rows")


def check_binary_tree(name: str, state: list[Any], distance: Any, where: str) -> None:
    """Check a tree of neighbors: ``KDTree`` or ``BallTree``.

    Parameters
    ----------
    name : str
        Full name of its type.
    state : list
        As its ``__getstate__`` gives it, but for its metric.
    distance : list
        The state of the metric: exponent, weights, matrix.
    where : str
        For messages.
    """
    data, order, nodes, bounds, leaf_size, n_levels, n_nodes = state[:7]
    _require(_is_array(data, (-1, -1), "f") and data.size, where, "no table of rows")
    n, width = data.shape
    _require(_is_array(order, (n,), "iu"), where, "no index of its rows")
    _require((np.sort(order) == np.arange(n)).all(), where, "an index that is no permutation")
    _require(_is_index(leaf_size, 1) and _is_index(n_levels, 1), where, "no size of its leaves")
    _require(n_levels <= _DEEPEST and n_nodes == 2**n_levels - 1, where, "no number of nodes")
    fields = {"idx_start", "idx_end", "is_leaf"}
    _require(
        _is_array(nodes, (n_nodes,), "V") and fields <= set(nodes.dtype.names or ()),
        where,
        "nodes without bounds",
    )
    corners = 2 if name.endswith(".KDTree") else 1
    _require(_is_array(bounds, (corners, n_nodes, width), "f"), where, "bounds of another shape")
    _require(all(_is_index(count) for count in state[7:11]), where, "counts that are none")
    weights = state[12]
    _require(weights is None or _is_array(weights, (n,), "f"), where, "weights of other rows")
    _check_spans(nodes, n, where)
    vector = distance[1]
    fits = _is_array(vector, (-1,), "f") and vector.size in (0, width)
    _require(fits or not state[11].startswith("Minkowski"), where, "weights of other features")


def _check_spans(nodes: NDArray[Any], n: int, where: str) -> None:
    """Check that the rows of every node that can be reached are those of its children."""
    start, end, leaf = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] != 0
    _require(start[0] == 0 and end[0] == n, where, "a root that has not all rows")
    level = np.array([0])
    while len(level):
        _require((start[level] <= end[level]).all(), where, "a node with bounds out of range")
        level = level[~leaf[level]]
        left, right = 2 * level + 1, 2 * level + 2
        _require((right < len(nodes)).all(), where, "a child out of range")
        whole = (start[left] == start[level]) & (end[left] == start[right])
        _require((whole & (end[right] == end[level])).all(), where, "children with other rows")
        level = np.concatenate([left, right])


def check_distance(state: list[Any], where: str) -> None:
    """Check a compiled distance: its exponent, weights and matrix."""
    exponent, vector, matrix = state[:3]
    _require(isinstance(exponent, (int, float)) and exponent > 0, where, "no exponent")
    _require(_is_array(vector, (-1,), "f"), where, "no weights")
    _require(_is_array(matrix, (-1, -1), "f"), where, "no matrix")


def check_support_vectors(values: dict[str, Any], where: str) -> None:
    """Check a fitted ``OneClassSVM``: libsvm takes the sizes of some arrays for those of others.

    Parameters
    ----------
    values : dict
        Its fitted attributes; empty if it is not fitted.
    where : str
        For messages.
    """
    if not values:
        return
    # A function gives rows of its own width, in which libsvm would look for each support vector.
    _require(isinstance(values.get("kernel"), str), where, "a kernel that is no name of one")
    vectors: Any = values.get("support_vectors_")
    support: Any = values.get("support_")
    width, shape = values.get("n_features_in_"), values.get("shape_fit_")
    _require(_is_array(vectors, (-1, -1), "f"), where, "no support vectors")
    n = len(vectors)
    _require(vectors.flags.c_contiguous, where, "support vectors in another order")
    _require(_is_index(width, 1), where, "n_features_in_ is no number of features")
    _require(vectors.shape[1] in (0, width), where, "support vectors of another width")
    _require(_is_array(support, (n,), "iu"), where, "no indices of its support vectors")
    rows = shape[0] if isinstance(shape, list) and shape and _is_index(shape[0], 1) else 0
    _require(((support >= 0) & (support < rows)).all(), where, "a support vector out of range")
    counts: Any = values.get("_n_support")
    _require(_is_array(counts, (2,), "iu") and counts[0] == n, where, "_n_support is not theirs")
    for name in ("_dual_coef_", "dual_coef_"):
        _require(_is_array(values.get(name), (1, n), "f"), where, f"{name} is not one for each")
    for name in ("_intercept_", "intercept_"):
        _require(_is_array(values.get(name), (1,), "f"), where, f"{name} is no number")


def check_neighbors(values: dict[str, Any], where: str) -> None:
    """Check the rows that neighbors are looked for in: they must be as wide as those compared.

    Parameters
    ----------
    values : dict
        The attributes ``_fit_X``, ``n_features_in_`` and ``n_samples_fit_``, and the parameters of
        the metric.
    where : str
        For messages.
    """
    rows, width = values["_fit_X"], values.get("n_features_in_")
    _require(_is_array(rows, (-1, -1), "fiub"), where, "no table of rows")
    _require(_is_index(width, 1) and rows.shape[1] == width, where, "rows of another width")
    _require(values.get("n_samples_fit_") == len(rows), where, "another number of rows")
    for name in ("metric_params", "effective_metric_params_"):
        options = values.get(name) or {}
        plain = isinstance(options, dict) and all(
            isinstance(option, (int, float, str, type(None))) for option in options.values()
        )
        _require(plain, where, f"{name} holds arrays, whose sizes scipy does not compare")


def check_covariance(values: dict[str, Any], where: str) -> None:
    """Check an estimate of location and covariance: scipy takes the sizes to be the same.

    Parameters
    ----------
    values : dict
        The attributes ``n_features_in_``, ``location_``, ``covariance_`` and ``precision_``.
    where : str
        For messages.
    """
    width: Any = values.get("n_features_in_")
    _require(_is_index(width, 1), where, "n_features_in_ is no number of features")
    _require(_is_array(values.get("location_"), (width,), "f"), where, "location_ of another size")
    for name in ("covariance_", "precision_"):
        matrix = values.get(name)
        fits = matrix is None or _is_array(matrix, (width, width), "f")
        _require(fits, where, f"{name} of another size")


def check_random_state(state: Any, where: str) -> None:
    """Check the state of numpy's Mersenne Twister, whose position is used as an index."""
    inner: Any = state.get("state") if isinstance(state, dict) else None
    _require(isinstance(inner, dict), where, "no state of a random generator")
    _require(state.get("bit_generator") == "MT19937", where, "another generator than MT19937")
    _require(_is_array(inner.get("key"), (_MT19937_WORDS,), "iu"), where, "no key of a generator")
    position = inner.get("pos")
    _require(_is_index(position) and position <= _MT19937_WORDS, where, "a position out of range")
