"""Reference: the images of a person, enrolled once for many probes."""

from __future__ import annotations

import os
from typing import Any

from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.utils._atomic_files import atomic_write
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._face_images import find_faces
from sklearn_diffake.verdict._inputs import N_FRAMES, check_positive, read_side
from sklearn_diffake.verdict._model import JudgingModel, prepare_model
from sklearn_diffake.verdict._reference_file import pack_reference, unpack_reference
from sklearn_diffake.verdict._templates import Template, embed_templates, with_matching_embeddings


class Reference:
    """Trusted images of one person, embedded once and compared with many probes.

    Parameters
    ----------
    pictures : picture, clip, folder, pattern, or list of these
        As the reference of `verify`.
    model : Pipeline, str or Path, default=None
        Fitted; None is the model that comes with the package.
    n_frames : int, default=24
        Frames of a clip.

    Attributes
    ----------
    images : tuple of ImageEvidence
        Every picture and frame.
    n_images : int
        Those that are used.
    n_sources : int
        Pictures and clips that are used: a clip counts once.
    fingerprint : str
        Of the model.

    Raises
    ------
    ImageError
        If no picture has a usable face.

    See Also
    --------
    verify : Takes it as `reference`.

    Notes
    -----
    A model that chooses faces by comparison (``select="match"``) compares the faces of the
    reference with each other here, and those of every probe with the chosen ones.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from sklearn_diffake import Reference, verify
    >>> photo = astronaut()
    >>> reference = Reference([photo, photo[:, ::-1]])
    >>> reference.n_images
    2
    >>> verify(reference, photo[10:]).n_references
    2
    """

    def __init__(self, pictures: Any, model: Any = None, *, n_frames: int = N_FRAMES) -> None:
        check_positive("n_frames", n_frames)
        ready = prepare_model(model)
        ready.check_mode("reference")
        side = read_side(pictures, 0)
        images, _ = find_faces(ready, [(side, side)], n_frames)[0]
        (template,) = embed_templates(ready, [(side, images)])
        if not len(template.used_positions):
            raise unusable_error(template, 0)
        self._set(ready, with_matching_embeddings(ready, template, images))

    def _set(self, model: JudgingModel, template: Template) -> None:
        self.model = model
        self._template = template

    @property
    def images(self) -> tuple[ImageEvidence, ...]:
        """Every picture and frame."""
        return self._template.images

    @property
    def n_images(self) -> int:
        """Images that are used."""
        return len(self._template.used_positions)

    @property
    def n_sources(self) -> int:
        """Pictures and clips that are used."""
        return self._template.n_sources

    @property
    def fingerprint(self) -> str:
        """Of the model."""
        return self.model.info.fingerprint

    def template_for(self, model: JudgingModel) -> Template:
        """Return the template, if it was made by a model.

        Parameters
        ----------
        model : JudgingModel
            Made ready by `verify`.

        Returns
        -------
        Template
            Of all images.

        Raises
        ------
        ValueError
            If it was made by another one.
        """
        if model.info.fingerprint != self.fingerprint:
            raise ValueError(
                f"the reference was enrolled with the model {self.fingerprint:.12}, not with "
                f"{model.info.fingerprint:.12} ({model.info.name}): enroll its pictures again"
            )
        return self._template

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write embeddings and the evidence of each picture to a file, but no pixels.

        Parameters
        ----------
        path : str or Path
            The file, replaced atomically. A new one is readable by its owner only: the
            embeddings identify a person.

        Raises
        ------
        ValueError
            If it is one of the pictures, a directory, a device, a named pipe or a symbolic link
            of another user.
        OSError
            If it cannot be written.
        """
        inputs = [image.path for image in self.images]
        atomic_write(path, pack_reference(self._template, self.fingerprint), inputs=inputs)

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: Any = None) -> Reference:
        """Read a reference that `save` wrote.

        Parameters
        ----------
        path : str or Path
            The file.
        model : Pipeline, str or Path, default=None
            The one that it was enrolled with; None is the model that comes with the package.

        Returns
        -------
        Reference
            Without the pictures: a report cannot show them.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no such file, is corrupt, or was made by another model.
        """
        ready = prepare_model(model)
        reference = cls.__new__(cls)
        reference._set(ready, unpack_reference(path, ready))
        return reference

    def __repr__(self) -> str:
        return f"Reference(n_images={self.n_images}, model={self.model.info.name!r})"


def unusable_error(template: Template, column: int) -> ImageError:
    """Return the error of a side of which no image can be used.

    Parameters
    ----------
    template : Template
    column : int
        0 for the reference, 1 for the probe.

    Returns
    -------
    ImageError
        With the reason and file of the first image.
    """
    images = template.images
    if not images:
        return ImageError("there is no image", column=column)
    message = images[0].reason or "it cannot be used"
    if len(images) > 1:
        message += f"; none of the other {len(images) - 1} images can be used either"
    return ImageError(message, column=column, path=images[0].path, frame=images[0].frame)
