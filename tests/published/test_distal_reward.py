"""Rewards that come late (Izhikevich 2007): one pair of spikes to the last bit, rates of all."""

import dataclasses

import pytest
from brian2 import ms, second
from conftest import QUICK, needs_compiler

from brainsleep.experiment.inputs import SpikeTrains
from brainsleep.experiment.timeline import Timeline, awake
from brainsleep.models.distal_reward import DISTAL_REWARD, WAIT
from brainsleep.models.inputs import SPIKE_SOURCE
from brainsleep.network.spec import NetworkSpec, Population
from brainsleep.network.wiring import Pairs
from brainsleep.protocols.distal_reward import PROTOCOL, lasting
from brainsleep.run.simulate import simulate

#: What a weight gains by one pair and a reward, and what it gains without one.
PUBLISHED = {
    (10, 1): 0.1879,
    (10, 2): 0.0688,
    (10, 3): 0.0252,
    (1, 1): 0.2981,
    (1, 2): 0.1091,
    (1, 3): 0.0399,
}
TONIC = 0.0126


def two_neurons(reward: float) -> NetworkSpec:
    """n1 and n2 by themselves; they are told when to spike, and the reward is not random."""
    told = dataclasses.replace(SPIKE_SOURCE, equations="da : 1\ni_in : volt/second")
    parts = {each.name: each for each in DISTAL_REWARD.populations}
    kept = ("n1_n2", "hear", "wait", "reward", "da_e")
    projections = [q for q in DISTAL_REWARD.projections if q.name in kept]
    exact = WAIT.with_parameters(least=reward * second, spread=0 * second)
    changes = {"wait": {"synapse": exact}, "da_e": {"connectivity": Pairs([0, 0], [0, 1])}}
    return NetworkSpec(
        name="two",
        populations=(
            Population(name="e", size=2, model=told),
            parts["waiting"],
            parts["dopamine"],
        ),
        projections=tuple(dataclasses.replace(q, **changes.get(q.name, {})) for q in projections),
        input="",
    )


def by_hand(lag: int, reward: int, amount: float, steps: int) -> float:
    """The same in plain numbers, step by step."""
    w = c = da = read = 0.0
    after, due = 500 + lag, 500 + lag + 1000 * reward
    for step in range(steps):
        if step % 10 == 0:
            w, c = min(max(w + (0.002 + read) * c, 0), 4), 0.99 * c
        read = da  # neurons read the dopamine that there was before this step
        da *= 0.995
        if step == after:
            c += 0.1 * 0.95 ** (lag - 1)
        if step == due:
            da += amount
    return w


@needs_compiler
@pytest.mark.standalone
@pytest.mark.parametrize(("lag", "reward"), PUBLISHED)
def test_a_pair_and_a_reward(lag, reward, tmp_path):
    trains = SpikeTrains([0, 1], [500, 500 + lag] * ms)
    timeline = Timeline(periods=(awake(12 * second, inputs={"e": trains}, learn=1),))
    protocol = dataclasses.replace(PROTOCOL, network=two_neurons(reward), schedule=timeline)
    protocol = protocol.override({"record.observers": ()})
    result = simulate(protocol, seed=1, backend=QUICK, out=tmp_path)
    w = result.synapses("n1_n2").w[0]
    assert w == pytest.approx(by_hand(lag, reward, 0.5, 12_000), rel=1e-9)
    tonic = by_hand(lag, reward, 0.0, 12_000)
    # the phase of the grid of 10 ms matters by a per cent or two
    assert w - tonic == pytest.approx(PUBLISHED[lag, reward], rel=0.02)
    if lag == 10:
        assert tonic == pytest.approx(TONIC, rel=0.02)


@needs_compiler
@pytest.mark.standalone
@pytest.mark.long
def test_rates_of_the_network(tmp_path):
    """Twenty seconds, of which the first does not count."""
    result = simulate(lasting(20 * second, "short", "20 s"), seed=1, backend=QUICK, out=tmp_path)
    e, i = (result.arrays[f"counts/{name}"][1:].mean() for name in "ei")
    assert 1.3 <= e <= 1.45
    assert 0.78 <= i <= 1.0
    assert 0.97 < result.metrics["rewarded_others"] < 1.0  # weights fall slowly
