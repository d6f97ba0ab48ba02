"""Measure how large and how connected the package is, and how much of it one pair runs through.

    python benchmarks/release/architecture.py [--save] [--before]

Code lines have neither blank lines, comments nor docstrings. What a command runs is counted on its
second call in one process, so that nothing is imported any more: files and functions of the
package, without module bodies, lambdas and comprehensions. A command loads its model each time.
With --save the figures become those of now in results/architecture.json, with --before those to
compare them with.
"""

import argparse
import ast
import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import sys
import tempfile
import threading
import tokenize
import warnings
from collections import defaultdict
from pathlib import Path

import grimp
import networkx as nx
from skimage.data import astronaut

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS
from benchmarks.speed._images import write_jpegs
from tests.test_vocabulary import OTHER_AREAS, check_names, python_files

PACKAGE = "sklearn_diffake"
SOURCE = Path(__file__).parents[2] / PACKAGE
FEW_LINES = 40
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
CONFIGURATION = """
output = "results"
seed = 0
bootstrap = 20

[datasets.rendered]
loader = "make_face_pairs"
arguments = { n_pairs = 40, size = 96 }

[detectors.distance]
name = "MahalanobisDetector"

[candidates.only]
embedder = "difffake-lite0-identity"
operator = "squared"
detector = "distance"

[protocols.within-dataset]
datasets = ["rendered"]
"""


def code_lines(source):
    """Return the number of lines with code; docstrings are none."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def size_figures():
    """Count code lines, files and small files."""
    lines = [code_lines(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))]
    return {
        "code lines": sum(lines),
        "files": len(lines),
        f"files with fewer than {FEW_LINES} code lines": sum(n < FEW_LINES for n in lines),
    }


@contextlib.contextmanager
def functions_called():
    """Collect the code objects of the package that run, in threads that start meanwhile as well."""
    codes, inside = set(), str(SOURCE)

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(inside):
            codes.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield codes
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def run_command(arguments):
    from sklearn_diffake.cli import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = main([str(argument) for argument in arguments])
    if status not in (None, 0, 1):  # 1 is a verdict
        raise RuntimeError(f"{arguments[0]} ended with status {status}")


def trace(call):
    """Return how many files and functions the second call runs; it is given 1, then 2."""
    call(1)
    with functions_called() as codes:
        call(2)
    named_functions = {
        (code.co_filename, code.co_qualname) for code in codes if code.co_name[0] != "<"
    }
    return len({filename for filename, _ in named_functions}), len(named_functions)


def execution_figures():
    """Trace one pair through `compare` and through `verify`, and a benchmark with one row."""
    from sklearn_diffake import load_default, verify

    model = load_default()
    with tempfile.TemporaryDirectory() as folder:
        image = astronaut()
        pair = write_jpegs(folder, [image, image[:, ::-1]])
        Path(folder, "benchmark.toml").write_text(CONFIGURATION)
        benchmark = ["benchmark", "-q", Path(folder, "benchmark.toml"), "--jobs", "1", "--output"]
        calls = {
            "one pair through compare": lambda turn: run_command(["compare", "-q", *pair]),
            "one pair through verify, model loaded": lambda turn: verify(*pair, model=model),
            "one row through benchmark": lambda turn: run_command(
                [*benchmark, Path(folder, f"results-{turn}")]
            ),
        }
        counts = {name: trace(call) for name, call in calls.items()}
    return {
        f"{unit} run by {name}": count
        for name, pair_of_counts in counts.items()
        for unit, count in zip(("files", "functions"), pair_of_counts, strict=True)
    }


def cycle_figures():
    """Count groups of modules that import each other, and imports that join siblings in a circle.

    Imports for type checkers count, too.
    """
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    modules = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    circles = [group for group in nx.strongly_connected_components(modules) if len(group) > 1]
    packages = [module for module in graph.modules if graph.find_children(module)]
    breakers = [len(graph.nominate_cycle_breakers(package)) for package in packages]
    return {"import cycles": len(circles), "imports against the order of siblings": sum(breakers)}


def vocabulary_figures():
    """Count the assigned names of the package, and those that the vocabulary bans."""
    areas = python_files()
    checked = [check_names(areas[area]) for area in areas if area not in OTHER_AREAS]
    total, banned = (
        sum(total for total, _ in checked),
        sum(len(banned_places) for _, banned_places in checked),
    )
    return {"assigned names": total, "banned names": banned}


def public_modules():
    """Import every module without a private part in its name."""
    package = importlib.import_module(PACKAGE)
    yield package
    for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."):
        if not any(name_piece.startswith("_") for name_piece in module.name.split(".")):
            yield importlib.import_module(module.name)


def public_names(module):
    """Return the public functions and classes of a module by name."""
    exported = getattr(module, "__all__", None)
    names = vars(module) if exported is None else exported
    objects = {name: getattr(module, name) for name in names if not name.startswith("_")}
    return {
        name: value
        for name, value in objects.items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and (exported is not None or value.__module__ == module.__name__)
    }


def path_figures():
    """Count public functions and classes, and those with several public import paths."""
    paths = defaultdict(set)
    for module in public_modules():
        for name, value in public_names(module).items():
            paths[value].add(f"{module.__name__}.{name}")
    ambiguous = sorted(", ".join(sorted(group)) for group in paths.values() if len(group) > 1)
    return {"public names": len(paths), "with several import paths": len(ambiguous)}, ambiguous


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="as the figures of now")
    parser.add_argument("--before", action="store_true", help="as those to compare them with")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths, ambiguous = path_figures()
    figures = {
        **size_figures(),
        **execution_figures(),
        **cycle_figures(),
        **vocabulary_figures(),
        **paths,
    }
    print(json.dumps(figures, indent=1), *ambiguous, sep="\n")
    file = RESULTS / "architecture.json"
    result = json.loads(file.read_text()) if file.exists() else {"benchmark": "architecture"}
    for key in ("before", "save"):
        if getattr(options, key):
            result["now" if key == "save" else key] = figures
            file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
