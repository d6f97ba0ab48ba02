"""Choose the faces of a table's cells from the faces of its pictures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces._aligned import AlignedFaces, VideoDamage
from sklearn_diffake.faces._matching import Candidates, Match, embed_crops, match_faces
from sklearn_diffake.faces._stored_faces import NO_FACE, PictureFaces, crop_matrix
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.missing import MissingFace
from sklearn_diffake.images.results import Results
from sklearn_diffake.images.table import ImageTable

_N_SHOWN = 5  # rows named in a message
_NO_FACE_FOUND = "no face was found"
_ADVICE = (
    "Take photographs in which the face is upright, seen from the front and not small. A smaller "
    "min_face_size or min_probability of FaceAligner finds more faces. With "
    'on_missing="skip" such pictures are left out; with on_missing="warn" or "crop" their center '
    "is taken instead."
)


class _Picture(NamedTuple):
    """One picture or frame."""

    source: int
    frame: int  # -1 for a picture
    time: float
    faces: PictureFaces | None  # None if it cannot be read
    reason: str | None  # why it has no face


class _Choice(NamedTuple):
    """A picture and its chosen face, if there is one."""

    picture: int
    face: int
    method: str | None
    similarity: float = np.nan

    @property
    def has_crop(self) -> bool:
        """Whether the picture has a crop."""
        return self.method is not None


class Alignment:
    """The faces of a table.

    Parameters
    ----------
    table : ImageTable
    results : Results
        `PictureFaces` of every picture and frame.
    chosen : callable
        Returns the number of a picture's face to take if faces are not compared.
    on_missing, select, matcher
        As for `FaceAligner`.
    crop_of : ndarray of shape (5, 2)
        Positions of the landmarks in a crop.
    size : int
        Side of the crop.
    opposite : ndarray of shape (k, d), default=None
        Unit embeddings of faces to compare with the faces of every cell, instead of the faces of
        the other cell.
    """

    def __init__(
        self,
        table: ImageTable,
        results: Results,
        choose_face: Callable[[PictureFaces], int],
        *,
        on_missing: str,
        select: str,
        matcher: Any,
        crop_of: np.ndarray,
        size: int,
        opposite: NDArray[np.float64] | None = None,
    ) -> None:
        self.table, self.results, self.choose_face = table, results, choose_face
        self.on_missing, self.select, self.matcher = on_missing, select, matcher
        self.crop_of, self.size, self.opposite = crop_of, size, opposite
        self.pictures: list[_Picture] = []
        self.of_source = [self._list_pictures(i) for i in range(len(table.sources))]
        self.choices: dict[_Choice, int] = {}  # -> number, in order of appearance

    def _list_pictures(self, source: int) -> list[int]:
        """Append the pictures of a source; return their numbers."""
        first = len(self.pictures)
        reason: str | None
        if source in self.results.errors:
            reason = self.results.errors[source].message
            self.pictures.append(_Picture(source, -1, np.nan, None, reason))
        elif source in self.results.frames:
            for number, seconds, faces in self.results.frames[source]:
                reason = None if faces.n_faces else _NO_FACE_FOUND
                self.pictures.append(_Picture(source, number, seconds, faces, reason))
        else:
            faces = self.results.values[source]
            reason = None if faces.n_faces else _NO_FACE_FOUND
            self.pictures.append(_Picture(source, -1, np.nan, faces, reason))
        return list(range(first, len(self.pictures)))

    def assemble(self, *, shared: bool, video_damage: dict[str, VideoDamage]) -> AlignedFaces:
        """Choose the faces of all cells.

        Parameters
        ----------
        shared : bool
            Whether cells with the same picture hold the same array.
        video_damage : dict of str to VideoDamage
            Damage of each damaged video, by path.

        Returns
        -------
        AlignedFaces

        Raises
        ------
        ImageError
            If a picture has no face, and `on_missing` is ``"raise"``.
        """
        self._refuse_missing()
        cells = self._choose_all()
        lines = _Lines(self, cells)
        crops = self._crops(cells, shared)
        return AlignedFaces(crops, self._count(), damages=video_damage, **lines.arrays())

    def _count(self) -> dict[str, int]:
        n_faces = [0 if p.faces is None else p.faces.n_faces for p in self.pictures]
        return {
            "images": len(n_faces),
            "found": sum(n > 0 for n in n_faces),
            "missing": sum(n == 0 for n in n_faces),
            "several": sum(n > 1 for n in n_faces),
        }

    def _choose_all(self) -> list[NDArray[np.intp]]:
        """Return the numbers of the choices of every cell, by row and column."""
        if self.select == "match":
            return self._match_all() if self.opposite is None else self._match_opposite()
        choices: dict[int, NDArray[np.intp]] = {}
        cells = []
        for template in self.table.index.ravel().tolist():
            if template not in choices:
                choices[template] = self._numbers(self._choose(self._members(template)))
            cells.append(choices[template])
        return cells

    def _members(self, template: int) -> list[int]:
        """Return the pictures of a template; for a video, its frames."""
        sources = self.table.template(template).tolist()
        return [picture for source in sources for picture in self.of_source[source]]

    def _choose(
        self, members: Sequence[int], matches: dict[int, Match] | None = None
    ) -> list[_Choice]:
        """Choose the face of each picture of a template."""
        # Videos with at least one frame that shows a face
        with_face = {self.pictures[i].source for i in members if self.pictures[i].reason is None}
        return [self._choose_one(i, with_face, (matches or {}).get(i)) for i in members]

    def _choose_one(self, number: int, with_face: set[int], match: Match | None) -> _Choice:
        picture = self.pictures[number]
        faces = picture.faces
        if faces is None:
            return _Choice(number, NO_FACE, None)
        if faces.n_faces == 0:
            takes_center = self.on_missing in ("warn", "crop") and picture.source not in with_face
            return _Choice(number, NO_FACE, "center" if takes_center else None)
        if match is not None:
            method = "match" if faces.n_faces > 1 else "only face"
            return _Choice(number, match.face, method, match.similarity)
        method = "largest" if self.select == "match" else self.select
        return _Choice(
            number, self.choose_face(faces), method if faces.n_faces > 1 else "only face"
        )

    def _numbers(self, choices: list[_Choice]) -> NDArray[np.intp]:
        numbers = [self.choices.setdefault(choice, len(self.choices)) for choice in choices]
        return np.array(numbers, dtype=np.intp)

    def _match_all(self) -> list[NDArray[np.intp]]:
        pairs = {tuple(pair) for pair in self.table.index.tolist()}
        members = {pair: [self._members(template) for template in pair] for pair in pairs}
        unclear = {pair for pair in pairs if self._is_unclear(members[pair])}
        pictures = {i for pair in unclear for cell in members[pair] for i in cell}
        embeddings = self._embed(sorted(pictures))
        choices: dict[tuple[int, ...], list[NDArray[np.intp]]] = {}
        for pair in pairs:
            matches: list[dict[int, Match]] = [{}, {}]
            if pair in unclear:
                templates = [self._candidates(cell, embeddings) for cell in members[pair]]
                for matched, cell, matched_faces in zip(
                    matches, members[pair], match_faces(templates), strict=True
                ):
                    matched.update({cell[match.picture]: match for match in matched_faces})
            choices[pair] = [
                self._numbers(self._choose(cell, matched))
                for cell, matched in zip(members[pair], matches, strict=True)
            ]
        return [cell for pair in self.table.index.tolist() for cell in choices[tuple(pair)]]

    def _match_opposite(self) -> list[NDArray[np.intp]]:
        """Choose the faces of every cell that are most similar to those of `opposite`."""
        cells = [self._members(template) for template in self.table.index.ravel().tolist()]
        unclear = [cell for cell in cells if self._is_unclear([cell])]
        embeddings = self._embed(sorted({i for cell in unclear for i in cell}))
        numbers = []
        for cell in cells:
            matches: dict[int, Match] = {}
            if self._is_unclear([cell]):
                matched_faces = match_faces(
                    [self._opposite_candidates(), self._candidates(cell, embeddings)]
                )[1]
                matches = {cell[match.picture]: match for match in matched_faces}
            numbers.append(self._numbers(self._choose(cell, matches)))
        return numbers

    def _opposite_candidates(self) -> Candidates:
        """Return the faces of `opposite`, each in a picture of its own."""
        assert self.opposite is not None
        n = len(self.opposite)
        numbers = np.arange(n, dtype=np.intp)
        contents = np.full(n, -1, dtype=np.intp)  # no hash is -1, so they equal no picture
        return Candidates(numbers, np.zeros(n, np.intp), self.opposite, np.ones(n), contents)

    def _is_unclear(self, cells: Sequence[Sequence[int]]) -> bool:
        """Return whether to compare faces: all cells have a face, and a picture has several."""
        counts = [
            [faces.n_faces for i in cell if (faces := self.pictures[i].faces) is not None]
            for cell in cells
        ]
        return all(any(cell) for cell in counts) and max(map(max, counts)) > 1

    def _embed(self, pictures: Sequence[int]) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the unit embeddings of all faces of some pictures, by picture and face."""
        keys, crops = [], []
        for i in pictures:
            faces = self.pictures[i].faces
            if faces is not None:
                numbers = [number for number in faces.crops if number != NO_FACE]
                keys += [(i, number) for number in numbers]
                crops += [faces.crops[number] for number in numbers]
        if not crops:
            return {}
        try:
            return dict(zip(keys, embed_crops(self.matcher, crops), strict=True))
        except ImageError as error:  # of a crop, not of a row of the table
            if error.row is None:
                raise
            picture, face = keys[error.row]
            location = self.table.location(self.pictures[picture].source)
            message = f"matcher failed at face {face}: {error.message}"
            raise ImageError(message, **location) from error

    def _candidates(
        self, cell: Sequence[int], embeddings: dict[tuple[int, int], NDArray[np.float64]]
    ) -> Candidates:
        positions, numbers, vectors, sizes, contents = [], [], [], [], []
        for position, i in enumerate(cell):
            faces = self.pictures[i].faces
            for number in range(0 if faces is None else len(faces.faces.boxes)):
                assert faces is not None
                left, top, right, bottom = faces.faces.boxes[number].tolist()
                positions.append(position)
                numbers.append(number)
                vectors.append(embeddings[i, number])
                sizes.append((right - left) * (bottom - top))
                contents.append(faces.content)
        columns = (positions, numbers, vectors, sizes, contents)
        return Candidates(*(np.array(values) for values in columns))

    def crop(self, choice: _Choice) -> np.ndarray:
        """Return the crop of a choice; equal faces share one array."""
        faces = self.pictures[choice.picture].faces
        assert faces is not None
        return faces.crops[choice.face]

    def _crops(self, cells: list[NDArray[np.intp]], shared: bool) -> NDArray[Any]:
        """Return one crop, a list of crops, or a placeholder for each cell."""
        choices = list(self.choices)
        shape = self.table.index.shape
        plain = self.table.offsets is None and not self.results.frames
        if plain and not shared and all(choice.has_crop for choice in choices):
            dense = np.empty((len(cells), self.size, self.size, 3), dtype=np.uint8)
            for i, numbers in enumerate(cells):
                dense[i] = self.crop(choices[numbers[0]])
            return dense.reshape(*shape, *dense.shape[1:])
        crops = np.empty(len(cells), dtype=object)
        for i, numbers in enumerate(cells):
            crops_of_cell = [self.crop(choices[n]) for n in numbers if choices[n].has_crop]
            if not crops_of_cell:
                crops[i] = self._placeholder(i, choices[numbers[0]])
            else:
                crops[i] = crops_of_cell if len(crops_of_cell) > 1 else crops_of_cell[0]
        return crops.reshape(shape)

    def _placeholder(self, cell: int, choice: _Choice) -> MissingFace:
        first = self.pictures[choice.picture]
        row, column = divmod(cell, 2) if self.table.is_pairs else (cell, None)
        return MissingFace(first.reason or _NO_FACE_FOUND, row, column, self.path(first.source))

    def path(self, source: int) -> str | None:
        """Return the file of a source; None for an object."""
        item = self.table.sources[source]
        return os.fspath(item) if isinstance(item, (str, os.PathLike)) else None

    def _sources_without_face(self) -> list[int]:
        """Return the sources without a face in any frame."""
        return [
            source
            for source, pictures in enumerate(self.of_source)
            if all(
                (faces := self.pictures[i].faces) is not None and not faces.n_faces
                for i in pictures
            )
        ]

    def _missing_message(self, sources: Sequence[int]) -> str:
        return f"{_NO_FACE_FOUND} in {len(sources)} of {len(self.of_source)} images"

    def _refuse_missing(self) -> None:
        sources = self._sources_without_face() if self.on_missing == "raise" else []
        if not sources:
            return
        message = self._missing_message(sources)
        if len(sources) > 1:
            names = [self.table.name(source) for source in sources[1:_N_SHOWN]]
            message += f": this one; {'; '.join(names + _hidden_rows(sources))}"
        raise ImageError(f"{message}. {_ADVICE}", **self.table.location(sources[0]))

    def report_missing(self) -> None:
        """Warn of pictures without a face if `on_missing` is ``"warn"``."""
        sources = self._sources_without_face() if self.on_missing == "warn" else []
        if sources:
            locations = [self.table.describe_source(source) for source in sources[:_N_SHOWN]]
            warnings.warn(
                f"{self._missing_message(sources)}: "
                f"{'; '.join(locations + _hidden_rows(sources))}. Their center is used.",
                RuntimeWarning,
                stacklevel=4,
            )


