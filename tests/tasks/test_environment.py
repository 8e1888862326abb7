"""A closed loop: spikes are actions, observations are input, rewards a signal."""

import dataclasses
from importlib.util import find_spec

import numpy as np
import pytest
from brian2 import Hz, ms, second
from conftest import QUICK, needs_compiler

from brainsleep import (
    InitialWeights,
    NetworkSpec,
    PlasticityRule,
    Population,
    Projection,
    Protocol,
    Record,
    Timeline,
    asleep,
    awake,
    simulate,
)
from brainsleep.errors import BrainsleepError, MissingExtraError, ProtocolError
from brainsleep.experiment.observer import Metric, Observer
from brainsleep.models.inputs import POISSON
from brainsleep.models.lif import CURRENT, LIF
from brainsleep.tasks import environment
from brainsleep.tasks.environment import Environment, MostSpikes, OneHot, TuningCurves

STATES, STEP, EACH = 6, 20, 3


class Ring:
    """States in a ring: action 1 goes on, 0 back; reward at the last, which ends an episode."""

    def __init__(self, states=STATES, noisy=False):
        self.states, self.noisy = states, noisy

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.at = 0
        return self.at, {}

    def step(self, action):
        noise = int(self.rng.integers(2)) if self.noisy else 0
        self.at = (self.at + (1 if action else -1) + noise) % self.states
        over = self.at == self.states - 1
        return self.at, 1.0 if over else -0.125, over, False, {}


class Forgetful(Ring):
    """A ring that no seed decides: its rewards differ, by too little to change a spike."""

    def step(self, action):
        observation, reward, over, cut_short, more = super().step(action)
        reward += 1e-9 * float(np.random.default_rng().random())
        return observation, reward, over, cut_short, more


MOTOR = dataclasses.replace(
    LIF,
    name="motor",
    equations=LIF.equations + "\nlast_reward : 1",
    on_slot="last_reward = reward",
    signals={"reward": 1},
)
LEARN = PlasticityRule(
    name="learn",
    pre_equations="dx/dt = -x/tau : 1",
    pre_spike="x = 1",
    on_post="w = clip(w + lr*reward*x_pre, w_min, w_max)",
    parameters={"lr": 0.5, "tau": 20 * ms},
    signals={"reward": 1},
)
NETWORK = NetworkSpec(
    name="agent",
    populations=(
        Population(name="input", size=STATES * EACH, model=POISSON),
        Population(name="motor", size=8, model=MOTOR),
    ),
    projections=(
        Projection(
            name="act",
            source="input",
            target="motor",
            synapse=CURRENT,
            weights=InitialWeights(low=0.0, high=20.0),
            w_max=40.0,
            rules=(LEARN,),
        ),
    ),
    signals={"reward": 0.0},
)
LOOP = Environment(
    env=Ring,
    encode=OneHot(states=STATES, neurons=EACH, rate=1000 * Hz),
    decode=MostSpikes(population="motor", actions=2),
)


@dataclasses.dataclass(frozen=True)
class Heard(Observer):
    """What the network knows of the last reward."""

    name = "heard"
    metrics = (Metric("observed", "heard", "1", "what was heard"),)

    def slots(self, table):
        return range(1, len(table) + 1)

    def look(self, view):
        return {"reward": view.state.arrays["motor.last_reward"][0]}


def protocol(**changes):
    """Awake, asleep, awake: 9 + 3 + 9 slots of 20 ms."""
    given = {
        "name": "loop",
        "network": NETWORK,
        "schedule": Timeline(
            periods=(awake(180 * ms), asleep(60 * ms), awake(180 * ms)), slot=STEP * ms
        ),
        "task": LOOP,
        "record": Record(observers=(Heard(),)),
    }
    return Protocol(**(given | changes))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return simulate(protocol(), seed=1, backend=QUICK, out=tmp_path_factory.mktemp("loop"))


