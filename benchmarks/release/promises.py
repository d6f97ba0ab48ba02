"""The promises of the design, the tests that hold each, and how many cases of them pass.

    python benchmarks/release/promises.py [--save]

Of this, and of the figures of bench.json that say more, the table in docs/reliability is made.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import report

ROOT = Path(__file__).parents[2]
PROMISES = {  # name: what is promised, the tests that hold it, rows of bench.json that measure it
    "Pairs": (
        "All forms of pairs, templates and pictures are understood, and slice in cross-validation.",
        [
            "tests/test_image_estimators.py::test_every_form_of_pairs",
            "tests/test_image_estimators.py::test_every_form_of_single_images",
            "tests/test_image_estimators.py::test_every_form_slices_in_cross_validation",
            "tests/test_image_estimators.py::test_no_detector_takes_single_images",
            "tests/images/test_frames_and_templates.py::test_every_form_is_sliced_by_scikit_learn",
        ],
        [],
    ),
    "Labels": (
        "+1 genuine, -1 deepfake; a higher score is more genuine; decisions follow from scores.",
        [
            "tests/test_common.py::test_scikit_learn_checks",
            "tests/test_base.py::test_decision_and_verdict_follow_from_scores",
            "tests/novelty/test_pyod.py::test_agrees_with_pyod",
        ],
        [],
    ),
    "Genuine only": (
        "What learns drops the rows labeled -1, and raises an error where none is left.",
        [
            "tests/test_base.py::test_fakes_are_never_learned_from",
            "tests/test_base.py::test_bad_labels",
            "tests/test_pipeline.py::test_deepfakes_are_not_learned_from",
        ],
        [],
    ),
    "Each image is embedded once": (
        "Within a call, and across folds, candidates, processes and runs.",
        [
            "tests/embedding/test_face_embedder.py::test_each_image_is_embedded_once_in_a_call",
            "tests/embedding/test_embedding_cache.py::"
            "test_search_in_processes_computes_each_image_once",
            "tests/embedding/test_embedding_cache.py::"
            "test_search_in_threads_computes_each_image_once",
            "tests/benchmark/test_benchmark_run.py::test_every_image_is_embedded_once",
            "tests/test_image_estimators.py::test_hash_is_that_of_the_parameters",
        ],
        ["images embedded", "forward passes"],
    ),
    "Same answer everywhere": (
        "One seed gives the same bytes, serial or by loky, threading or dask, saved and loaded.",
        [
            "tests/novelty/test_same_everywhere.py::test_backends",
            "tests/novelty/test_same_everywhere.py::test_dask",
            "tests/novelty/test_same_everywhere.py::test_saved_and_loaded_in_another_process",
            "tests/test_image_estimators.py::test_threads_do_not_matter",
        ],
        [],
    ),
    "Devices": (
        "device='auto' is resolved when it is used; what was fitted on one loads on another.",
        [
            "tests/utils/test_device.py::test_auto_takes_the_best_that_is_there",
            "tests/utils/test_device.py::test_devices_that_are_not",
            "tests/embedding/test_face_embedder.py::test_auto_takes_cuda",
            "tests/test_persistence.py::test_fitted_on_cuda_loads_on_the_cpu",
        ],
        [],
    ),
    "Nothing heavy on import": (
        "import sklearn_diffake loads neither torch, skorch, pyod, cv2 nor matplotlib.",
        ["tests/test_import.py::test_import_loads_nothing_heavy"],
        [],
    ),
    "Nothing unsafe on load": (
        "Models are skops and safetensors; no pickle is read, no code run.",
        [
            "tests/test_persistence_safety.py::test_no_member_is_a_pickle",
            "tests/test_persistence_safety.py::test_pickles_are_not_run",
            "tests/test_persistence_safety.py::test_foreign_types_must_be_trusted",
            "tests/test_persistence_safety.py::test_factories_must_be_trusted_wherever_they_hide",
            "tests/test_persistence_safety.py::test_our_own_functions_are_not_called_for_a_file",
            "tests/test_persistence_safety.py::test_every_truncation_is_noticed",
        ],
        [],
    ),
    "A clear error, and nothing lost": (
        "Bad input is named by row and file; faces that are not found are counted, not dropped.",
        [
            "tests/test_image_estimators.py::test_bad_files_are_named",
            "tests/test_image_estimators.py::test_bad_objects_are_named",
            "tests/test_base.py::test_check_finite_names_the_first_bad_row",
            "tests/test_pipeline.py::test_missing_face_names_the_row",
        ],
        [],
    ),
}


class Outcomes:
    """A plugin of pytest that counts how cases end, and why they are skipped."""

    def __init__(self):
        self.counts, self.reasons = Counter(), Counter()

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
        if report.skipped and not hasattr(report, "wasxfail"):
            self.reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1


def count(tests):
    """Run tests in this process; print how many cases ended how, and the reasons of skips."""
    outcomes = Outcomes()
    options = ["-q", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    status = pytest.main([*options, *tests], plugins=[outcomes])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"pytest could not run {', '.join(tests)}")
    print(f"\n{json.dumps({**outcomes.counts, 'reasons': outcomes.reasons})}")


def outcomes(tests):
    """Run tests in a process of their own; return what `count` prints."""
    command = [sys.executable, __file__, "--count", *tests]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main():
    rows_of_promises = []
    for number, (name, (text, tests, rows)) in enumerate(PROMISES.items(), 1):
        promise = {"number": number, "name": name, "what": text, "tests": tests, "rows": rows}
        rows_of_promises.append(promise | outcomes(tests))
    report("promises", {"promises": rows_of_promises})
    raise SystemExit(any("failed" in promise for promise in rows_of_promises))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="write results/promises.json")
    parser.add_argument("--count", nargs="+", metavar="TEST", help="only count the cases of these")
    options = parser.parse_args()
    if options.count:
        count(options.count)
    else:
        main()
