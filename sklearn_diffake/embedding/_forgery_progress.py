"""Where a training stands: its history, its best networks, its checkpoint. Loads torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from skorch import NeuralNet

from ._forgery_checkpoint import Checkpoint, State
from ._forgery_feed import Part

if TYPE_CHECKING:
    from ._forgery_embedder import ForgeryEmbedder


class Progress:
    """The epochs that are done, and what must be known to go on from there.

    Parameters
    ----------
    estimator : ForgeryEmbedder
        Its parameters are read.
    checkpoint : Checkpoint

    Attributes
    ----------
    history : list of dict
        Per epoch: `epoch`, `train_loss`, `valid_loss`, `valid_auc`, `lr`.
    networks : dict of int to State
        Weights after the latest and after the best epochs.
    """

    def __init__(self, estimator: ForgeryEmbedder, checkpoint: Checkpoint) -> None:
        self.estimator, self.checkpoint = estimator, checkpoint
        self.history: list[dict[str, Any]] = []
        self.networks: dict[int, State] = {}

    @property
    def epoch(self) -> int:
        """Number of the epoch that is under way, from 1."""
        return len(self.history) + 1

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or the best one was too long ago."""
        done, patience = len(self.history), self.estimator.n_iter_no_change
        if done >= self.estimator.max_epochs:
            return True
        if not (done and self.estimator.early_stopping) or self.history[0]["valid_auc"] is None:
            return False
        best = max(self.history, key=lambda figures: figures["valid_auc"])
        return done - best["epoch"] >= patience

    def best_epochs(self) -> list[int]:
        """Return the epochs of highest validation AUC, the best first; ties go by the loss."""
        ranked = sorted(
            (f for f in self.history if f["valid_auc"] is not None),
            key=lambda f: (-f["valid_auc"], f["valid_loss"]),
        )
        return [figures["epoch"] for figures in ranked[: self.estimator.n_best]]

    def resume(self, net: NeuralNet) -> None:
        """Go on from the checkpoint; without one, leave one of the weights to start from.

        Parameters
        ----------
        net : NeuralNet
            Initialised; its module is a `ForgeryNet`.
        """
        content = self.checkpoint.load()
        if content is None:
            self.networks = {0: net.module_.arrays()}
            self._save(net)
            return
        self.history, self.networks = content["history"], content["networks"]
        net.module_.load(self.networks[len(self.history)])
        for name, parameter in net.module_.named_parameters():
            if name in content["momentum"]:
                buffer = torch.empty_like(parameter)
                buffer.copy_(torch.from_numpy(content["momentum"][name]))
                net.optimizer_.state[parameter]["momentum_buffer"] = buffer

    def close_epoch(self, net: NeuralNet) -> dict[str, Any]:
        """Note the figures of an epoch that has ended, keep its weights, and return the figures."""
        row = net.history[-1]
        network = net.module_.arrays()
        if not all(np.isfinite(array).all() for array in network.values()):
            self.fail("The weights became NaN or infinite in")
        if not np.isfinite(row.get("valid_loss", 0.0)):
            self.fail(f"The validation loss became {row['valid_loss']} in")
        auc = seen_auc(net) if "valid_loss" in row else None
        figures = {
            "epoch": self.epoch,
            "train_loss": float(row["train_loss"]),
            "valid_loss": None if auc is None else float(row["valid_loss"]),
            "valid_auc": auc,
            "lr": float(net.optimizer_.param_groups[0]["lr"]),
        }
        self.history.append(figures)
        self.networks[len(self.history)] = network
        needed = {len(self.history), *self.best_epochs()}
        self.networks = {e: kept for e, kept in self.networks.items() if e in needed}
        self._save(net)
        return figures

    def fail(self, what: str) -> NoReturn:
        """Stop the training, and say where the last good weights are."""
        raise RuntimeError(
            f"{what} epoch {self.epoch}. Reduce lr={self.estimator.lr:g}, or look for damaged "
            f"images in X; {self.checkpoint.describe(len(self.history))}"
        )

    def _save(self, net: NeuralNet) -> None:
        state = net.optimizer_.state
        momentum = {
            name: state[parameter]["momentum_buffer"].detach().cpu().numpy()
            for name, parameter in net.module_.named_parameters()
            if state.get(parameter, {}).get("momentum_buffer") is not None
        }
        self.checkpoint.save(
            len(self.history),
            self.networks[len(self.history)],
            momentum,
            self.best_epochs(),
            history=self.history,
        )


def seen_auc(net: NeuralNet) -> float:
    """Return the ROC-AUC of the logits that the criterion saw in validation, and forget them."""
    seen = zip(*net.criterion_.seen, strict=True)
    logits, targets = (torch.cat(part).cpu().numpy() for part in seen)
    net.criterion_.seen.clear()
    if not np.isfinite(logits).all():
        return 0.0
    return float(roc_auc_score(targets, logits))


def validate(net: NeuralNet, valid: Part) -> float:
    """Return the ROC-AUC of a net on the validation images."""
    for crops, target in valid:
        net.criterion_(net.evaluation_step((crops, target)), target.to(net.device))
    return seen_auc(net)