def test_the_environment_gets_the_actions_and_the_network_the_rewards(result):
    """The steps of the environment by hand, with the spikes that the network had."""
    arrays, table = result.arrays, result.arrays["slots/phase"]
    acting = np.flatnonzero(table == "wake")
    assert acting.tolist() == [*range(9), *range(12, 21)]
    counts = arrays["counts/motor"]
    ring, rewards = Ring(), []
    at, _ = ring.reset(seed=0)
    for k, slot in enumerate(acting):
        assert arrays["loop/seen"][k].tolist() == [at]
        spiked = arrays["totals/input"][slot]
        assert spiked == EACH * STEP  # of one group, at every step
        sums = counts[slot].reshape(2, 4).sum(axis=1)
        action = arrays["loop/action"][k]
        assert sums[0] == sums[1] or action == np.argmax(sums)
        at, reward, ended, _, _ = ring.step(action)
        assert arrays["loop/reward"][k] == reward and bool(arrays["loop/ended"][k]) == ended
        rewards.append(reward)
        if ended:
            at, _ = ring.reset()
    assert len(set(arrays["loop/action"].tolist())) == 2
    # a reward is there in the slot after its step, and in no other
    expected = np.zeros(len(table) + 1)
    expected[acting + 1] = rewards
    np.testing.assert_array_equal(arrays["heard/reward"], expected[:-1])
    assert result.metrics["reward_per_step"] == pytest.approx(np.mean(rewards))
    assert result.metrics["episodes"] == arrays["loop/ended"].sum() > 0


@pytest.mark.standalone
@needs_compiler
def test_the_same_on_another_backend(result, tmp_path):
    other = simulate(protocol(), seed=1, backend="numpy", out=tmp_path)
    for name in ("loop/action", "loop/reward", "loop/seen", "counts/motor"):
        np.testing.assert_array_equal(other.arrays[name], result.arrays[name])


@pytest.mark.parametrize("settings", [{}, {"noisy": True}])
def test_a_run_that_was_interrupted(settings, tmp_path, interrupting):
    """It takes the steps of its environment again, and goes on as if nothing had been."""
    task = dataclasses.replace(LOOP, settings=settings)
    made = protocol(task=task)
    whole = simulate(made, seed=2, backend=QUICK, out=tmp_path / "whole").arrays
    how = {"seed": 2, "backend": QUICK, "out": tmp_path / "cut"}
    with pytest.raises(KeyboardInterrupt):
        simulate(made, progress=interrupting(7), **how)
    listening = interrupting(None)
    again = simulate(made, progress=listening, **how)
    assert listening.told[0] == "resumed"
    assert whole.keys() == again.arrays.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(again.arrays[name], value, err_msg=name)


def test_an_environment_that_no_seed_decides_cannot_be_resumed(tmp_path, interrupting):
    made = protocol(task=dataclasses.replace(LOOP, env=Forgetful))
    with pytest.raises(KeyboardInterrupt):
        simulate(made, seed=2, backend=QUICK, out=tmp_path, progress=interrupting(5))
    with pytest.raises(ProtocolError, match=r"did something else .*start it anew, with --force"):
        simulate(made, seed=2, backend=QUICK, out=tmp_path)
    assert simulate(made, seed=2, backend=QUICK, out=tmp_path, force=True).metrics["episodes"]


def test_codes_by_hand():
    curves = TuningCurves(low=(-1.0, 0.0), high=(1.0, 10.0), neurons=3, rate=10 * Hz, width=1.0)
    rates = curves([0.0, 99.0])
    e = np.exp
    np.testing.assert_allclose(rates, 10 * np.array([e(-0.5), 1, e(-0.5), e(-2), e(-0.5), 1]))
    assert OneHot(states=3, neurons=2, rate=5 * Hz)(1).tolist() == [0, 0, 5, 5, 0, 0]
    decode = MostSpikes(population="m", actions=2)
    rng = np.random.default_rng(0)
    assert decode({"m": np.array([1, 2, 0, 0])}, rng) == 0
    assert decode({"m": np.array([1, 0, 0, 2])}, rng) == 1
    ties = [decode({"m": np.array([1, 0, 0, 1])}, rng) for _ in range(50)]
    assert 10 < sum(ties) < 40


