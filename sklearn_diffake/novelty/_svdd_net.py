"""Build the network of Deep SVDD, store it as arrays, and evaluate it. Loads torch."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_diffake.novelty._standardize import blocks, standardize
from sklearn_diffake.utils._device import seeded
from sklearn_diffake.utils._imports import import_function

_SLOPE = 0.1  # of the leaky ReLU, which is unbounded on both sides, so that no unit saturates
_PROBE_STD = 3.0  # of the noise; that of genuine rows is 1
_COLLAPSE = 0.01  # fraction of the initial spread at which a network counts as collapsed

StateDict = dict[str, NDArray[Any]]


class _UninitializedLinear(nn.Linear):
    """A linear layer whose weights are drawn by `initialize`, or loaded."""

    def reset_parameters(self) -> None:
        """Draw no random number."""


class PlainNetwork(nn.Sequential):
    """Linear layers without biases, and at most one leaky ReLU between two of them."""


def make_mlp(sizes: Sequence[int], *, batch_norm: bool) -> nn.Sequential:
    """Build layers without biases, with leaky ReLUs (and non-affine norms) between them.

    Parameters
    ----------
    sizes : sequence of int
        Widths, from the input to the output.
    batch_norm : bool
        Whether to normalize before each leaky ReLU.

    Returns
    -------
    torch.nn.Sequential
        Not initialized: no random number is drawn. A `PlainNetwork` without `batch_norm`.
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        if i and batch_norm:
            layers.append(nn.BatchNorm1d(n_in, eps=1e-4, affine=False))
        if i:
            layers.append(nn.LeakyReLU(_SLOPE, inplace=True))
        layers.append(_UninitializedLinear(n_in, n_out, bias=False))
    return nn.Sequential(*layers) if batch_norm else PlainNetwork(*layers)


def initialize(mlp: nn.Sequential, generator: torch.Generator) -> nn.Sequential:
    """Draw orthogonal weights for every layer, which nearly preserve distances."""
    gain = nn.init.calculate_gain("leaky_relu", _SLOPE)
    for layer in mlp:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain=gain, generator=generator)
    return mlp


def make_encoder(encoder: str | Callable[..., Any], shape: tuple[int, ...]) -> nn.Module:
    """Call a user's factory: ``"module:function"`` or a callable, with `shape` if required."""
    factory: Any = encoder
    if isinstance(encoder, str):
        factory = import_function(encoder, "encoder")
    if isinstance(factory, nn.Module):
        raise TypeError(
            "encoder must be a function that returns a new torch module, or the class of one; "
            f"got the module {type(factory).__name__} itself."
        )
    built = factory(shape) if _wants_argument(factory) else factory()
    if not isinstance(built, nn.Module):
        raise TypeError(f"encoder must return a torch.nn.Module, got {type(built).__name__}.")
    return copy.deepcopy(built).float()  # in case the factory returns the same module twice


def _wants_argument(factory: Callable[..., Any]) -> bool:
    return any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(factory).parameters.values()
    )


def state_of(module: nn.Module) -> StateDict:
    """Return copies of parameters and buffers as numpy arrays."""
    return {name: value.cpu().numpy().copy() for name, value in module.state_dict().items()}


def load_weights(module: nn.Module, state: StateDict) -> None:
    """Load the result of `state_of` into a new network, for a warm start."""
    try:
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True continues with the network of the last fit, whose parameters must "
            f"stay: {' '.join(str(error).split())}"
        ) from error


def restore(
    encoder: str | Callable[..., Any] | None, shape: tuple[int, ...], state: StateDict
) -> nn.Module:
    """Build a network with the result of `state_of`, in float64.

    Parameters
    ----------
    encoder : str, callable or None
        A user's factory; None for the network of `make_mlp`, whose widths are in `state`.
    shape : tuple of int
        Shape of one row.
    state : dict of str to ndarray

    Returns
    -------
    torch.nn.Module
    """
    if encoder is None:
        sizes = [weight.shape[0] for weight in state.values() if weight.ndim == 2]
        normed = any(name.endswith("running_mean") for name in state)
        module: nn.Module = make_mlp([*shape, *sizes], batch_norm=normed)
    else:
        with seeded(0):
            module = make_encoder(encoder, shape)
    module.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    return module.double().eval()


def represent(
    module: nn.Module, X: NDArray[Any], location: NDArray[Any], scale: NDArray[Any]
) -> NDArray[np.float64]:
    """Compute the representations of rows by a float64 module on the CPU.

    Returns
    -------
    ndarray of shape (n_samples, representation_size)
    """
    batches = []
    for rows in blocks(X):
        inputs = torch.from_numpy(standardize(X[rows], location, scale))
        batches.append(_forward64(module, inputs).numpy())
    return np.concatenate(batches)


def _forward64(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        try:
            outputs = module(inputs)
        except RuntimeError as error:
            raise RuntimeError(
                f"the encoder failed on {len(inputs)} rows of shape {tuple(inputs.shape[1:])} in "
                "float64, in which scores are computed (it must keep the number format of its "
                f"input, without .float() or the like): {error}"
            ) from error
    if not isinstance(outputs, torch.Tensor) or outputs.shape[:-1] != inputs.shape[:1]:
        shape = tuple(getattr(outputs, "shape", ())) or type(outputs).__name__
        raise ValueError(
            f"the encoder must return one vector per row, ({len(inputs)}, representation_size), "
            f"got {shape}."
        )
    return outputs


class CollapseProbe:
    """Detects when a network has become constant.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), float64
        A few standardized genuine rows. The same number of rows of noise with a larger spread is
        added: training should move genuine rows close to each other, but not the noise.
    seed : int
        Seed of the noise.
    """

    def __init__(self, X: NDArray[np.float64], seed: int):
        noise = np.random.default_rng(seed).normal(scale=_PROBE_STD, size=X.shape)
        self.rows = torch.from_numpy(np.concatenate([X, noise]))

    def answers(self, module: nn.Module) -> torch.Tensor:
        """Return the outputs of a copy of `module` in float64; raise an error if it fails."""
        return _forward64(copy.deepcopy(module).cpu().double().eval(), self.rows)

    @staticmethod
    def compare(initial: torch.Tensor, final: torch.Tensor, loss: float) -> None:
        """Raise an error if the spread of outputs has become almost zero in training."""
        initial_spread, final_spread = (
            float(z.var(dim=0, correction=0).sum().sqrt()) for z in (initial, final)
        )
        if not final_spread > _COLLAPSE * initial_spread:
            raise RuntimeError(
                "Deep SVDD has collapsed: the network maps every input, noise included, to nearly "
                f"the same point (the spread of its outputs went from {initial_spread:.3g} to "
                f"{final_spread:.3g}; final loss {loss:.3g}), so that scores would mean nothing. "
                "Use an encoder without biases and with unbounded activations, reduce "
                "weight_decay, lr or max_epochs, or set early_stopping=True."
            )
