"""Scripts that cannot be adopted whole: each is refused, with what it is and where.

The first line of a script is ``# words: A | B``: what the message must contain. The line that ends
in ``# <- here`` is where; the message has the script's name and that number.
"""

from pathlib import Path

import pytest

from brainsleep.adoption import AdoptError, adopt_script

FOLDER = Path(__file__).parent / "refused"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def expected(name):
    """Return the words of a message, and where it says that it is."""
    lines = (FOLDER / f"{name}.py").read_text("utf-8").splitlines()
    words = [word.strip() for word in lines[0].removeprefix("# words:").split("|")]
    places = [number for number, line in enumerate(lines, 1) if line.endswith("# <- here")]
    return words, [f"{name}.py:{number}" for number in places]


@pytest.mark.parametrize("name", SCRIPTS)
def test_is_refused_with_what_and_where(name):
    words, places = expected(name)
    with pytest.raises(AdoptError) as caught:
        adopt_script(FOLDER / f"{name}.py")
    message = str(caught.value)
    assert f"{name}.py" in message
    for word in (*words, *places):
        assert word in message, f"'{word}' is not in: {message}"


@pytest.mark.parametrize("name", ["network_operation_decorator", "error_before_run", "no_run"])
def test_is_one_message_on_the_command_line(name, call, tmp_path):
    code, _, err = call("adopt", FOLDER / f"{name}.py", "--out", tmp_path / "study")
    words, places = expected(name)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1
    assert "Traceback" not in err
    assert all(word in err for word in (*words, *places)), err
    assert not (tmp_path / "study").exists()


def test_a_script_that_is_not_there(tmp_path, call):
    with pytest.raises(AdoptError, match=r"nothing\.py"):
        adopt_script(tmp_path / "nothing.py")
    code, _, err = call("adopt", tmp_path / "nothing.py")
    assert code == 2 and "nothing.py" in err and "Traceback" not in err


def test_a_script_that_cannot_be_read(tmp_path):
    (tmp_path / "broken.py").write_text("from brian2 import *\nG = NeuronGroup(1, 'v : 1'\n")
    with pytest.raises(AdoptError, match=r"broken\.py:2.*SyntaxError|SyntaxError.*broken\.py:2"):
        adopt_script(tmp_path / "broken.py")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00x = 1")
    with pytest.raises(AdoptError, match=r"bytes\.py"):
        adopt_script(tmp_path / "bytes.py")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(AdoptError, match=r"folder\.py"):
        adopt_script(tmp_path / "folder.py")


def test_a_device_is_passed_over_with_a_word(tmp_path, caplog, capsys):
    script = tmp_path / "standalone.py"
    script.write_text(
        "from brian2 import *\n"
        "set_device('cpp_standalone', build_on_run=False)\n"
        "G = NeuronGroup(2, 'dv/dt = (2 - v)/(9*ms) : 1', threshold='v > 1', reset='v = 0')\n"
        "run(20*ms)\n"
        "device.build(directory='output', compile=True, run=True)\n"
    )
    protocol = adopt_script(script)
    assert protocol.schedule.n_periods == 1
    assert "set_device() was passed over" in caplog.text + "".join(capsys.readouterr())


def test_there_are_twenty_scripts():
    assert len(SCRIPTS) >= 20
    for name in SCRIPTS:
        words, places = expected(name)
        assert all(words) and (len(places) == 1 or name == "no_run")
