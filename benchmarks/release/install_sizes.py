"""Measure how much disk space the package and each of its extras take.

    python benchmarks/release/install_sizes.py [--save]

Sizes are those of the installed files in this environment, with all dependencies. The size of an
extra is what it adds to an installation without extras. With --save they become
results/install_sizes.json.
"""

import argparse
import json
import platform
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS

PACKAGE = "sklearn-diffake"
DEVELOPMENT = {"dev", "docs", "test"}
MEGABYTE = 1e6
ROOT = Path(__file__).parents[2]


def project_requirements():
    """Return the requirements in pyproject.toml, those of extras with a marker."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    marked = [f"{text}; extra == '{extra}'" for extra in extras for text in extras[extra]]
    return [*project["dependencies"], *marked], sorted(set(extras) - DEVELOPMENT)


PROJECT, EXTRAS = project_requirements()


def requirements_of(name, extras):
    """Return the requirements of a distribution with some extras, on this platform."""
    requirements = map(Requirement, PROJECT if name == PACKAGE else metadata.requires(name) or ())
    environments = [{"extra": extra} for extra in ("", *extras)]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments))
    ]


def distributions(name, extras=()):
    """Return the names of a distribution and of all that it needs; raise if one is missing."""
    visited, waiting = set(), [(name, frozenset(extras))]
    while waiting:
        name, extras = waiting.pop()
        key = canonicalize_name(name), extras
        if key not in visited:
            visited.add(key)
            requirements = requirements_of(name, extras)
            waiting += [
                (requirement.name, frozenset(requirement.extras)) for requirement in requirements
            ]
    return {name for name, _ in visited}


def size_of(name):
    """Return the size of the files of a distribution, in bytes."""
    paths = (Path(file.locate()) for file in metadata.files(name) or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def package_size():
    """Return the size of this package, which may be installed from a checkout."""
    files = [
        path for path in (ROOT / "sklearn_diffake").rglob("*") if "__pycache__" not in path.parts
    ]
    return sum(path.stat().st_size for path in files if path.is_file())


def entry(name, distributions_added):
    """Return a row of the table."""
    sizes = {added: size_of(added) for added in distributions_added if added != PACKAGE}
    total = sum(sizes.values()) + (package_size() if PACKAGE in distributions_added else 0)
    largest = sorted(sizes, key=sizes.get, reverse=True)[:3]
    return {
        "name": name,
        "packages": len(distributions_added),
        "MB": round(total / MEGABYTE, 1),
        "largest": {added: round(sizes[added] / MEGABYTE, 1) for added in largest},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    core = distributions(PACKAGE)
    rows = [entry("no extra", core)]
    rows += [entry(extra, distributions(PACKAGE, [extra]) - core) for extra in EXTRAS]
    result = {
        "benchmark": "install_sizes",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": metadata.version("torch"),
        "package MB": round(package_size() / MEGABYTE, 1),
        "rows": rows,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.save:
        (RESULTS / "install_sizes.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
