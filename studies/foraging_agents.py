"""What agents without a network eat in the field of the foraging tasks: a Markdown table.

    .venv/bin/python studies/foraging_agents.py

Share of rewarded particles among those eaten, five seeds of 4000 moves: mean and Student's 95 %
interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from brainsleep.analysis.statistics import seed_spread
from brainsleep.protocols.foraging import MOVES, TASKS, Field, forage

SEEDS, STEPS = range(10, 15), 4000

#: Directions in the order of `MOVES`.
DIRECTIONS = dict(
    zip(
        ("northwest", "north", "northeast", "west", "east", "southwest", "south", "southeast"),
        range(8),
        strict=True,
    )
)

#: What takes a field and a generator, and returns a move.
Agent = Callable[[Field, np.random.Generator], int]


def neighbours(field: Field) -> list[int]:
    """Return which particle every move would eat, -1 for none."""
    (y, x), side = field.at, field.side
    return [int(field.grid[(y + down) % side, (x + right) % side]) for down, right in MOVES]


def seeing(field: Field, rng: np.random.Generator) -> int:
    """Go to a rewarded neighbour; else on."""
    near = neighbours(field)
    return next((k for k, n in enumerate(near) if n >= 0 and field.kind(n) == 0), 8)


def careful(field: Field, rng: np.random.Generator) -> int:
    """Go to a rewarded neighbour; else on, but around a punished one."""
    near, move = neighbours(field), seeing(field, rng)
    if move == 8 and near[field.move] >= 0:
        return int(rng.choice([k for k, n in enumerate(near) if n < 0]))
    return move


AGENTS: dict[str, Agent] = {
    **{
        f"blind, always {name}": lambda field, rng, move=move: move
        for name, move in DIRECTIONS.items()
    },
    "blind, at random": lambda field, rng: int(rng.integers(8)),
    "goes to a rewarded neighbour": seeing,
    "and avoids the others": careful,
}


def share(agent: Agent, task: str, seed: int, steps: int = STEPS) -> float:
    """Return the share of rewarded particles among those that an agent eats."""
    field, rng = Field(f"{task}:1"), np.random.default_rng(seed)
    field.reset(seed=seed)
    eaten = forage(field, lambda step: agent(field, rng), steps)
    return float(np.mean(np.array(eaten) > 0))


def main() -> None:
    """Print the table."""
    print("| agent | " + " | ".join(f"task {task}" for task in TASKS) + " |")
    print("|---" * (1 + len(TASKS)) + "|")
    for name, agent in AGENTS.items():
        cells = []
        for task in TASKS:
            spread = seed_spread(np.array([share(agent, task, seed) for seed in SEEDS]))
            cells.append(f"{spread.mean:.3f} [{spread.low:.3f}, {spread.high:.3f}]")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
