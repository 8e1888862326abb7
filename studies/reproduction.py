"""The study behind docs/reproduction.md: every row of its table, run once and kept.

    .venv/bin/python studies/reproduction.py --mnist FILE.npz [--csv figures/paper/runs.csv]
        [--only GROUP ...] [--seeds 5] [--workers 2]

A row that is in the table already is not run again; the table is rewritten in one step after each
run, so the script can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from brainsleep.compare import match_rate
from brainsleep.load import load_module
from brainsleep.protocol import Protocol, load_protocol
from brainsleep.simulate import simulate

DATA = ("mnist", "fashion-mnist")
RULE = "network.projections.*.rules.stdp_nearest_reversed"
FULL = {"data.n_train": 3000, "schedule.sleep.until_initial": False, "record.weights_every": 0}

#: A textbook rule that does run away: every pair counts, stronger input, decay in 10 s to the
#: initial weights.
_DECAY = "processes.decay"
ALL_TO_ALL_NETWORK = {
    RULE: "stdp:STDP_ALL_TO_ALL",
    "network.projections.input_e.weights.low": 1.0,
    f"network.projections.input_e.{_DECAY}.w_star": 1.0,
    f"network.projections.ee.{_DECAY}.w_star": 0.3,
    f"network.projections.ei.{_DECAY}.w_star": 0.4,
    f"network.projections.ie.{_DECAY}.w_star": 0.5,
    f"network.projections.*.{_DECAY}.tau_w": "10*second",
}
ALL_TO_ALL = {
    "no sleep": {"schedule.sleep.fraction": 0.0},
    "20% sleep": {},
    "20% decay without activity": {
        "schedule.sleep.gates.noise": 0,
        "schedule.sleep.gates.plasticity": 0,
    },
    "frozen": {"data.n_train": 0},
}

#: Conditions beyond those that the claims rest on, and the all-to-all rule, have fewer seeds.
FEW_SEEDS = 3
FEW = (
    "decay to the projection's mean",
    "decay to the neuron's mean",
    "decay to the initial weights",
    "sleep when weights have grown",
    "inhibitory plasticity, no sleep",
)

#: What a row holds besides its settings; other metrics are in the stored results.
METRICS = (
    "network_accuracy", "pixels_accuracy", "saturated", "largest_weight", "growth",
    "rate_wake_e_hz", "rate_sleep_e_hz", "rate_test_e_hz", "silent_e", "sleep_s",
    "participation_ratio_e", "effective_rank_e", "selectivity_adjusted_e", "phi_e",
    *(f"{who}_accuracy_{n}" for who in ("network", "pixels") for n in (50, 100, 300)),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One run: a protocol under a condition, a data set and a seed."""

    group: str
    condition: str
    protocol: str
    data: str
    seed: int
    changes: dict = field(default_factory=dict)
    match: tuple[str, ...] = ()  # group and condition whose test rate, same seed, is matched
    scale: str = ""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the row in the table."""
        return self.group, self.condition, self.data, self.seed


def rows(seeds: int) -> Iterator[Row]:
    """Go through the study, a seed at a time, so that whatever is finished is balanced."""
    for seed in range(seeds):
        for data in DATA:
            for condition in _competitive():
                yield Row("competitive", condition[0], "competitive", data, seed, condition[1])
            for group, rule in (("released", {}), ("textbook", {RULE: "stdp:STDP_NEAREST"})):
                for name, changes in _sweep():
                    yield Row(group, name, "paper", data, seed, FULL | rule | changes)
            for name, changes in ALL_TO_ALL.items() if seed < FEW_SEEDS else ():
                changes = FULL | ALL_TO_ALL_NETWORK | changes
                yield Row("all-to-all", name, "paper", data, seed, changes)
            for c in load_module("controls", "protocol").CONDITIONS:
                if c.name in FEW and seed >= FEW_SEEDS:
                    continue
                if c.name not in ("no sleep", "sleep"):  # those are 0 % and 20 % of "released"
                    changes = {"record.weights_every": 0} | dict(c.changes)
                    match = ("released", "20% sleep") if c.match_rate else ()
                    yield Row("controls", c.name, "controls", data, seed, changes, match, c.scale)


def _sweep() -> Iterator[tuple[str, dict]]:
    """Sleep fractions; as a sleep lasts at most 10 s, those above 10/35 need that limit lifted."""
    for fraction in (0.0, 0.1, 0.2, 0.3):
        yield f"{fraction:.0%} sleep", {"schedule.sleep.fraction": fraction}
    for fraction in (0.5, 1.0):
        yield (
            f"{fraction:.0%} sleep, no limit",
            {"schedule.sleep.fraction": fraction, "schedule.sleep.max_duration": "35*second"},
        )


def _competitive() -> Iterator[tuple[str, dict]]:
    yield from (
        (c.name, dict(c.changes)) for c in load_module("competitive", "protocol").CONDITIONS
    )
    for images in (1, 4, 16, 64):
        for fraction in (0.1, 0.2, 0.4):
            if (images, fraction) != (4, 0.2):  # that is "naps"
                yield (
                    f"naps every {images}, {fraction:.0%}",
                    {
                        "schedule.period": f"{0.25 * images}*second",
                        "schedule.sleep.fraction": fraction,
                    },
                )


def run(row: Row, sources: dict[str, str], out: str, target: float | None) -> dict:
    """Run one row and return it as a line of the table."""
    protocol: Protocol = load_protocol(row.protocol).override(
        {**row.changes, "data.source": sources[row.data]}
    )
    if target is not None:
        protocol = match_rate(protocol, row.scale, target, seed=row.seed, backend="cpp")
    result = simulate(protocol, seed=row.seed, backend="cpp", out=out)
    group, condition, data, seed = row.key
    line = {
        "group": group, "condition": condition, "data": data, "seed": seed,
        "run_id": result.info["run_id"], "protocol": row.protocol,
        "changes": json.dumps(row.changes, default=str),
        "wall_s": round(sum(result.info["timings"][k] for k in ("simulate_s", "readout_s")), 2),
    }  # fmt: skip
    return line | {name: result.metrics.get(name) for name in METRICS}


def read_table(path: Path) -> pd.DataFrame:
    """Read the table, or make an empty one."""
    columns = ["group", "condition", "data", "seed", "run_id", "protocol", "changes", "wall_s"]
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*columns, *METRICS])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write the table in one step, sorted, so that its differences are readable."""
    temporary = path.with_suffix(".writing")
    table.sort_values(["group", "data", "condition", "seed"]).to_csv(
        temporary, index=False, float_format="%.6g"
    )
    temporary.replace(path)


