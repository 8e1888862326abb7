"""Two foraging tasks one after the other, and sleep between (Golden et al. 2022).

An agent moves in a field of particles and learns which to eat: task 1 rewards horizontal ones and
punishes those along the negative diagonal, task 2 vertical ones and the positive diagonal. It is
tested on both after each, with plasticity closed. In `sleep` every 100 epochs of task 2 are
followed by 100 asleep. A short version; `lasting` makes others::

    brainsleep run foraging

(The module is long because the field and all that the agent is compared with are in it.)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from brainsleep import (
    Alarms,
    Condition,
    Environment,
    Metric,
    Observer,
    Pairs,
    Protocol,
    Record,
    Timeline,
    asleep,
    awake,
    cycles,
)
from brainsleep.models.foraging import EPOCH, FORAGING, N_HIDDEN
from brainsleep.run.state import initial_state

#: Moves to the eight neighbours, row by row: (down, right). Action 8 is the move before.
MOVES = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))

#: Second pixel of a particle, seen from the first.
SHAPES = {
    "horizontal": (0, 1),
    "negative diagonal": (1, 1),
    "vertical": (1, 0),
    "positive diagonal": (-1, 1),
}

#: What a task rewards, and what it punishes; no others are there.
TASKS = {"1": ("horizontal", "negative diagonal"), "2": ("vertical", "positive diagonal")}


def _steps_of(tasks: str) -> list[tuple[int, str]]:
    """Read ``"1:500 21:400/100"``: 500 steps of task 1, then 400, of 2 and 1 in turns of 100."""
    until, found = 0, []
    for part in tasks.split():
        names, _, steps = part.partition(":")
        total, _, every = steps.partition("/")
        turn, at = int(every or total), 0
        while at < int(total):
            long = min(turn, int(total) - at)
            until, at = until + long, at + long
            found.append((until, names[(at - 1) // turn % len(names)]))
    return found


def _squares(pixels: np.ndarray, reach: int) -> np.ndarray:
    """Return which pixels lie around each, itself in the middle; edges meet."""
    shifts = range(reach, -reach - 1, -1)
    moved = [np.roll(pixels, (down, right), (0, 1)) for down in shifts for right in shifts]
    return np.stack(moved, axis=-1).reshape(pixels.size, -1)


class Field:
    """A field of particles of two pixels, with Gymnasium's interface; its edges meet.

    No particle touches another. Who moves onto one eats it, which ends an episode: the particle
    comes back elsewhere, and the agent begins elsewhere. Tasks change after numbers of steps.

    Parameters
    ----------
    tasks : str
        Tasks and for how many steps: ``"1:500 2:300"``; the last one stays. ``"21:400/100"`` are
        400 steps of 2 and 1 in turns of 100.
    side : int
        Rows and columns.
    density : float
        Fraction of pixels that particles cover.
    reward, punishment, nothing : float
        What a move brings that eats a particle of the first kind, of the second, or none.
    random : float
        Probability of a random move; it grows by as much with every move without food.
    """

    def __init__(
        self,
        tasks="1:1",
        side=50,
        density=0.1,
        reward=1.0,
        punishment=-0.001,
        nothing=-0.0001,
        random=0.01,
    ):
        self.side, self.n = side, round(density * side**2 / 2)
        self.brings, self.nothing, self.random = (reward, punishment), nothing, random
        self.plan = _steps_of(tasks)
        self.steps, self.task = 0, ""
        self.rng = np.random.default_rng(0)
        pixels = np.arange(side**2).reshape(side, side)
        #: Pixels around each, 3x3 and 7x7 of them, as places in a flat field.
        self.near, self.seen_from = (_squares(pixels, reach) for reach in (1, 3))

    def reset(self, *, seed=None, options=None):
        """Begin an episode; with a seed, a whole life."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
            self.steps, self.task = 0, ""
        self._fill()
        self.hungry, self.move = 0, int(self.rng.integers(8))
        while True:
            self.at = tuple(int(x) for x in self.rng.integers(self.side, size=2))
            if self.grid[self.at] < 0:
                return self.seen(), {}

    def _fill(self):
        """Fill the field anew if there is another task."""
        task = next((name for until, name in self.plan if self.steps < until), self.plan[-1][1])
        if task == self.task:
            return
        self.task, self.at = task, (0, 0)
        self.grid = np.full((self.side, self.side), -1)
        self.places = [()] * self.n
        for number in range(self.n):
            self._place(number)

    def kind(self, number):
        """Return whether a particle is rewarded (0) or punished (1)."""
        return number % 2

    def pixels(self, number, first):
        """Return both pixels of a particle that has its first one there."""
        down, right = SHAPES[TASKS[self.task][self.kind(number)]]
        y, x = first
        return (y, x), ((y + down) % self.side, (x + right) % self.side)

    def _place(self, number):
        while True:
            first = tuple(int(x) for x in self.rng.integers(self.side, size=2))
            pixels = self.pixels(number, first)
            if self.at not in pixels and all(self._around(p, self.near).max() < 0 for p in pixels):
                break
        self.places[number] = pixels
        for pixel in pixels:
            self.grid[pixel] = number

    def _around(self, pixel, square):
        """Return the particles in the square of pixels around one."""
        y, x = pixel
        return self.grid.ravel()[square[y * self.side + x]]

    def seen(self):
        """Return where there are particles in the 7x7 pixels around the agent."""
        return (self._around(self.at, self.seen_from) >= 0).astype(np.int8).reshape(7, 7)

    def step(self, action):
        """Move; return what is seen, what that brings, and whether something was eaten."""
        if action < 8:
            self.move = int(action)
        if self.rng.random() < self.random * (1 + self.hungry):
            self.move = int(self.rng.integers(8))
        (y, x), (down, right) = self.at, MOVES[self.move]
        self.at = (y + down) % self.side, (x + right) % self.side
        number, self.steps = int(self.grid[self.at]), self.steps + 1
        if number < 0:
            self.hungry += 1
            before = self.task
            self._fill()
            return self.seen(), self.nothing, False, before != self.task, {}
        for pixel in self.places[number]:
            self.grid[pixel] = -1
        brings = self.brings[self.kind(number)]
        self._place(number)
        return self.seen(), brings, True, False, {}


