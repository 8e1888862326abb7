"""The fixes of mistakes in a closed loop."""

import dataclasses

import pytest
from brian2 import ms
from fix_table import carry_out, rows
from test_environment import LOOP, NETWORK, Ring, protocol

from brainsleep import Schedule, Timeline, asleep, awake


def loop(**changes):
    return dataclasses.replace(LOOP, **changes)


def three():
    """A ring that is made in a function of the user's own."""
    return Ring(states=len([1, 2, 3]))


FIXES = [
    (
        "make the environment in a function of your own, and give that",
        lambda: loop(settings={"states": [1, 2, 3]}),
        lambda: protocol(task=loop(env=three)).task.make(),
    ),
    (
        "write schedule=Timeline(periods=(awake(...), asleep(...)), slot=50*ms)",
        lambda: protocol(schedule=Schedule()),
        lambda: protocol(
            schedule=Timeline(periods=(awake(100 * ms), asleep(50 * ms)), slot=50 * ms)
        ),
    ),
    (
        "add it to the signals of the network, or write {}=''",
        lambda: protocol(task=loop(reward="pay")),
        lambda setting: (
            protocol(task=loop(**{setting: ""})),
            protocol(
                task=loop(reward="pay"),
                network=paying(),
            ),
        ),
    ),
]


def paying():
    """The network, with a signal of another name."""
    motor = NETWORK.population("motor")
    model = dataclasses.replace(motor.model, on_slot="last_reward = pay", signals={"pay": 1})
    motor = dataclasses.replace(motor, model=model)
    rule = NETWORK.projections[0].rules[0]
    rule = dataclasses.replace(
        rule, on_post=rule.on_post.replace("reward", "pay"), signals={"pay": 1}
    )
    return dataclasses.replace(
        NETWORK,
        populations=(NETWORK.population("input"), motor),
        projections=(dataclasses.replace(NETWORK.projections[0], rules=(rule,)),),
        signals={"pay": 0.0},
    )


@pytest.mark.parametrize(("fix", "broken", "mended"), rows(FIXES))
def test_fix(fix, broken, mended):
    carry_out(fix, broken, mended)
