"""Write how much of the package its tests run: lines and branches, whole and by package.

Takes what ``coverage json`` gives. The exit status is 1 where either is less than it should be.

    python benchmarks/release/coverage_figures.py build/coverage.json [--least 0.95] [-o RESULT]
"""

import argparse
import json
import platform
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

from sklearn_diffake import __version__

RESULT = Path(__file__).parents[1] / "results" / "coverage.json"
FIELDS = {
    "lines": ("covered_lines", "num_statements"),
    "branches": ("covered_branches", "num_branches"),
}


def figures(counts):
    """Turn counts of coverage.py into what is covered, of how many, and its share, cut off."""
    coverage = {}
    for name, (covered, total) in FIELDS.items():
        fraction = counts[covered] * 10_000 // counts[total] / 10_000 if counts[total] else 1.0
        coverage[name] = {"covered": counts[covered], "of": counts[total], "share": fraction}
    return coverage


def by_package(files):
    """Add up the files of each subpackage; what stands alone goes by its own name."""
    packages = {}
    for path, file in sorted(files.items()):
        path_parts = Path(path).parts
        name = path_parts[path_parts.index("sklearn_diffake") + 1].removesuffix(".py")
        counts = {field: file["summary"][field] for pair in FIELDS.values() for field in pair}
        packages.setdefault(name, Counter()).update(counts)
    return {name: figures(counts) for name, counts in packages.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--least", type=float, default=0.95)
    parser.add_argument("-o", "--output", type=Path, default=RESULT)
    args = parser.parse_args()
    report = json.loads(args.report.read_text(encoding="utf-8"))
    versions = {name: metadata.version(name) for name in ("coverage", "pytest")}
    versions |= {"sklearn-diffake": __version__, "python": platform.python_version()}
    result = {"tool": "coverage.py, branch = true", "versions": versions}
    result |= {**figures(report["totals"]), "per package": by_package(report["files"])}
    args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in FIELDS:
        print("{:9} {covered} of {of}: {share:.2%}".format(name, **result[name]))
    sys.exit(any(result[name]["share"] < args.least for name in FIELDS))
