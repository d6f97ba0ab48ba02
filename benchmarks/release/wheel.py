"""Build the wheel and the source distribution, and test the wheel in environments of its own.

Both are built twice, and the wheel once more from the source distribution: the bytes must be the
same. Then the demonstration runs from the wheel alone, in an empty folder, where Linux allows it
without a network. Then, for each environment, the wheel is installed with all that its tests need,
and the tests of the source distribution run on it; the sources themselves are put aside.

    python benchmarks/release/wheel.py [--only 3.13] [--build] [--work build/release] [--save]

With --build, all is built, compared and looked into, and the saved demonstration and rows are kept.
Interpreters are found by name (python3.12) or as --python 3.12=/path/to/python. With --only, rows
of the other environments are kept. The demonstration and each row say of which wheel they are.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import xml.etree.ElementTree as ElementTree  # nosec: of our own reports
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, machine

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = (  # Python, dependencies, options of pip
    ("3.11", "oldest", ["-c", ROOT / "constraints" / "oldest.txt"]),
    ("3.12", "newest", []),
    ("3.13", "newest", []),
)
SHOWN_VERSIONS = ("torch", "scikit-learn", "numpy")
QUIET = ("--quiet", "--disable-pip-version-check")
OFFLINE = ("unshare", "--net", "--map-root-user")


def call(*command, **options):
    """Run a command; an error if it fails."""
    subprocess.run([str(argument) for argument in command], check=True, **options)


def environment(python, folder, *requirements):
    """Make an environment and install into it; return its Python and the seconds that took."""
    start = time.perf_counter()
    if not (folder / "bin" / "python").exists():
        call(python, "-m", "venv", folder)
    own_python = folder / "bin" / "python"
    call(own_python, "-m", "pip", "install", *QUIET, *requirements)
    return own_python, time.perf_counter() - start


def renew(python, wheel):
    """Install this build of the wheel in place of another of the same version."""
    call(python, "-m", "pip", "install", *QUIET, "--force-reinstall", "--no-deps", wheel)


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def build(work):
    """Build everything twice; return wheel, source distribution and whether bytes were the same."""
    python, _ = environment(sys.executable, work / "builder", "build", "hatchling")
    builds = []
    for turn in ("first", "second"):
        shutil.rmtree(work / turn, ignore_errors=True)
        call(python, "-m", "build", "--no-isolation", "-o", work / turn, ROOT,
             stdout=subprocess.DEVNULL)  # fmt: skip
        builds.append([next((work / turn).glob(f"*.{kind}")) for kind in ("whl", "tar.gz")])
    (wheel, sdist), (wheel_again, sdist_again) = builds  # build makes the wheel from the sdist
    shutil.rmtree(work / "direct", ignore_errors=True)
    call(python, "-m", "build", "--no-isolation", "--wheel", "-o", work / "direct", ROOT,
         stdout=subprocess.DEVNULL)  # fmt: skip
    is_reproducible = digest(wheel) == digest(wheel_again) and digest(sdist) == digest(sdist_again)
    direct = next((work / "direct").glob("*.whl"))
    return wheel, sdist, is_reproducible, digest(direct) == digest(wheel)


def check_contents(wheel, sdist):
    """Exit with an error if a file is in a distribution that must not be, or is absent."""
    with zipfile.ZipFile(wheel) as archive:
        wheel_names = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        sdist_names = {name.partition("/")[2] for name in archive.getnames()}
    metadata = f"sklearn_diffake-{wheel.name.split('-')[1]}.dist-info/"
    foreign = {n for n in wheel_names if not n.startswith(("sklearn_diffake/", metadata))}
    foreign |= {
        n for n in wheel_names | sdist_names if {"__pycache__", "shared"} & set(n.split("/"))
    }
    data = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "sklearn_diffake" / "data").rglob("*")
        if file.is_file()
    }
    required = data | {"sklearn_diffake/py.typed"}
    absent = (required | {f"{metadata}licenses/LICENSE"}) - wheel_names
    absent |= (required | {"LICENSE", "README.md", "CHANGELOG.md"}) - sdist_names
    if foreign or absent:
        sys.exit(f"must not be in the distributions: {foreign}; absent: {absent}")


def demonstrate(work, wheel):
    """Run the demonstration from the wheel alone; return its seconds and what was installed."""
    python, seconds = environment(sys.executable, work / "demo", f"{wheel}[demo]")
    renew(python, wheel)
    offline = OFFLINE if subprocess.run([*OFFLINE, "true"], check=False).returncode == 0 else ()
    folder = work / "empty"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start = time.perf_counter()
    call(*offline, python.parent / "sklearn-diffake", "demo", cwd=folder)
    return {
        "from": "the wheel alone" + (", without a network" if offline else ""),
        "seconds": round(time.perf_counter() - start, 1),
        "environment_MB": size_of(work / "demo"),
        "install_seconds": round(seconds),
        "wheel": digest(wheel),
    }


def size_of(folder):
    """Return the megabytes of all files below a folder."""
    return sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_symlink()) // 10**6


def try_environment(work, wheel, sdist, python, dependencies, options):
    """Test the wheel in one environment; return a row."""
    version = subprocess.check_output(
        [python, "-c", "import platform; print(platform.python_version())"], text=True
    ).strip()
    folder = work / f"{version}-{dependencies}"
    own_python, _ = environment(python, folder / "env", *options, f"{wheel}[test]")
    renew(own_python, wheel)
    tests = folder / "tests"
    shutil.rmtree(tests, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(tests, filter="data")
    (tests,) = tests.iterdir()
    shutil.rmtree(tests / "sklearn_diffake")
    purelib_code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([own_python, "-c", purelib_code], text=True).strip())
    (tests / "sklearn_diffake").symlink_to(site / "sklearn_diffake")  # what was installed, so found
    start, report = time.perf_counter(), folder / "report.xml"
    command = [own_python, "-m", "pytest", "-q", "-n", os.cpu_count(), f"--junit-xml={report}"]
    subprocess.run([str(argument) for argument in command], cwd=tests, check=False)
    seconds = round(time.perf_counter() - start)
    names = "from importlib.metadata import version as v; import sys; print(*map(v, sys.argv[1:]))"
    installed_versions = subprocess.check_output(
        [own_python, "-c", names, *SHOWN_VERSIONS], text=True
    ).split()
    versions = dict(zip(SHOWN_VERSIONS, installed_versions, strict=True))
    row = {"python": version, "dependencies": dependencies, **versions}
    return row | outcome(report) | {"seconds": seconds, "wheel": digest(wheel)}


def outcome(report):
    """Count the cases of a test report; name those that failed."""
    cases = ElementTree.parse(report).getroot().iter("testcase")  # nosec: pytest wrote it just now
    counts = {"passed": 0, "failed": 0, "skipped": 0, "expected to fail": 0}
    names = []
    for case in cases:
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
            names.append(f"{case.get('classname')}::{case.get('name')}")
        elif skip is None:
            counts["passed"] += 1
        else:
            counts["expected to fail" if "xfail" in skip.get("type", "") else "skipped"] += 1
    return {**counts, "failures": names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="environments whose name holds this, or none")
    parser.add_argument("--build", action="store_true", help="build only; keep all other results")
    parser.add_argument("--python", action="append", default=[], metavar="3.12=PATH")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    work, file = options.work.resolve(), RESULTS / "release.json"
    work.mkdir(parents=True, exist_ok=True)
    pythons = dict(item.split("=", 1) for item in options.python)
    wheel, sdist, is_reproducible, direct = build(work)
    check_contents(wheel, sdist)
    saved = json.loads(file.read_text()) if file.exists() else {"rows": [], "demo": None}
    old_rows = saved["rows"]
    demo = saved["demo"] if options.build else demonstrate(work, wheel)
    rows = []
    for version, dependencies, pip_options in ENVIRONMENTS:
        kept_rows = [r for r in old_rows if (r["python"].startswith(version), r["dependencies"]) ==
                (True, dependencies)]  # fmt: skip
        if options.build or options.only not in f"{version} {dependencies}":  # "none" is in no name
            rows += kept_rows
            continue
        python = pythons.get(version) or shutil.which(f"python{version}")
        if python is None:
            print(f"no Python {version}: left out", file=sys.stderr)
            rows += kept_rows
            continue
        rows.append(try_environment(work, wheel, sdist, python, dependencies, pip_options))
        print(rows[-1], flush=True)
    found = {
        "benchmark": "release",
        "version": wheel.name.split("-")[1],
        "machine": machine(),
        "wheel": digest(wheel),
        "wheel_bytes": wheel.stat().st_size,
        "sdist_bytes": sdist.stat().st_size,
        "reproducible": is_reproducible,
        "wheel_from_sdist_identical": direct,
        "demo": demo,
        "rows": rows,
    }
    print(json.dumps(found, indent=1))
    if options.save:
        file.write_text(json.dumps(found, indent=1) + "\n")
    raise SystemExit(any(row["failed"] for row in rows) or not (is_reproducible and direct))


if __name__ == "__main__":
    main()
