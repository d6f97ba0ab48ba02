"""Average the weights of two forgery networks, the later one trained on from the earlier one.

On data unlike that of the training such a mean often does better than either: what the first one
knew is not lost (Wortsman et al., "Robust Fine-Tuning of Zero-Shot Models", CVPR 2022).

    python benchmarks/training/average_forgery.py FIRST.safetensors LATER.safetensors OUTPUT \\
        --fraction 0.5
"""

import argparse
from pathlib import Path

import numpy as np
from safetensors import safe_open

from sklearn_diffake.embedding.forgery._checkpoint import write_network


def read(path):
    """Return the arrays of a file of weights, and what it says of them."""
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, file.metadata()


def average(first, later, fraction):
    """Return the mean of two networks in float32; `fraction` is the weight of the later one."""
    if first.keys() != later.keys():
        raise ValueError("the two files hold different networks")
    return {
        name: ((1 - fraction) * first[name] + fraction * later[name]).astype(np.float32)
        if array.dtype.kind == "f"
        else array
        for name, array in later.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--fraction", type=float, default=0.5, help="of the later one")
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float16")
    options = parser.parse_args()
    first, _ = read(options.first)
    later, metadata = read(options.later)
    kept_metadata = {name: metadata[name] for name in ("backbone", "input_size")}
    arrays = average(first, later, options.fraction)
    arrays = {k: a.astype(options.dtype) if a.dtype.kind == "f" else a for k, a in arrays.items()}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_network(options.output, arrays, kept_metadata)


if __name__ == "__main__":
    main()
