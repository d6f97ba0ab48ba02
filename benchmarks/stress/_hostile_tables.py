"""Hostile tables, lists of datasets and configurations."""

import os
import sys
import warnings
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path += [str(_TESTS / "datasets"), str(_TESTS)]
import tree_files
from PIL import Image

from benchmarks.stress import _mutations
from benchmarks.stress._hostile_media import Kind, write_clip
from sklearn_diffake.benchmark import read_config
from sklearn_diffake.cli._pairs import read_pairs
from sklearn_diffake.datasets import load_video_table
from sklearn_diffake.pairs import load_pairs


class PairTables(Kind):
    """Tables of pairs for the command line."""

    suffix, fraction, seconds = ".csv", 0.15, 3

    def make(self, folder):
        rows = "reference,probe,label\na.png,b.png,1\n../c/d.png,/e/f.png,-1\n"
        return [rows.encode(), b'probe,x,reference\n"a,b.png",1,c.png\n', b"one,two\nu.jpg,v.jpg\n"]

    def craft(self):
        return [b"", b"\n", b'"', b"a" * 10**6, b"a," * 10**5, b"reference,probe\n" + b"\0," * 99]

    def outside(self):
        """Return a picture that is not watched: what a file is, its content says.

        A table may name any file, and those that it names are opened to see what they are: of a
        table of pairs those that are reference and probe of one row, which may be one video.
        """
        return str(self.traps.folder.parent / "named" / "picture.png")

    def may_read(self):
        return self.outside(), "/etc/passwd"  # the latter is among the names of csv_table

    def spoil(self, rng, data, donors):
        return _mutations.csv_table(rng, data, donors, [self.outside()])

    def use(self, path):
        load_pairs(path)
        read_pairs(path, labeled=True)


class Manifests(PairTables):
    """Tables of videos and pictures."""

    # pandas keeps text in pyarrow where that is installed, which reserves addresses by the GiB
    fraction, mib, seconds = 0.02, 4096, 10

    def make(self, folder):
        for name in ("a1.png", "a2.png", "b1.png", "b2.png"):
            Image.new("RGB", (9, 9)).save(folder / name)
        os.symlink(self.outside(), folder / "link.png")
        rows = ["path,label,video,fake_frames,identity"]
        rows += [
            f"{name}{i}.png,{label},{name},,p"
            for name, label in (("a", 1), ("b", -1))
            for i in (1, 2)
        ]
        return ["\n".join(rows).encode(), b"path,label,video\nlink.png,1,v\na1.png,1,v\n"]

    def use(self, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_video_table(path, cache=Path(path).parent / "frames", random_state=0)


class Trees(Kind):
    """Lists of published datasets: what they name must lie in the folder of the dataset."""

    fraction, seconds = 0.02, 10
    lists = {
        "faceforensics": ("test.json",),
        "celeb_df": ("List_of_testing_videos.txt",),
        "dfdc": ("dfdc_train_part_0/metadata.json", "validation/labels.csv"),
        "dfdc_preview": ("dataset.json",),
        "deeperforensics": ("lists/splits/train.txt",),
        "forgerynet": ("Training/video_list.txt",),
    }
    names = (b"974", b"YouTube-real/00001", b"real0", b"x", b"643116_A_001", b"071_M004", b"2/part")

    def make(self, folder):
        self.folder = folder / "trees"
        clips = tree_files.Videos(None, [write_clip(folder / "clip.mp4", frames=3)])
        for name in self.lists:
            getattr(tree_files, name)(self.folder / name, clips)
        self.paths = [
            self.folder / name / file for name, files in self.lists.items() for file in files
        ]
        return [path.read_bytes() for path in self.paths]

    def craft(self):
        outside = str(self.traps.folder / "clip")
        leads = [outside, "../" * 30 + outside[1:]]
        leads += ["../../../traps/clip", "a/../../../../traps/clip"]
        return [
            seed.replace(name, lead.encode())
            for lead in leads
            for seed, name in zip(self.seeds, self.names, strict=True)
        ]

    def spoil(self, rng, data, others):
        strings = [str(self.traps.folder / "clip.mp4"), "../../../traps/clip.mp4"]
        if data.startswith((b"{", b"[")):
            return _mutations.json_text(rng, data, others, [*_mutations.NAMES, *strings])
        if b"," in data:
            return _mutations.csv_table(rng, data, others, strings)
        data = _mutations.csv_table(rng, data.replace(b" ", b","), others, strings)
        return data.replace(b",", b" ")

    def write(self, folder, number):
        """Put a list into its tree; inputs take the lists in turn."""
        path = self.paths[number % len(self.paths)]
        path.write_bytes(self.content(number))
        return str(path)

    def pool(self, number):
        i = number % len(self.paths)
        return [self.seeds[i], *self.crafted[i :: len(self.paths)]]

    def name_in_error(self, path):
        return str(self.folder / Path(path).relative_to(self.folder).parts[0])

    def use(self, path):
        name = os.path.basename(self.name_in_error(path))
        options = {"techniques": "Deepfakes"} if name == "faceforensics" else {}
        tree_files.PUBLISHED[name](
            self.name_in_error(path), cache=self.folder / "frames", n_frames=2, on_broken="skip",
            random_state=0, **options,
        )  # fmt: skip

    def clear(self, folder, path):
        Path(path).write_bytes(self.seeds[self.paths.index(Path(path))])


class Configurations(Kind):
    """Configurations of benchmarks."""

    suffix, fraction, seconds = ".toml", 0.12, 5
    spoil = staticmethod(_mutations.toml)

    def make(self, folder):
        return [
            b'seed = 0\nbatch_size = 8\nbootstrap = 20\nconfidence = 0.9\noutput = "out"\n'
            b'[datasets.rendered]\nloader = "make_face_pairs"\nlimit = 20\n'
            b"arguments = { n_pairs = 60, size = 64 }\n"
            b'[detectors.gmm]\nname = "GaussianMixtureDetector"\nn_components = 2\n'
            b'[candidates.one]\nembedder = "difffake-lite0"\n'
            b'align = { size = 96 }\ndetector = "gmm"\n'
            b'[candidates.two]\nembedder = ["difffake-lite0", "difffake-lite0-identity"]\n'
            b'align = false\noperator = "absolute"\ndetector = "MahalanobisDetector"\n'
            b'[protocols.ablation]\ndatasets = ["rendered"]\nbase = "two"\n'
            b'operators = ["squared", "absolute"]\n'
            b"[protocols.cross-manipulation]\nfolds = 2\n"
        ]

    def craft(self):
        return [
            b'[candidates.a]\nembedder = "hostile_trap:run"\n', b"a = " + b"[" * 10**5,
            b"a = " + b"{b=" * 10**5, b"[" + b"a." * 10**5 + b"a]", b"a = " + b"9" * 10**5, b"\xff",
            self.seeds[0].replace(b'"difffake-lite0"\n', b'"hostile_trap:run"\n'),
        ]  # fmt: skip

    def use(self, path):
        read_config(path)