def see(observation):
    """Return the rates of input cells: only whether they are above 0 matters."""
    return np.asarray(observation, float).ravel()


def go(counts, rng):
    """Return the move whose output cell spiked most, 8 if none did."""
    spikes = counts["output"]
    return int(rng.choice(np.flatnonzero(spikes == spikes.max()))) if spikes.any() else 8


@dataclass(frozen=True)
class Eaten(Observer):
    """Share of rewarded particles among those eaten, in each test, and the same without seeing.

    Directions alone decide much: who always goes northwest meets a horizontal particle twice as
    often as one along that diagonal. So the moves of each test are made again in `fields` other
    fields: the share there is what the same moves bring that saw nothing.

    `tests` are names, tasks, and steps of the environment, from the first to before the last.
    """

    tests: tuple[tuple[str, str, int, int], ...]
    fields: int = 20
    name = "eaten"
    metrics = (
        Metric(
            "observed",
            "share_(?P<test>.*)",
            "fraction",
            "rewarded among eaten particles, in a test",
        ),
        Metric("observed", "eaten_(?P<test>.*)", "1", "particles eaten in a test"),
        Metric(
            "observed",
            "blind_(?P<test>.*)",
            "fraction",
            "rewarded among eaten particles, by the moves of a test in other fields",
        ),
    )

    def slots(self, table):
        """Look at the end, at the weights."""
        return [len(table)]

    def look(self, view):
        """Take the largest weight over the mean, and what outputs have learned."""
        w = view.state.weights("act")
        return {"spread": w.std() / w.mean(), "largest": w.max() / w.mean()}

    def measure(self, seen):
        """Count what was eaten."""
        if not seen.looks("loop"):
            return {}
        rewards, ended = seen.series("loop", "reward"), seen.series("loop", "ended")
        actions, found = seen.series("loop", "action"), {}
        for test, task, first, last in self.tests:
            over = ended[first:last].astype(bool)
            over[-1] = False  # which may have ended by the next task
            found[f"eaten_{test}"] = int(over.sum())
            found[f"share_{test}"] = _share(rewards[first:last][over])
            found[f"blind_{test}"] = blind_share(task, actions[first:last], self.fields)
        return found


