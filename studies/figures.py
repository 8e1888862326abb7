"""Draw the study's figures from its tables alone, without the stored results.

    .venv/bin/python studies/figures.py [--tables figures/paper] [--out figures/paper] [NAME ...]

A figure whose rows are not in the table yet is left out, and a line says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from foraging import GRIDS as FORAGING
from paper_search import ARMS, COMMON, SETTINGS
from reproduction import DATA, GRIDS
from sleep_replay import GRIDS as REPLAY
from surrogate import GRIDS as LAYERED

from brainsleep.experiment.protocol import load_protocol
from brainsleep.files.load import load_module
from brainsleep.results.result import Result
from brainsleep.results.table import read

#: Main conditions of the competitive network: the curves of labels.png.
MAIN = ("no homeostasis", "frozen weights", "scaled every image", "naps")

CLASSES = 10  # of both data sets: chance


class TableResult(Result):
    """A row of the table, read by figures as if it were a stored result.

    Parameters
    ----------
    info : dict
        Protocol, seed, run id, data and metrics.
    """

    def __init__(self, info: dict):
        super().__init__(Path(), info)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The classes, for chance; the table holds no other array."""
        return {"labels/test": np.arange(CLASSES)}


@cache
def described() -> dict[tuple[str, str, str], dict]:
    """Return the protocols of the study as plain data, by grid, condition and data set.

    An input that is scaled to match a rate is as before scaling.
    """
    by_place = {}
    for grid in (*GRIDS, *LAYERED, *REPLAY, *FORAGING):
        for row in grid.rows():
            place = row.grid, row.condition, Path(row.protocol.source).stem
            if place not in by_place:
                by_place[place] = row.protocol.describe()
    return by_place


@cache
def described_search() -> dict:
    """Return what is common to the runs of the search of the paper's network as plain data."""
    return load_protocol("controls").override(COMMON).describe()


def result(row: Mapping) -> TableResult:
    """Return a row of the table as what figures read."""
    searched = row["grid"].startswith("stage ")
    place = row["grid"], row["condition"], row["data"]
    numbers = {k: v for k, v in row.items() if isinstance(v, float | int) and pd.notna(v)}
    return TableResult(
        {
            "protocol": described_search() if searched else described()[place],
            "seed": int(row["seed"]),
            "run_id": row["run_id"],
            "data": {"name": row["data"].removesuffix("-noisy") if searched else row["data"]},
            "metrics": {k: float(v) for k, v in numbers.items()},
        }
    )


def labelled(table: pd.DataFrame, group: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a group's conditions `names` with their labels, in the order of `names`.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a run.
    group : str
        Their group.
    names : mapping of str to str
        Labels by condition.
    """
    kept = table[(table["grid"] == group) & table["condition"].isin(list(names))]
    kept = kept.assign(label=kept["condition"].map(names))
    place = {"condition": list(names), "data": [*DATA, *(f"{name}-noisy" for name in DATA)]}
    return kept.sort_values(
        ["condition", "data", "seed"],
        key=lambda column: column.map(place[column.name].index) if column.name in place else column,
    )


def conditions(group: str) -> dict[str, str]:
    """Return the conditions of a grid in the order in which the study runs them, by themselves."""
    return {c.name: c.name for grid in GRIDS if grid.name == group for c in grid.conditions}


def accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sleep sweep: by two readouts, and of more images; one label a curve."""
    names = dict.fromkeys(conditions("published"), "authors' procedure")
    theirs = labelled(table, "published", names)
    held_out = theirs.assign(
        label="held out, same networks",
        network_accuracy=theirs["held_out_accuracy"],
    )
    more = labelled(table, "6000 images", dict.fromkeys(names, "held out, 6000 images"))
    return pd.concat([theirs, held_out, more])


def every(group: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what chooses all rows of a group."""
    return lambda table: labelled(table, group, conditions(group))


def main_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """Return the main conditions of the competitive network."""
    return labelled(table, "competitive", {name: name for name in MAIN})


def thresholds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the main conditions at every step of the threshold, one label a condition."""
    names = {c: c.partition(", ")[2] for c in conditions("thresholds")}
    return pd.concat([main_conditions(table), labelled(table, "thresholds", names)])


def layered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the authors' surrogate-gradient network."""
    return table[table["grid"] == "sg_snn"].assign(label="here")


def replayed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of sleep replay consolidation, conditions in the order of the study."""
    order = [c.name for c in REPLAY[0].conditions]
    chosen = table[table["grid"].isin([grid.name for grid in REPLAY])]
    chosen = chosen.assign(label=chosen["condition"], place=chosen["condition"].map(order.index))
    return chosen.sort_values(["place", "data", "seed"], ascending=[True, False, True])


def foraged(table: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the foraging tasks, conditions in the order of the study."""
    order = [c.name for c in FORAGING[0].conditions]
    chosen = table[table["grid"] == FORAGING[0].name]
    chosen = chosen.assign(label=chosen["condition"], place=chosen["condition"].map(order.index))
    return chosen.sort_values(["place", "seed"])


def searched(table: pd.DataFrame) -> pd.DataFrame:
    """Return sleep and its two controls of every stage of the search of the paper's network."""
    conditions_of = [f"{setting} / {arm}" for setting in SETTINGS for arm in ARMS]
    stages = [
        labelled(table, stage, {name: f"{stage} / {name}" for name in conditions_of})
        for stage in ("stage 1", "stage 2", "stage 3")
    ]
    return pd.concat(stages)


#: By file: the figure that draws it, and what chooses its rows.
FIGURES = {
    "accuracy": ("accuracy", accuracy),
    "surrogate": ("accuracy", layered),
    "controls": ("controls", every("controls")),
    "competitive": ("controls", every("competitive")),
    "labels": ("labels", main_conditions),
    "thresholds": ("sensitivity", thresholds),
    "textbook": ("controls", every("textbook")),
    "inhibition": ("controls", every("inhibition")),
    "sleep_replay": ("sleep_replay", replayed),
    "paper_search": ("margins", searched),
    "foraging": ("foraging", foraged),
}


def main() -> None:
    """Draw every figure that the table has rows for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, default=Path("figures/paper"))
    parser.add_argument("--out", type=Path, default=Path("figures/paper"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to draw; default: all")
    arguments = parser.parse_args()
    names = ("runs", "surrogate", "sleep_replay", "paper_search", "foraging")
    paths = [arguments.tables / f"{name}.csv" for name in names]
    tables = [read(path) for path in paths if path.exists()]
    table = pd.concat(tables, ignore_index=True).copy()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or FIGURES:
        figure, choose = FIGURES[name]
        shown = choose(table)
        path = arguments.out / f"{name}.png"
        if not len(shown):
            print(f"{path}: left out, the table has no rows for it yet")
            continue
        results = [result(row) for row in shown.to_dict("records")]
        drawing = load_module(figure, "figure").draw(results, shown["label"].tolist())
        drawing.savefig(path, dpi=200, metadata={"Software": None})
        print(f"{path}: {len(shown)} runs")


if __name__ == "__main__":
    main()
