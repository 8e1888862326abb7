"""Every fix that the source can print is carried out by a test, or said here not to be."""

import importlib
from pathlib import Path

from conftest import ROOT
from fix_scan import printed_fixes

HERE = Path(__file__).parent

#: Fixes that tests of other files carry out, and which test.
ELSEWHERE = {
    "write {}.save(path)": "test_datasets.py::test_png_that_is_not_grey",
    "write method='euler'": (
        "test_settled.py::test_linear_equations_that_cannot_be_solved_are_told_by_check"
    ),
    "mend or remove this file": (
        "test_uncaught.py::test_preferences_that_cannot_be_read_are_an_error_of_one_line"
    ),
    "the same command goes on": "test_cli.py::test_interrupted_run_goes_on_with_the_same_command",
    "use --backend numpy": "test_replicas.py::test_code_that_cython_refuses_is_not_passed_over",
    "run again with --stop-on nan for a result of what there was before": (
        "test_alarms.py::test_values_that_are_not_numbers"
    ),
    "to take the weights that it stopped with, give {}:stopped": (
        "test_interchange.py::test_weights_of_a_stopped_run_are_taken_only_as_such"
    ),
    "the same command with --retry-failed runs them again": (
        "test_sweep.py::test_failed_rows_are_noted_and_can_be_run_again"
    ),
}

#: Fixes that no test here carries out, and why.
NOT_CARRIED_OUT = {
}

#: What reads like a fix, and is none.
NO_FIX = {
}


def carried_out():
    """All fixes in the tables beside this file."""
    modules = (importlib.import_module(path.stem) for path in HERE.glob("test_fixes_*.py"))
    return {row[0] for module in modules for row in getattr(module, "FIXES", ())}


def test_every_fix_is_carried_out():
    known = carried_out() | set(ELSEWHERE) | set(NOT_CARRIED_OUT) | NO_FIX
    missing = {fix: place for fix, place in printed_fixes().items() if fix not in known}
    assert not missing, "add a row to a table, or a reason to NOT_CARRIED_OUT"


def test_no_row_is_of_a_fix_that_is_not_printed():
    known = carried_out() | set(ELSEWHERE) | set(NOT_CARRIED_OUT) | NO_FIX
    assert not known - set(printed_fixes())


def test_the_tests_elsewhere_exist():
    for test in ELSEWHERE.values():
        file, name = test.split("::")
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), test