def _share(rewards) -> float | None:
    return float((np.asarray(rewards) > 0).mean()) if len(rewards) else None


def forage(field: Field, choose: Callable[[int], int], steps: int) -> list[float]:
    """Make moves, of which `choose` tells the action of each step; return what eaten ones bring."""
    eaten = []
    for step in range(steps):
        _, brings, ended, _, _ = field.step(choose(step))
        if ended:
            eaten.append(brings)
            field.reset()
    return eaten


def blind_share(task: str, actions, fields: int = 20) -> float | None:
    """Return the share of rewarded particles that moves bring in fields that were not seen."""
    moves, eaten = np.asarray(actions).tolist(), []
    for seed in range(fields):
        field = Field(f"{task}:1")
        field.reset(seed=seed)
        eaten += forage(field, moves.__getitem__, len(moves))
    return _share(eaten)


#: Gates while the agent learns, and while it is tested.
LEARNING = {"learn": 1, "scale": 1, "explore": 1}
TESTED = {"plasticity": 0}

#: Asleep: what drives hidden cells, and a reward that does not end.
DREAMING = {"learn": 1, "scale": 1, "dream": 1}


def lasting(
    first: int = 6000,
    second: int = 3000,
    test: int = 1000,
    *,
    turn: int = 100,
    tasks: str = "2",
    learn: Mapping[str, float] = LEARNING,
    sleep: Mapping[str, float] | None = DREAMING,
    signals: Mapping[str, float] | None = None,
    name: str = "foraging",
    network=FORAGING,
    punishment: float = -0.5,
) -> Protocol:
    """Make a protocol; times are in epochs.

    Parameters
    ----------
    first, second : int
        How long task 1 is learned, and how long what comes after it.
    test : int
        How long each test is.
    turn : int
        After how many epochs it sleeps for as many, or tasks take turns.
    tasks : str
        What comes after task 1: ``"2"``, or ``"21"`` for both in turns.
    learn : mapping of str to float
        Gates awake in what comes after task 1.
    sleep : mapping of str to float, or None
        Gates asleep; None for no sleep.
    signals : mapping of str to float
        Signals asleep.
    name : str
        Name.
    network : NetworkSpec
        The network.
    punishment : float
        Reward for eating the wrong kind; the paper's is -0.001.
    """
    told, long = {"tonic": 0.5, **(signals or {})}, turn * EPOCH
    nights = [] if sleep is None else [asleep(long, signals=told, **sleep)]
    tests = (awake(test * EPOCH, **TESTED), awake(test * EPOCH, **TESTED))
    middle = cycles(awake(long, **learn), *nights, times=second // turn, slot=EPOCH)
    periods = (awake(first * EPOCH, **LEARNING), *tests, middle, *tests)
    plan = f"1:{first} 1:{test} 2:{test} {tasks}:{second}/{turn} 1:{test} 2:{test}"
    return Protocol(
        name=name,
        description="Golden 2022, shortened: two foraging tasks one after the other, and sleep",
        network=network,
        schedule=Timeline(periods=periods, slot=EPOCH),
        task=Environment(
            env=Field,
            settings={"tasks": plan, "punishment": punishment},
            encode=see,
            decode=go,
        ),
        record=Record(
            observers=(Eaten(tests=_tests(first, second, test)),),
            weights_every=0,
            alarms=Alarms(saturation=1.0, silence=1e6 * EPOCH, runaway=1e4 / EPOCH),
        ),
        references=("doi:10.1371/journal.pcbi.1010628",),
    )


def _tests(first: int, second: int, test: int) -> tuple[tuple[str, str, int, int], ...]:
    """Return the tests of `lasting`: name, task, and its steps of the environment."""
    starts = {"before": first, "after": first + 2 * test + second}
    return tuple(
        (f"t{task}_{when}", task, start + k * test, start + (k + 1) * test)
        for when, start in starts.items()
        for k, task in enumerate(TASKS)
    )


#: What is done while it learns the second task, or in place of it: settings of `lasting`.
VARIANTS = {
    "sleep": {},
    "no sleep": {"sleep": None},
    "both tasks in turns": {"sleep": None, "tasks": "21"},
    "one rate for all": {"signals": {"own": 0.0, "mean": 1.0}},
    "rates of other cells": {"signals": {"own": 0.0, "other": 1.0}},
    "rest": {"sleep": {"learn": 1, "scale": 1}, "signals": {"tonic": 0.0}},
    "no reward asleep": {"signals": {"tonic": 0.0}},
    "no plasticity asleep": {"sleep": {"plasticity": 0, "dream": 1}},
    "scaling asleep": {"sleep": {"plasticity": 0, "scale": 1}},
    "frozen": {"sleep": None, "learn": {"plasticity": 0, "explore": 1}},
}


def conditions(first: int, second: int, test: int) -> tuple[Condition, ...]:
    """Make conditions of `lasting` by their schedules; tasks in turns last twice as long."""
    made = []
    for name, variant in VARIANTS.items():
        long = second * len(variant.get("tasks", "2"))
        protocol = lasting(first, long, test, **variant)
        changes = {
            "schedule": protocol.schedule,
            "task": protocol.task,
            "record.observers": protocol.record.observers,
        }
        made.append(Condition(name=name, changes=changes))
    return tuple(made)


def taught(task: str = "1", lift: float = 3.0, wiring: int = 0, weight: float = 0.01):
    """Make the network with weights set by hand: what it could do, had it learned.

    A weight from a hidden cell to a move is `weight`, and ``1 + lift`` times that if the cell sees
    both pixels of a rewarded particle that this move would eat.
    """
    parts = {each.name: each for each in FORAGING.projections}
    pre, post = initial_state(FORAGING, wiring).synapses["see"]
    sees = np.zeros((7, 7, N_HIDDEN), bool)
    sees[pre // 7, pre % 7, post] = True
    down, right = SHAPES[TASKS[task][0]]
    w = np.full((N_HIDDEN, len(MOVES)), weight)
    for move, (y, x) in enumerate(MOVES):
        for sign in (1, -1):
            both = sees[3 + y, 3 + x] & sees[3 + y + sign * down, 3 + x + sign * right]
            w[both, move] = weight * (1 + lift)
    source, target = np.divmod(np.arange(w.size), len(MOVES))
    changed = {
        "see": {"connectivity": Pairs(pre, post)},
        "act": {"connectivity": Pairs(source, target), "weights": w.ravel()},
    }
    projections = [replace(each, **changed.get(name, {})) for name, each in parts.items()]
    return replace(FORAGING, name="taught", projections=tuple(projections))


def ceiling(test: int = 2000, **more) -> Protocol:
    """Make a protocol that tests the network of `taught` on both tasks, without learning."""
    learned = lasting(1, 1, test, turn=1, sleep=None, network=taught(**more), name="taught")
    periods, tests = learned.schedule.periods[1:3], (("t1", "1", 0), ("t2", "2", 1))
    eaten = Eaten(tests=tuple((n, t, k * test, (k + 1) * test) for n, t, k in tests))
    return learned.override(
        {
            "schedule": Timeline(periods=periods, slot=EPOCH),
            "task.settings": {"tasks": f"1:{test} 2:{test}"},
            "record.observers": (eaten,),
        }
    )


SHORT = (600, 200, 100)

PROTOCOL = lasting(*SHORT)

CONDITIONS = conditions(*SHORT)
