"""Layers that cut the input of a network out of an aligned face. Loads torch."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

#: Size, in pixels, of the aligned faces in whose coordinates squares are given.
ALIGNED_SIZE = 160


class SquareCrop(nn.Module):
    """Cut a square out of aligned faces, and scale it.

    It is sampled bilinearly, so that gradients reach the aligned face. A face of another size is
    read as one of 160 pixels that was scaled.

    Parameters
    ----------
    center : tuple of float
        (x, y) of the square's center in a face of 160 x 160 pixels; (0, 0) is the upper left
        corner of the image, not the center of its first pixel.
    side : float
        Side of the square in the same pixels.
    size : int
        Side of the output in pixels.
    """

    def __init__(self, center: tuple[float, float], side: float, size: int) -> None:
        super().__init__()
        self.center = center
        self.side = side
        self.size = size

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return images of shape (b, 3, size, size) for faces of shape (b, 3, S, S)."""
        # coordinates are float32 for faces of any dtype: float16 is too coarse for 160 pixels
        pixels = torch.arange(self.size, device=faces.device, dtype=torch.float32) + 0.5
        offsets = pixels * (self.side / self.size) - self.side / 2
        x, y = (2 * (center + offsets) / ALIGNED_SIZE - 1 for center in self.center)
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        grid = grid.expand(faces.shape[0], -1, -1, -1)  # not len: an export would fix it
        images = functional.grid_sample(faces.float(), grid, align_corners=False)
        return images.to(faces.dtype)


class CenterCrop(nn.Module):
    """Cut a square out of the middle of images.

    Parameters
    ----------
    side : int
        Its side in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the middle of images of shape (b, 3, H, W)."""
        y, x = ((extent - self.side) // 2 for extent in images.shape[2:])
        return images[..., y : y + self.side, x : x + self.side]
