"""EfficientNet-Lite0 is the network that timm has, to the last bit."""

import pytest
import torch

from sklearn_diffake.embedding.backbones._timm import import_timm
from sklearn_diffake.embedding.backbones.networks._efficientnet_lite0 import EfficientNetLite0


@pytest.mark.parametrize("size", [(64, 64), (112, 97)], ids=str)
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_the_network_is_that_of_timm(size, training):
    timm = import_timm()
    torch.manual_seed(0)
    reference = timm.create_model("tf_efficientnet_lite0", num_classes=0).train(training)
    network = EfficientNetLite0().train(training)
    assert list(network.state_dict()) == list(reference.state_dict())
    network.load_state_dict(reference.state_dict())
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        embedding = network(images)
        assert embedding.shape == (2, network.num_features)
        assert torch.equal(embedding, reference(images))
    for (name, tensor), reference_tensor in zip(
        network.state_dict().items(), reference.state_dict().values(), strict=True
    ):
        assert torch.equal(tensor, reference_tensor), name
