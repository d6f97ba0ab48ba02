"""``--print-completion``: what the shells complete."""

import shutil
import subprocess
import sys

import pytest

from sklearn_diffake.cli import main
from sklearn_diffake.cli._completion import SHELLS

shtab = pytest.importorskip("shtab", reason="completion needs the extra cli")


def script(shell, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", shell])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.fixture
def complete(capsys, tmp_path):
    """Complete words in bash, in a folder with some files, as pressing the tab key does."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "model.diffake").touch()
    (tmp_path / "mock.jpg").touch()
    (tmp_path / "moon").mkdir()
    source = tmp_path / "completion.bash"
    source.write_text(script("bash", capsys))

    def run(*arguments):
        code = f"""
source {source}
rule=$(complete -p sklearn-diffake)
function=${{rule##*-F }}
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
${{function%% *}} sklearn-diffake "${{COMP_WORDS[COMP_CWORD]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        command = [
            "bash",
            "--noprofile",
            "--norc",
            "-c",
            code,
            "bash",
            "sklearn-diffake",
            *arguments,
        ]
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return {line.strip() for line in process.stdout.splitlines()} - {""}

    return run


def test_bash_completes_commands(complete):
    assert complete("") >= {"fit", "score", "compare", "calibrate", "benchmark", "demo"}
    assert complete("co") == {"compare"}


def test_bash_completes_options_of_a_command(complete):
    assert complete("compare", "--rep") == {"--report"}
    assert complete("fit", "--com") == {"--components"}
    assert complete("fit", "pairs.csv", "--on-missing", "c") == {"crop"}


def test_bash_completes_files(complete):
    assert complete("compare", "mo") == {"model.diffake", "mock.jpg", "moon"}
    assert complete("score", "mod") == {"model.diffake"}
    assert complete("compare", "a.jpg", "b.jpg", "--report", "moc") == {"mock.jpg"}


def test_bash_completes_find_and_watch(complete):
    assert complete("fi") == {"fit", "find"}
    assert complete("wa") == {"watch"}
    assert complete("find", "mo") == {"model.diffake", "mock.jpg", "moon"}
    assert complete("find", "moon", "--adjust", "b") == {"bh", "by"}
    assert complete("watch", "--cam") == {"--camera"}
    assert complete("watch", "moon", "--jsonl", "moc") == {"mock.jpg"}


def test_bash_completes_folders_where_a_folder_is_meant(complete):
    assert complete("compare", "--cache", "mo") == {"moon"}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script(shell, capsys):
    text = script(shell, capsys)
    assert "sklearn-diffake" in text
    assert "compare" in text


def test_zsh_reads_the_script(capsys, tmp_path):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "_it").write_text(script("zsh", capsys))
    subprocess.run(["zsh", "-n", str(tmp_path / "_it")], check=True)


def test_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", "bash"])
    assert stop.value.code == 2
    assert "pip install 'sklearn-diffake[cli]'" in capsys.readouterr().err


def test_another_shell_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--print-completion", "fish"])
    assert "fish" in capsys.readouterr().err
