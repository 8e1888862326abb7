"""Summarise the study's table as Markdown: mean, spread and interval over seeds by condition.

.venv/bin/python studies/tabulate.py [figures/paper/runs.csv]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from brainsleep.statistics import effect_size, seed_spread

#: Condition each group's effect sizes are taken against.
REFERENCE = {
    "released": "0% sleep",
    "textbook": "0% sleep",
    "controls": "sleep",
    "competitive": "naps",
}


def tabulate(table: pd.DataFrame) -> str:
    """Return one Markdown table a group and data set, conditions in the order of their accuracy.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a run, as written by ``studies/reproduction.py``.
    """
    parts = []
    for (group, data), rows in table.groupby(["group", "data"], sort=True):
        reference = rows[rows["condition"] == REFERENCE[group]].set_index("seed")
        few = [c for c in ("50", "100", "300") if rows[f"network_accuracy_{c}"].notna().any()]
        heads = ["condition", "n", "accuracy %", "sd", "95 % interval", "g to reference",
                 "saturated %", "E rate in test (Hz)", *(f"{c} labels %" for c in few)]  # fmt: skip
        lines = [f"### {group}, {data} (reference: {REFERENCE[group]})", "",
                 "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]  # fmt: skip
        by_accuracy = rows.groupby("condition")["network_accuracy"].mean().sort_values()
        for condition in by_accuracy.index[::-1]:
            chosen = rows[rows["condition"] == condition]
            lines.append("| " + " | ".join(_cells(chosen, reference, few)) + " |")
        pixels = rows.groupby("seed")["pixels_accuracy"].first()
        cells = ["*raw pixels*", str(len(pixels)), *_spread(100 * pixels.to_numpy()), "", "", ""]
        cells += [f"{100 * rows[f'pixels_accuracy_{c}'].mean():.1f}" for c in few]
        lines.append("| " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _spread(values: np.ndarray) -> list[str]:
    if len(values) < 2:
        return [f"{values.mean():.1f}", "-", "-"]
    spread = seed_spread(values)
    low, high = spread.low, spread.high
    return [f"{spread.mean:.1f}", f"{spread.sd:.1f}", f"{low:.1f} to {high:.1f}"]


def _cells(rows: pd.DataFrame, reference: pd.DataFrame, few: list[str]) -> list[str]:
    accuracy = 100 * rows["network_accuracy"].to_numpy()
    effect = "-"
    if min(len(accuracy), len(reference)) > 1 and rows["condition"].iloc[0] != "":
        g = effect_size(accuracy, 100 * reference["network_accuracy"].to_numpy())
        effect = f"{g:+.1f}" if np.isfinite(g) else "-"
    return [
        rows["condition"].iloc[0],
        str(len(rows)),
        *_spread(accuracy),
        effect,
        f"{100 * rows['saturated'].mean():.1f}",
        f"{rows['rate_test_e_hz'].mean():.1f}",
        *(f"{100 * rows[f'network_accuracy_{c}'].mean():.1f}" for c in few),
    ]


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "figures/paper/runs.csv")
    print(tabulate(pd.read_csv(path)), end="")
