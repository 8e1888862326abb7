"""`brainsleep new`: a study that checks, shows and runs as written."""

import subprocess
import sys

import pytest
from conftest import needs_compiler

from brainsleep.check.examine import examine
from brainsleep.cli import app as cli
from brainsleep.cli.new_study import new_study
from brainsleep.errors import ProtocolError
from brainsleep.results.store import read_result

MAIN = [sys.executable, "-c", "from brainsleep.cli.app import main; main()"]


def typed(folder, *words):
    return subprocess.run([*MAIN, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_files(tmp_path):
    files = new_study(tmp_path / "nap")
    assert [file.name for file in files] == ["nap_models.py", "nap.py", "README.md"]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "nap"]  # nothing is left beside it
    for file in files:
        assert "$" not in file.read_text() and "study_" not in file.read_text()
    for name in ("nap_models.py", "nap.py"):
        report = examine(str(tmp_path / "nap" / name))
        assert not report.mistakes and not report.remarks


@pytest.mark.standalone
@needs_compiler
@pytest.mark.parametrize("backend", ["numpy", pytest.param("cpp", marks=pytest.mark.long)])
def test_runs_as_written(tmp_path, backend):
    made = typed(tmp_path, "new", "nap")
    assert made.returncode == 0 and made.stdout.splitlines()[1] == "nap/nap.py"
    short = ("--set", "data.n_train=20", "--set", "data.n_readout=20", "--set", "data.n_test=20")
    few = short if backend == "numpy" else ()  # the whole of it where it takes no time
    ran = typed(tmp_path / "nap", "run", "nap.py", "--backend", backend, *few)
    assert ran.returncode == 0, ran.stderr
    result = read_result(tmp_path / "nap" / ran.stdout.strip())
    assert result.metrics["sleep_s"] >= 0.2
    if backend == "cpp":
        assert 5 < result.metrics["rate_test_e_hz"] < 100
        assert result.metrics["network_accuracy"] > 0.2


def test_the_study_names_a_figure_and_records_spikes(tmp_path):
    from brainsleep.files.load import load_module, shipped

    new_study(tmp_path / "nap")
    module = load_module(str(tmp_path / "nap" / "nap.py"), "protocol")
    assert module.FIGURE in shipped("figure")
    first, last = module.PROTOCOL.record.raster
    images = module.PROTOCOL.schedule.period / module.PROTOCOL.schedule.image_duration
    assert first < images < last  # over the first sleep


def test_commands_of_the_readme(tmp_path, monkeypatch, capsys):
    new_study(tmp_path / "nap")
    monkeypatch.chdir(tmp_path / "nap")
    text = (tmp_path / "nap" / "README.md").read_text()
    lines = [line.split("#")[0].split(">")[0] for line in text.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("brainsleep ")]
    assert {words[0] for words in commands} == {"check", "show", "run", "compare", "diff"}
    for words in commands:
        if words[0] in ("check", "show"):
            monkeypatch.setattr(sys, "argv", ["brainsleep", *words])
            with pytest.raises(SystemExit) as stop:
                cli.main()
            out, err = capsys.readouterr()
            assert stop.value.code == 0 and out, err


@pytest.mark.parametrize("name", ["9lives", "My_Study", "ms", "my-study", "a_post", "brian2"])
def test_bad_names(tmp_path, name):
    with pytest.raises(ProtocolError, match="new: study name: got"):
        new_study(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_only_into_a_new_folder(tmp_path):
    (tmp_path / "nap").mkdir()
    new_study(tmp_path / "nap")  # an empty one will do
    before = {file: file.read_text() for file in (tmp_path / "nap").iterdir()}
    with pytest.raises(ProtocolError, match="exists and is not an empty folder"):
        new_study(tmp_path / "nap")
    assert before == {file: file.read_text() for file in (tmp_path / "nap").iterdir()}
    (tmp_path / "file").write_text("")
    with pytest.raises(ProtocolError, match="not an empty folder"):
        new_study(tmp_path / "file")
    with pytest.raises(ProtocolError, match="new: folder"):
        new_study(tmp_path / "file" / "inside")


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brainsleep.files.atomic.os.rename", fail)
    with pytest.raises(ProtocolError, match="No space left on device"):
        new_study(tmp_path / "nap")
    assert not list(tmp_path.iterdir())


def test_one_line_for_what_cannot_be(tmp_path):
    done = typed(tmp_path, "new", "9lives")
    assert done.returncode == 2
    assert done.stderr.startswith("error: new: study name") and done.stderr.count("\n") == 1
