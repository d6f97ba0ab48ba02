"""The command ``annotate``."""

import av
import pytest
from PIL import Image
from video_files import write_video

from sklearn_diffake import Verdict, verdict
from sklearn_diffake.cli import main
from sklearn_diffake.verdict import ImageEvidence


@pytest.fixture
def clip(tmp_path):
    return str(write_video(tmp_path / "call.mp4", 8))


@pytest.fixture
def calls(monkeypatch):
    """Replace the judgment, which has tests of its own; keep its arguments."""
    calls = []

    def verify(reference, probe, **options):
        calls.append((reference, probe, options))
        image = ImageEvidence(
            "probe", path=probe, frame=2, time=0.08, box=(8, 8, 40, 40), p_value=0.01
        )
        return Verdict("suspicious", "for a test", p_value=0.01, level=0.05, images=(image,))

    monkeypatch.setattr(verdict, "verify", verify)
    return calls


def test_a_copy_is_written(clip, calls, tmp_path, capsys):
    output = tmp_path / "out.mp4"
    photos = ["a.jpg", "b.jpg"]
    code = main(["annotate", clip, "--reference", *photos, "-o", str(output), "--frames", "6"])
    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        "suspicious, p-value 0.01: for a test", f"wrote {output}",
    ]  # fmt: skip
    ((reference, probe, options),) = calls
    assert (reference, probe, options["n_frames"]) == (photos, clip, 6)
    with av.open(str(output)) as container:
        assert len(list(container.decode(video=0))) == 8


def test_without_a_reference_the_model_for_clips_is_taken(clip, calls, tmp_path, capsys):
    assert main(["annotate", clip, "-o", str(tmp_path / "out.mp4")]) == 1
    assert calls[0][0] is None
    assert "videos without a reference" in capsys.readouterr().err


def test_errors_leave_no_output(clip, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out.mp4"
    monkeypatch.setattr(
        verdict, "verify", lambda *sides, **options: Verdict("error", "probe: no face was found")
    )
    assert main(["annotate", clip, "-o", str(output)]) == 2
    assert "error: probe: no face was found" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [("out.avi", "must end in .mp4"), ("no-such-folder/out.mp4", "no-such-folder")],
)
def test_outputs_are_checked_first(clip, calls, output, message, capsys):
    assert main(["annotate", clip, "-o", output]) == 2
    assert message in capsys.readouterr().err
    assert not calls


def test_a_still_picture_is_refused_before_it_is_judged(calls, tmp_path, capsys):
    still = tmp_path / "still.png"
    Image.new("RGB", (32, 32)).save(still)
    command_line = ["annotate", str(still), "--reference", "a.jpg", "-o", str(tmp_path / "out.mp4")]
    assert main(command_line) == 2
    assert "this is a PNG image, where a video is expected" in capsys.readouterr().err
    assert not calls
