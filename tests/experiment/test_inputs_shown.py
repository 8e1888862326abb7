"""What periods give, and signals, in words, tables, LaTeX, differences and settings."""

from brian2 import Hz, ms
from test_timeline import DAYS, GIVEN, protocol

from brainsleep.experiment.timeline import awake
from brainsleep.show.difference import Side, difference
from brainsleep.show.methods import methods
from brainsleep.show.schedule_text import schedule_text


def test_a_timeline_in_words():
    said = schedule_text(protocol(DAYS).schedule)
    assert said["sleep"] == (
        "There are (10 ms awake and (6 ms asleep and 2 ms awake, 2 times over), 2 times over)."
    )
    assert said["inputs"] == (
        "Given to populations in wake (1): a 3 values of 4 ms, s 3 spikes, e a value a neuron; "
        "in wake (3): e 3 nA."
    )
    assert said["signals"] == (
        "Values of signals in wake (1): reward 2 values of 5 ms; in wake (3): reward 2."
    )
    assert schedule_text(protocol(awake(10 * ms)).schedule) == {"sleep": "There are 10 ms awake."}


def test_methods_have_inputs_and_signals():
    text = methods(protocol(DAYS))
    assert "Signals" in text and "reward & 0.5" in text
    assert "Given to populations in wake (1)" in text and "Values of signals" in text
    assert methods(GIVEN.population("s").model)


def test_arrays_that_differ_are_a_difference():
    sides = []
    for rates in ([1, 2], [1, 3]):
        each = protocol(awake(10 * ms, inputs={"a": rates * Hz}))
        sides.append(Side("x", each.describe(), each.equations()))
    found = difference(*sides)
    assert not found.same and len(found.changes) == 1
    assert found.changes[0].key.startswith("schedule.periods")
    assert difference(sides[0], sides[0]).same
