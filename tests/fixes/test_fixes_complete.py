"""Every fix that the source can print is carried out by a test, or said here not to be."""

import importlib
import re
import tomllib
from pathlib import Path

from conftest import ROOT
from fix_scan import printed_fixes

HERE = Path(__file__).parent

#: Fixes that tests of other files carry out, and which test.
ELSEWHERE = {
    **dict.fromkeys(
        (
            "give it a dt, and have a TimedArray say when",
            "link to a variable of another whole group",
            "link to a group of one neuron",
            "link a variable of the neurons, and read that, such as 'x_post'",
            "leave it to the simulation",
            "write {}.{} = linked_var(...)",
            "link to a variable of each, and choose among them in the equations",
            "give both groups the same namespace",
            "leave the schedule out",
            "leave 'when' and 'order' out",
            "choose a dt that is a multiple",
            "leave it out, or copy it into a variable of the group",
            "make a monitor for each of the times",
            "record what is in the network",
            "make a Network with a NeuronGroup",
            "connect groups of neurons that are in the network",
            "write it as run_regularly, or as code of a group",
            "use point neurons",
            "call run_regularly of the whole group, with a condition on i",
            "leave it out of the network, or set its rate or weights to 0",
            "monitors may have others",
            "give all groups and synapses the time step {}",
            "write them in lower case",
            "write @check_units",
            "write @implementation('cpp', '...') above it",
            "write its numbers into the code, or give them as a TimedArray",
            "give it as an argument, or write it within the function",
            "write it with def",
            "write it out",
            "draw in the equations",
            "record the whole group, and leave 'when' and 'order' out",
            "leave method_options out",
            "write it as text",
            "define it before the network is run",
            "give run_regularly an order",
            "name one of Brian2's",
            "several need a script each",
            "call store() in the script",
            "adopt a script of each run, without restore()",
            "set values that do not depend on a simulation before",
            "leave one of them out, or choose a shorter dt",
            "write its equation in place of it, or give its values as a TimedArray",
            "mend the script: it must run in Brian2",
            "run it once more without what reads results between runs, or after the last run",
            "call run(), or give the network to brainsleep.adopt",
            "write two Synapses",
            "rename it, so that its name comes after '{}'",
        ),
        "test_adopt_fixes.py::test_what_errors_say_is_done",
    ),
    "a model alone does not run": "test_as_brian2.py::test_the_command_prints_it",
    "adopt it before its first run": "test_adopt_fixes.py::test_a_network_that_has_run",
    **dict.fromkeys(
        ("name what drives it, such as 'population.current'", "name what an equation reads"),
        "test_adopt_fixes.py::test_sleep_says_what_to_name",
    ),
    **dict.fromkeys(
        (
            "write spikes=('{}',) in the record",
            "write states={'{}': 'all'} in the record",
            "choose another dt or period",
            "a Schedule has a sleep of its own: schedule.sleep",
        ),
        "test_adopt_fixes.py::test_what_specifications_say_is_done",
    ),
    "start again to run what is there now": (
        "test_hooks.py::test_a_hook_whose_file_was_edited_since_is_told_from_that_in_the_file"
    ),
    "write out its equation in place of '{}'": (
        "test_settled.py::test_synapses_do_not_read_what_they_change_by_way_of_an_equation"
    ),
    "write {}.save(path)": "test_png_classes.py::test_png_that_is_not_grey",
    "mend or remove this file": (
        "test_uncaught.py::test_preferences_that_cannot_be_read_are_an_error_of_one_line"
    ),
    "the same command goes on": (
        "test_cli.py::test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on"
    ),
    'say what is recorded: states={"e.v": (0, 1)} or spikes=("e",)': (
        "test_traces.py::test_what_errors_say_is_done"
    ),
    'name populations in record.spikes, as in spikes=("e",), and no windows': (
        "test_observers.py::test_up_states_want_all_spikes"
    ),
    "load it from the file of its study": "test_own_functions.py::test_nothing_stored_is_run",
    "use --backend cpp or numpy": "test_own_functions.py::test_cython_wants_cython_code",
    'set record.events to {"{}": ()} and run it again': (
        "test_events.py::test_what_was_not_recorded_says_so"
    ),
    "write events={'{}': {} in the record": (
        "test_events.py::test_a_monitor_of_what_is_not_recorded_says_what_to_write"
    ),
    'set record.states to {"{}": "all"} and run it again': (
        "test_traces.py::test_what_errors_say_is_done"
    ),
    "set record.states to {'POPULATION.VARIABLE': 'all'} and run it again": (
        "test_traces.py::test_what_errors_say_is_done"
    ),
    "write (clock-driven) in its equation to record it": (
        "test_traces.py::test_variables_of_synapses"
    ),
    "run it again with --force, or take its weights as saved_weights": (
        "test_continue.py::test_a_result_of_before_holds_no_state"
    ),
    "one input alone may vary, and none of a model that has a stimulus of its own": (
        "test_parts.py::test_what_does_not_fit_is_refused"
    ),
    "use --backend numpy": "test_replicas.py::test_code_that_cython_refuses_is_not_passed_over",
    "start it anew, with --force": (
        "test_environment.py::test_an_environment_that_no_seed_decides_cannot_be_resumed"
    ),
    "run again with --stop-on nan for a result of what there was before": (
        "test_alarms.py::test_values_that_are_not_numbers"
    ),
    "to take the weights that it stopped with, give {}:stopped": (
        "test_interchange.py::test_weights_of_a_stopped_run_are_taken_only_as_such"
    ),
    "'brainsleep sweep retry {}' runs them again": "test_sweep.py::test_failed_rows_end_with_1",
    "'brainsleep sweep retry {}' runs the failed rows again": (
        "test_sweep.py::test_failed_rows_end_with_1"
    ),
    "run a grid that has changed with 'brainsleep sweep run', and one of Python's there, with "
    "Options(retry_failed=True)": "test_commands_of_sweeps.py::test_retry_of_a_changed_grid",
    "give the folder of a sweep or comparison": (
        "test_commands_of_sweeps.py::test_tables_have_conditions_without_the_grid"
    ),
    "choose with --where COLUMN=VALUE": (
        "test_commands_of_sweeps.py::test_statistics_of_one_seed_say_so"
    ),
    "run others into the same folder, as with 'brainsleep compare' or 'sweep run'": (
        "test_commands_of_sweeps.py::test_statistics_of_any_pair"
    ),
    "run more seeds": "test_commands_of_sweeps.py::test_statistics_of_any_pair",
    "give it to 'brainsleep sweep run' if you trust it": (
        "test_commands_of_sweeps.py::test_retry_reads_no_code_from_results"
    ),
    "free some space in the temporary folder, or set TMPDIR to another": (
        "test_run.py::test_no_room_for_the_files_of_a_segment_is_a_clear_error"
    ),
    "lower learning_rate": "test_surrogate.py::test_a_learning_rate_that_is_too_high",
    "backend cuda: needs brian2cuda: pip install 'brainsleep[cuda]', or a program that was built "
    "on another machine (brainsleep build --out FOLDER, BRAINSLEEP_CACHE=FOLDER here)": (
        "test_cuda.py::test_build_makes_a_folder_that_is_a_cache"
    ),
    "install NVIDIA's CUDA toolkit or set CUDA_PATH to its folder, build on another machine "
    "(brainsleep build --out FOLDER, and BRAINSLEEP_CACHE=FOLDER here), or use --backend cpp": (
        "test_cuda.py::test_build_makes_a_folder_that_is_a_cache"
    ),
    "or build for another machine: brainsleep build PROTOCOL --backend cuda "
    "--compute-capability 9.0": "test_cuda.py::test_build_makes_a_folder_that_is_a_cache",
}

