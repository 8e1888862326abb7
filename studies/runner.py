"""Rows of a study, run once each and kept in one table.

A row that is in the table already is not run again; the table is rewritten in one step after each
run, so a study can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from brainsleep.compare import match_rate
from brainsleep.protocol import Protocol, load_protocol
from brainsleep.simulate import simulate

#: What a row holds besides its settings; other metrics are in the stored results.
METRICS = (
    "network_accuracy", "pixels_accuracy", "saturated", "largest_weight", "growth",
    "rate_wake_e_hz", "rate_sleep_e_hz", "rate_test_e_hz", "silent_e", "sleep_s",
    "participation_ratio_e", "effective_rank_e", "selectivity_adjusted_e", "phi_e",
    *(f"{who}_accuracy_{n}" for who in ("network", "pixels") for n in (50, 100, 300)),
)  # fmt: skip

#: What identifies a row in the table.
KEY = ["group", "condition", "data", "seed"]


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
    if path.exists():
        return pd.read_csv(path)
    return pd.DataFrame(columns=[*KEY, "run_id", "protocol", "changes", "wall_s", *METRICS])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write the table in one step, sorted, so that its differences are readable."""
    temporary = path.with_suffix(".writing")
    table.sort_values(["group", "data", "condition", "seed"]).to_csv(
        temporary, index=False, float_format="%.6g"
    )
    temporary.replace(path)


def parser(description: str, csv: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all studies have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--mnist", required=True, help="MNIST: .npz file or folder")
    options.add_argument("--fashion", default="fashion-mnist", help="Fashion-MNIST: name or folder")
    options.add_argument("--csv", type=Path, default=Path(csv))
    options.add_argument("--out", default="results/study", help="folder of results")
    options.add_argument("--only", nargs="+", metavar="GROUP", help="run only these groups")
    options.add_argument("--workers", type=int, default=2)
    return options


def run_rows(rows: Iterable[Row], sources: dict[str, str], options: argparse.Namespace) -> None:
    """Run what is missing from the table; `options` are those of `parser`."""
    options.csv.parent.mkdir(parents=True, exist_ok=True)
    table = read_table(options.csv)
    done = set(map(tuple, table[KEY].values.tolist()))
    waiting = [row for row in rows if row.key not in done]
    if options.only is not None:
        waiting = [row for row in waiting if row.group in options.only]
    with ProcessPoolExecutor(options.workers) as pool:
        running: dict = {}
        while waiting or running:
            for row in list(waiting):
                if len(running) >= options.workers:
                    break
                target = _target(row, table)
                if row.match and target is None:
                    continue  # its reference is not there yet
                waiting.remove(row)
                running[pool.submit(run, row, sources, options.out, target)] = row
            if not running:
                raise SystemExit(f"no reference in the table for: {waiting[0].key}")
            finished = wait(running, return_when=FIRST_COMPLETED).done.pop()
            row = running.pop(finished)
            line = pd.DataFrame([finished.result()])
            table = pd.concat([table, line], ignore_index=True) if len(table) else line
            write_table(table, options.csv)
            accuracy = line["network_accuracy"].iloc[0]
            print(*row.key, f"{accuracy:.3f}", f"{len(waiting) + len(running)} left", flush=True)


def _target(row: Row, table: pd.DataFrame) -> float | None:
    """Return the test rate a row matches, if it does and the table has it."""
    if not row.match:
        return None
    reference = [*row.match, row.data, row.seed]
    found = table.loc[(table[KEY] == reference).all(axis=1), "rate_test_e_hz"]
    return float(found.iloc[0]) if len(found) else None
