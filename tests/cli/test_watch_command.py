"""The command ``watch``."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_helpers import TINY, error_of
from PIL import Image
from video_files import write_video

from sklearn_diffake.cli import _watch, main
from sklearn_diffake.cli._watch_log import WatchLog
from sklearn_diffake.cli._watched_folder import WatchedFolder

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def quick_watch(clock, monkeypatch):
    """A watch for which time passes only while it waits, which takes no time."""

    def sleep(duration):
        clock.time += duration

    times = SimpleNamespace(monotonic=clock, sleep=sleep, strftime=time.strftime)
    monkeypatch.setattr(_watch, "time", times)
    monkeypatch.setattr(_watch, "WatchedFolder", partial(WatchedFolder, clock=clock))


@pytest.fixture
def watched(tmp_path, clock):
    return WatchedFolder(str(tmp_path), 2.0, {}, clock)


def names(watched):
    return [os.path.basename(path) for path, _ in watched.complete_files()]


def test_a_file_is_complete_when_it_does_not_change(watched, clock, tmp_path):
    with open(tmp_path / "a.jpg", "wb") as file:
        for _ in range(4):  # a slow writer
            file.write(b"part")
            file.flush()
            assert names(watched) == []
            clock.time += 1.9
    clock.time += 0.1
    assert names(watched) == ["a.jpg"]
    clock.time += 10
    assert names(watched) == []


def test_a_file_that_changes_after_its_verdict_is_new(watched, clock, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"half")
    assert names(watched) == []
    clock.time += 2
    assert names(watched) == ["a.jpg"]
    (tmp_path / "a.jpg").write_bytes(b"half and the rest")
    assert names(watched) == []
    clock.time += 2
    assert names(watched) == ["a.jpg"]


def test_files_of_inner_folders_come_in_order_and_hidden_ones_never(watched, clock, tmp_path):
    (tmp_path / "new").mkdir()
    for name in ("b10.jpg", "b9.jpg", "new/a.jpg", ".part.jpg"):
        (tmp_path / name).write_bytes(b"x")
    names(watched)
    clock.time += 2
    assert names(watched) == ["b9.jpg", "b10.jpg", "a.jpg"]


def test_a_file_that_vanishes_is_no_error_but_the_folder_is(clock, tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    watched = WatchedFolder(str(folder), 2.0, {}, clock)
    names(watched)
    (folder / "a.jpg").unlink()
    clock.time += 2
    assert names(watched) == []
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        watched.complete_files()


def test_present_and_judged_files_are_not_new(clock, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    status = (tmp_path / "a.jpg").stat()
    judged = {str(tmp_path / "a.jpg"): (status.st_size, status.st_mtime_ns)}
    watched = WatchedFolder(str(tmp_path), 2.0, judged, clock)
    names(watched)
    clock.time += 2
    assert names(watched) == ["b.jpg"]
    watched = WatchedFolder(str(tmp_path), 2.0, {}, clock)
    watched.skip_present()
    clock.time += 2
    assert names(watched) == []


RULES = {
    "reference": "r.jpg",
    "reference_checksum": "12",
    "model_fingerprint": "34",
    "abstain": 0.1,
    "frames": None,
}
LINE = {"size": 3, "mtime_ns": 4, "probe": "a.jpg", "outcome": "genuine"} | RULES


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_end_of_a_killed_run_is_cut_off(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(LINE) + "\n" + json.dumps(LINE)[:20])
    log = WatchLog(str(path), [])
    assert log.judged_files(RULES) == {os.path.abspath("a.jpg"): ((3, 4), "genuine")}
    log.add(LINE)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [LINE, LINE]


@pytest.mark.parametrize("name", list(RULES))
def test_a_line_with_other_rules_or_of_an_earlier_version_is_not_skipped(name, tmp_path):
    for value in ("56", 0.2, 8):
        log = WatchLog(write_lines(tmp_path / "log.jsonl", LINE), [])
        assert log.judged_files(RULES | {name: value}) == {}
    earlier = {key: value for key, value in LINE.items() if key != name}
    log = WatchLog(write_lines(tmp_path / "log.jsonl", earlier), [])
    assert log.judged_files(RULES) == {}


def test_the_last_line_counts_and_an_error_is_judged_again(tmp_path):
    rows = [LINE, LINE | {"outcome": "suspicious"}, LINE | {"probe": "b.jpg"}]
    rows.append(LINE | {"probe": "b.jpg", "outcome": "error"})
    log = WatchLog(write_lines(tmp_path / "log.jsonl", *rows), [])
    assert log.judged_files(RULES) == {os.path.abspath("a.jpg"): ((3, 4), "suspicious")}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"probe": 5}, "'probe' must be str, got '5'"),
        ({"outcome": ["genuine"]}, "'outcome' must be str"),
        ({"outcome": "fine"}, "'outcome' must be one of genuine, "),
        ({"size": "3"}, "'size' must be int"),
        ({"mtime_ns": True}, "'mtime_ns' must be int"),
        ({"frames": 1.5}, "'frames' must be int or null"),
        ({"reference_checksum": {}}, "'reference_checksum' must be str"),
    ],
)
def test_a_line_with_a_wrong_value_is_named(fault, message, tmp_path):
    path = write_lines(tmp_path / "log.jsonl", LINE, LINE | fault)
    with pytest.raises(ValueError, match=r"log\.jsonl.*line 2 .*give a new") as caught:
        WatchLog(path, [])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "content", ["some notes\n", '{"a": 1}\n', "no line end", "[1]\n", "[" * 10**5 + "\n"]
)
def test_another_file_is_not_touched(content, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match="give a new file"):
        WatchLog(str(path), [])
    assert path.read_text() == content


@pytest.fixture
def options(folder):
    references = ["--reference", str(folder / "010.png"), str(folder / "011.png")]
    return [*references, "--model", str(folder / "model"), "--trust", TINY, "--device", "cpu"]


@pytest.fixture
def inbox(tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


def watch_until(done, inbox, options, monkeypatch, *arguments):
    """Watch until a function of the verdicts so far is true, then press Ctrl-C."""
    limit = time.monotonic() + 60
    add, outcomes = _watch._VerdictWriter.add, []

    def added(self, probe, verdict, **location):
        add(self, probe, verdict, **location)
        outcomes.append((os.path.basename(probe), verdict.outcome))

    def pause(self, duration):
        if done(outcomes) or time.monotonic() > limit:
            raise KeyboardInterrupt
        time.sleep(0.01)

    with monkeypatch.context() as patch:
        patch.setattr(_watch._VerdictWriter, "add", added)
        patch.setattr(_watch._VerdictWriter, "pause", pause)
        command_line = ["watch", str(inbox), *options, "--settle", "0.2", *arguments]
        assert main(command_line) == 130
    return outcomes


def test_pictures_are_judged_as_they_arrive(folder, inbox, options, monkeypatch, capsys):
    content = (folder / "red.png").read_bytes()

    def write():
        time.sleep(0.1)
        shutil.copy(folder / "000.png", inbox)
        (inbox / "bad.png").write_bytes(b"no image")
        with open(inbox / "slow.png", "wb", buffering=0) as file:
            for part in np.array_split(np.frombuffer(content, np.uint8), 12):
                file.write(part.tobytes())
                time.sleep(0.05)
        shutil.copy(folder / "001.png", inbox)

    writer = threading.Thread(target=write)
    writer.start()
    outcomes = watch_until(lambda done: len(done) >= 4, inbox, options, monkeypatch)
    writer.join()
    assert dict(outcomes)["slow.png"] == "suspicious"  # red, and whole
    assert len(outcomes) == 4
    assert dict(outcomes)["bad.png"] == "error"
    answer = capsys.readouterr()
    assert len(answer.out.splitlines()) == 4
    assert "4 verdicts: 1 suspicious," in answer.err
    assert "1 could not be judged" in answer.err


def test_a_restart_does_not_judge_files_again(folder, inbox, options, monkeypatch, capsys):
    log = inbox.parent / "log.jsonl"
    for i in range(3):
        shutil.copy(folder / f"00{i}.png", inbox)
    arguments = ["--jsonl", str(log), "--json"]
    first = watch_until(lambda done: len(done) == 3, inbox, options, monkeypatch, *arguments)
    assert len(first) == 3
    shown = capsys.readouterr().out
    assert log.read_text() == shown
    shutil.copy(folder / "red.png", inbox)
    shutil.copy(folder / "005.png", inbox / "001.png")
    again = watch_until(lambda done: len(done) == 2, inbox, options, monkeypatch, *arguments)
    assert sorted(name for name, _ in again) == ["001.png", "red.png"]
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(rows) == 5
    assert rows[-1]["outcome"] == "suspicious"
    assert rows[-1]["n_references"] == 2
    assert oct(log.stat().st_mode & 0o777) == "0o600"


@pytest.mark.usefixtures("quick_watch")
def test_a_name_that_is_no_utf8_is_judged_once(folder, inbox, options, tmp_path, capsys):
    name = os.fsencode(inbox) + b"/caf\xe9.png"
    try:
        with open(name, "wb") as file:
            file.write((folder / "000.png").read_bytes())
    except (OSError, UnicodeDecodeError):
        pytest.skip("the file system takes names in UTF-8 only")
    command_line = ["watch", str(inbox), *options, "--settle", "0.05", "--duration", "1.2"]
    command_line += ["--jsonl", str(tmp_path / "log.jsonl")]
    main(command_line)
    assert "1 verdict" in capsys.readouterr().err
    main(command_line)
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "1 file was judged in an earlier run" in answer.err


def test_a_link_to_a_missing_picture_is_reported_and_judged_when_it_comes(watched, clock, tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "elsewhere" / "a.jpg")
    names(watched)
    clock.time += 2
    assert names(watched) == ["a.jpg"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").write_bytes(b"x")
    names(watched)
    clock.time += 2
    assert "a.jpg" in names(watched)


@pytest.mark.usefixtures("quick_watch")
def test_another_reference_judges_the_files_again(folder, inbox, options, tmp_path, capsys):
    reference, log = tmp_path / "reference.png", str(tmp_path / "log.jsonl")
    shutil.copy(folder / "010.png", reference)
    shutil.copy(folder / "red.png", inbox)
    rules = ["--reference", str(reference), *options[3:]]
    command_line = [
        "watch",
        str(inbox),
        *rules,
        "--settle",
        "0.05",
        "--duration",
        "1.2",
        "--jsonl",
        log,
    ]
    assert main(command_line) == 1
    capsys.readouterr()
    assert main(command_line) == 1  # as the file that is not judged again is suspicious
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "1 file was judged in an earlier run: 1 suspicious, 0 inconclusive" in answer.err
    assert main([*command_line, "--new-only"]) == 0
    assert "earlier run" not in capsys.readouterr().err
    assert main([*command_line, "--abstain", "0.5"]) == 1
    shutil.copy(folder / "red.png", reference)  # the same name, another picture
    main(command_line)
    assert "earlier run" not in capsys.readouterr().err
    rows = [json.loads(line) for line in Path(log).read_text().splitlines()]
    assert len(rows) == 3
    assert len({row["reference_checksum"] for row in rows}) == 2


@pytest.mark.usefixtures("quick_watch")
def test_a_file_that_could_not_be_judged_is_judged_again(folder, inbox, options, tmp_path, capsys):
    (inbox / "bad.png").write_bytes(b"no image")
    command_line = ["watch", str(inbox), *options, "--settle", "0.05", "--duration", "1.2"]
    command_line += ["--jsonl", str(tmp_path / "log.jsonl")]
    assert [main(command_line), main(command_line)] == [2, 2]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


@pytest.mark.usefixtures("quick_watch")
def test_files_that_are_there_may_be_left_out(folder, inbox, options, capsys):
    shutil.copy(folder / "red.png", inbox)
    command_line = ["watch", str(inbox), *options, "--settle", "0.1", "--duration", "0.6"]
    assert main([*command_line, "--new-only"]) == 0
    assert "0 verdicts" in capsys.readouterr().err
    assert main(command_line) == 1
    assert "1 suspicious" in capsys.readouterr().err


@pytest.fixture
def clip(folder, tmp_path):
    def color(name):
        return np.asarray(Image.open(folder / name))

    images = [color("000.png")] * 20 + [color("red.png")] * 20
    images = [np.roll(image, i, axis=1) for i, image in enumerate(images)]
    return str(write_video(tmp_path / "c.mp4", 40, size=(20, 20), images=images))


def test_a_video_is_judged_window_by_window(clip, options, tmp_path, capsys):
    command_line = [
        "watch",
        clip,
        *options,
        "--every",
        "0.16",
        "--window",
        "3",
        "--step",
        "2",
        "--json",
    ]
    assert main([*command_line, "--jsonl", str(tmp_path / "log.jsonl")]) == 1
    answer = capsys.readouterr()
    rows = [json.loads(line) for line in answer.out.splitlines()]
    assert (tmp_path / "log.jsonl").read_text() == answer.out
    spans = [(round(row["start"], 2), round(row["end"], 2)) for row in rows]
    assert spans == [(0.0, 0.16), (0.16, 0.48), (0.48, 0.8), (0.8, 1.12), (1.12, 1.44)]
    assert rows[0]["outcome"] != "suspicious"
    assert {row["outcome"] for row in rows[3:]} == {"suspicious"}
    assert rows[1]["n_probes"] == 3
    assert "5 verdicts" in answer.err


def test_lines_for_people(clip, options, capsys):
    main(["watch", clip, *options, "--every", "0.4", "--quiet"])
    answer = capsys.readouterr()
    assert answer.err == ""
    (line,) = answer.out.splitlines()
    assert "0.0 to 1.2 s" in line


@pytest.mark.parametrize(
    ("command_line", "message"),
    [
        (["."], "--reference is missing"),
        (["--reference", "a.png"], "give one thing to watch"),
        ([".", "--camera", "0", "--reference", "a.png"], "give one thing to watch"),
        (["c.mp4", "--reference", "a.png", "--step", "9", "--window", "8"], "--step 9 is more"),
        (["a.png", "--reference", "a.png"], "where a video is expected"),
        (["none", "--reference", "a.png"], "no such file"),
        ([".", "--reference", "a.png", "--jsonl", "a.png"], "it is the input"),
        (["MODEL", "--camera", "77"], "there is no camera '77'"),
        (["MODEL", "file:///etc/passwd"], "are not opened"),
        (["MODEL", "rtsp://127.0.0.1:9/x"], "cannot be opened or read"),
    ],
)
def test_wrong_arguments(command_line, message, folder, options, tmp_path, monkeypatch, capsys):
    if "--camera" in command_line and not sys.platform.startswith("linux"):
        pytest.skip("cameras are files on Linux only")
    monkeypatch.chdir(tmp_path)
    shutil.copy(folder / "000.png", "a.png")
    command_line = [*options, *command_line[1:]] if command_line[0] == "MODEL" else command_line
    assert main(["watch", *command_line, "--quiet"]) == 2
    assert message in error_of(capsys)


@pytest.mark.parametrize("every", ["soon", "-1", "0", "inf", "nan"])
def test_every_is_a_number_of_seconds(every, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["watch", "c.mp4", "--every", every])
    assert caught.value.code == 2
    assert f"--every: '{every}' is no number of seconds above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_ends_the_process_in_order(folder, inbox, options):
    shutil.copy(folder / "000.png", inbox)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command_line = ["watch", str(inbox), *options, "--settle", "0.1"]
    command = [sys.executable, "-m", "sklearn_diffake", *command_line]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, messages = process.communicate(timeout=60)
    assert "000.png" in line
    assert rest == ""
    assert process.returncode == 130
    assert "1 verdict: " in messages
    assert messages.endswith("sklearn-diffake: error: interrupted\n")