_INSTALLS = "installs packages; that the extra has them is tested below"

#: Fixes that no test carries out, and why.
NOT_CARRIED_OUT = {
    **dict.fromkeys(
        (
            "sweep: needs {}: pip install 'brainsleep[cluster]'",
            "{}: needs {}: pip install 'brainsleep[analysis]' ({})",
            "to_xarray: needs xarray: pip install xarray ({})",
            "statistics: needs statsmodels: pip install 'brainsleep[analysis]'",
            "table: Parquet needs pyarrow: pip install 'brainsleep[analysis]'",
            "env: needs gymnasium: pip install 'brainsleep[loop]'",
            "pip install 'brainsleep[{}]'",
        ),
        _INSTALLS,
    ),
    "start one with 'dask scheduler' and workers with 'dask worker ADDRESS --nthreads 1'": (
        "takes a scheduler and workers of their own"
    ),
    "free some space": "takes a full disk",
    "it cannot be set aside ({}): remove {}": "takes a folder of another user",
    "make the network, data or recording smaller": "takes all memory of the machine",
    "take fewer replicas at a time (--replicas)": "takes all memory of a GPU",
    "use another toolkit for other GPUs": "takes another CUDA toolkit",
    "its data or its version of brainsleep differ: update the worker": "takes another machine",
    **dict.fromkeys(
        (
            "draw them apart",
            "draw them apart, or give each condition a label of its own",
            "give runs of a protocol with two tasks or more (tasks.classes), and with "
            "data.n_train, n_readout and n_test above 0",
        ),
        "takes runs of several networks or tasks, each of which the tests of figures draw",
    ),
    "run it again": "takes a result that is removed while a sweep runs",
}

#: What reads like a fix, and is none: reasons, and parts of code.
NO_FIX = {
    "others compile nothing beforehand",
    "it was stopped",
    "population '{}' has {} neurons",
    "there is no population of that kind called NetworkSpec.input",
    "import {}",
    "import numpy as np",
    "brainsleep run {}.py",
    "show {} --brian2",
    "import {}.{}",
    r"did you mean '(\w+)'\?",
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
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {name}(" in path.read_text(encoding="utf-8"), test


def test_an_extra_that_is_named_has_what_it_is_named_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = {"": project["dependencies"], **project["optional-dependencies"]}
    packages = {
        extra: {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in lines}
        for extra, lines in needs.items()
    }
    named = [re.search(r"(\w*)(?:: | )pip .*brainsleep\[(\w+)\]", fix) for fix in printed_fixes()]
    found = {(match[1].lower(), match[2]) for match in filter(None, named)}
    assert {extra for _, extra in found} <= set(packages)
    for package, extra in found:
        assert package in ("", "or", *packages[extra]), (package, extra)