def test_functions_of_a_users_own_decide_the_id():
    def rates(observation):
        return np.full(STATES * EACH, 10.0) * Hz

    def action(counts, rng):
        return int(counts["motor"].sum() > 3)

    own = protocol(task=Environment(env=Ring, encode=rates, decode=action))
    other = protocol(task=Environment(env=Ring, encode=rates, decode=lambda counts, rng: 0))
    assert own.describe() != other.describe()
    assert own.describe()["encode"]["source"] and "states" in str(protocol().describe()["encode"])


@pytest.mark.skipif(find_spec("gymnasium") is None, reason="needs gymnasium (extra 'loop')")
def test_an_environment_of_gymnasium(tmp_path):
    curves = TuningCurves(low=(-2.4, -3, -0.2, -3), high=(2.4, 3, 0.2, 3), neurons=5, rate=500 * Hz)
    inputs = dataclasses.replace(NETWORK.population("input"), size=20)
    network = dataclasses.replace(NETWORK, populations=(inputs, NETWORK.population("motor")))
    task = dataclasses.replace(LOOP, env="CartPole-v1", encode=curves)
    made = protocol(
        network=network, task=task, schedule=Timeline(periods=(awake(1 * second),), slot=STEP * ms)
    )
    done = simulate(made, seed=1, backend=QUICK, out=tmp_path)
    assert done.arrays["loop/seen"].shape == (50, 4)
    assert done.metrics["reward_per_step"] == 1.0 and done.metrics["episodes"] >= 2
    with pytest.raises(ProtocolError, match="cannot make 'CartPole-v999'"):
        simulate(made.override({"env": "CartPole-v999"}), seed=1, backend=QUICK, out=tmp_path)


def test_without_gymnasium(monkeypatch):
    def absent(name):
        raise environment.PackageNotFoundError

    monkeypatch.setattr(environment, "version", absent)
    task = dataclasses.replace(LOOP, env="CartPole-v1")
    with pytest.raises(MissingExtraError, match=r"brainsleep\[loop\]"):
        task.open({})


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"encode": OneHot(states=4)}, ("encode: neurons", "4", "18")),
        ({"decode": MostSpikes(population="input", actions=2)}, ("decode.population", "'input'")),
        ({"decode": MostSpikes(population="mottor", actions=2)}, ("mottor", "motor")),
        ({"decode": MostSpikes(population="motor", actions=9)}, ("decode.actions", "at most 8")),
        ({"reward": "pay"}, ("reward: no signal 'pay'", "reward=''")),
        ({"settings": {"states": [1]}}, ("settings.states", "a list")),
    ],
)
def test_refused(change, parts):
    with pytest.raises(BrainsleepError) as caught:
        protocol(task=dataclasses.replace(LOOP, **change))
    assert all(part in str(caught.value) for part in parts), caught.value


@pytest.mark.parametrize(
    ("period", "said"),
    [
        (awake(40 * ms, rate=5 * Hz), "stimulus of 'input': got one; expected none awake"),
        (awake(40 * ms, inputs={"input": 5 * Hz}), "stimulus of 'input': got one"),
        (asleep(40 * ms, signals={"reward": 1}), "signals: reward: got a value; expected none"),
    ],
)
def test_periods_do_not_say_what_the_environment_says(period, said):
    both = Timeline(periods=(awake(40 * ms), period), slot=STEP * ms)
    with pytest.raises(ProtocolError, match=said):
        protocol(schedule=both)
    dreaming = asleep(40 * ms, rate=5 * Hz, input=1)
    protocol(schedule=Timeline(periods=(awake(40 * ms), dreaming), slot=STEP * ms))


def test_it_needs_a_timeline(tmp_path):
    from brainsleep import Schedule

    with pytest.raises(ProtocolError, match="schedule of an environment: got a Schedule"):
        protocol(schedule=Schedule())
    wrong = protocol(task=dataclasses.replace(LOOP, encode=lambda observation: np.zeros(5)))
    with pytest.raises(ProtocolError, match="encode: got shape"):
        simulate(wrong, seed=1, backend="numpy", out=tmp_path)