def main() -> None:
    """Run what is missing from the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", required=True, help="MNIST: .npz file or folder")
    parser.add_argument("--fashion", default="fashion-mnist", help="Fashion-MNIST: name or folder")
    parser.add_argument("--csv", type=Path, default=Path("figures/paper/runs.csv"))
    parser.add_argument("--out", default="results/reproduction")
    parser.add_argument("--only", nargs="+", metavar="GROUP", help="run only these groups")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.csv.parent.mkdir(parents=True, exist_ok=True)
    sources = {"mnist": arguments.mnist, "fashion-mnist": arguments.fashion}
    table = read_table(arguments.csv)
    done = set(map(tuple, table[["group", "condition", "data", "seed"]].values.tolist()))
    waiting = [
        row
        for row in rows(arguments.seeds)
        if row.key not in done
        and (arguments.only is None or row.group in arguments.only)
    ]
    with ProcessPoolExecutor(arguments.workers) as pool:
        running: dict = {}
        while waiting or running:
            for row in list(waiting):
                if len(running) >= arguments.workers:
                    break
                target = None
                if row.match:
                    place = (table["group"] == row.match[0]) & (table["condition"] == row.match[1])
                    place &= (table["data"] == row.data) & (table["seed"] == row.seed)
                    if not place.any():
                        continue  # its reference is not there yet
                    target = float(table.loc[place, "rate_test_e_hz"].iloc[0])
                waiting.remove(row)
                running[pool.submit(run, row, sources, arguments.out, target)] = row
            finished = next(as_completed(running))
            row = running.pop(finished)
            line = pd.DataFrame([finished.result()])
            table = pd.concat([table, line], ignore_index=True) if len(table) else line
            write_table(table, arguments.csv)
            print(
                *row.key,
                f"{line['network_accuracy'].iloc[0]:.3f}",
                f"{len(table)} rows",
                flush=True,
            )


if __name__ == "__main__":
    main()