def _hidden_rows(sources: Sequence[int]) -> list[str]:
    if len(sources) <= _N_SHOWN:
        return []
    return [f"and {len(sources) - _N_SHOWN} more (see FaceAligner.align)"]


class _Lines:
    """The columns of `AlignedFaces`."""

    def __init__(self, alignment: Alignment, cells: list[NDArray[np.intp]]) -> None:
        self.alignment, self.choices = alignment, list(alignment.choices)
        self.lengths = np.array([len(numbers) for numbers in cells])
        self.numbers = np.concatenate(cells)
        has_face = np.array([choice.has_crop and choice.face != NO_FACE for choice in self.choices])
        self.has_face = np.array([has_face[numbers].any() for numbers in cells])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all attributes except crops and counts."""
        table, cell = self.alignment.table, np.repeat(np.arange(len(self.lengths)), self.lengths)
        width = 2 if table.is_pairs else 1
        starts = np.cumsum(self.lengths) - self.lengths
        of_choices = self._of_choices()
        return {
            "row": cell // width,
            "column": cell % width,
            "position": np.arange(len(cell)) - starts[cell],
            "is_missing": ~self.has_face.reshape(table.index.shape),
            **{name: values[self.numbers] for name, values in of_choices.items()},
        }

    def _of_choices(self) -> dict[str, NDArray[Any]]:
        pictures = [self.alignment.pictures[choice.picture] for choice in self.choices]
        n = len(pictures)
        counts = [0 if p.faces is None else p.faces.n_faces for p in pictures]
        columns: dict[str, NDArray[Any]] = {
            "path": _objects([self.alignment.path(p.source) for p in pictures]),
            "frame": np.array([p.frame for p in pictures], dtype=np.intp),
            "time": np.array([p.time for p in pictures], dtype=np.float64),
            "n_faces": np.array(counts, dtype=np.intp),
            "face": np.array([choice.face for choice in self.choices], dtype=np.intp),
            "chosen_by": _objects([choice.method for choice in self.choices]),
            "similarity": np.array([choice.similarity for choice in self.choices]),
            "reason": _objects([p.reason for p in pictures]),
            "box": np.full((n, 4), np.nan, np.float32),
            "probability": np.full(n, np.nan, np.float32),
            "landmarks": np.full((n, 5, 2), np.nan, np.float32),
            "matrix": np.full((n, 2, 3), np.nan),
        }
        for i, (choice, picture) in enumerate(zip(self.choices, pictures, strict=True)):
            faces = picture.faces
            if faces is None or not choice.has_crop:
                continue
            columns["matrix"][i] = crop_matrix(
                faces, choice.face, self.alignment.crop_of, self.alignment.size
            )
            if choice.face != NO_FACE:
                columns["box"][i] = faces.faces.boxes[choice.face]
                columns["probability"][i] = faces.faces.probabilities[choice.face]
                columns["landmarks"][i] = faces.faces.landmarks[choice.face]
        return columns


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
