"""Write the study's tables: mean, spread, interval and effect over seeds by condition.

    .venv/bin/python studies/tabulate.py [--check]

In the pages of `PAGES` everything between a line ``<!-- table: GROUP, DATA -->`` and the next line
``<!-- end -->`` is replaced; with ``--check`` nothing is written and a difference is an error.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from paper_search import ARMS

from brainsleep.analysis.statistics import effect_size, seed_spread
from brainsleep.figures.accuracy import authors_values
from brainsleep.models.massey2026 import PAPER, PAPER_JANUARY
from brainsleep.results.table import read

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    ROOT / "docs" / f"{name}.md"
    for name in (
        *("reproduction", "competitive_search", "paper_search", "continual"),
        "what_sleep_gives",
    )
)

#: Condition that the differences and effect sizes of a group are taken against. Where a condition
#: names a share of sleep (``rest, 10%``) it is the one that names it, too (``sleep, 10%``).
REFERENCE = {
    "controls": "sleep, 20%",
    "january": "0% sleep",
    "textbook": "",
    "competitive": "naps",
    "first choice": "naps",
    "noisy": "naps",
    "shifted": "naps",
}

#: The paper's network by its settings.
NETWORKS = {"table": PAPER, "January": PAPER_JANUARY}

MARKED = re.compile(r"(<!-- table: ([^\n]+), (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def tables() -> dict[str, pd.DataFrame]:
    """Read the table of each page."""
    runs = {
        name: read(ROOT / f"figures/paper/{name}.csv")
        for name in (
            *("runs", "search", "paper_search", "surrogate", "continual"),
            *("sleep_replay", "unlearning", "foraging"),
        )
        if (ROOT / f"figures/paper/{name}.csv").exists()
    }
    return {
        "reproduction.md": pd.concat([runs["runs"], runs["surrogate"]], ignore_index=True),
        "competitive_search.md": runs["search"],
        "paper_search.md": runs["paper_search"],
        "continual.md": runs["continual"],
        "what_sleep_gives.md": pd.concat(
            [runs[name] for name in ("sleep_replay", "unlearning", "foraging") if name in runs],
            ignore_index=True,
        ),
    }


#: Grids of surrogate-gradient networks, and of tasks: their tables have columns of their own.
LAYERED = ("sg_snn", "sg_snn_28", "sg_snn_decay")
TASKS = ("sg_snn tasks", "competitive tasks")
REPLAY = ("sleep replay, MNIST", "sleep replay, Fashion-MNIST")

#: Stages of the search of the paper's network: settings beside each other, and the arms of one.
STAGES, FINAL_STAGE = ("stage 1", "stage 2"), "stage 3"
READOUTS = ["all", "few"]


def updated(text: str, table: pd.DataFrame) -> str:
    """Return a page's text with every table in it made anew from the runs in `table`."""

    def fill(match: re.Match) -> str:
        start, group, data, _, end = match.groups()
        if group == "authors":
            return f"{start}\n{beside_authors(table, data)}\n{end}"
        if group == "networks":
            return f"{start}\n{networks(table, data)}\n{end}"
        if data == "recall":
            return f"{start}\n{recall_table(table[table['grid'] == group])}\n{end}"
        if data == "shares":
            return f"{start}\n{foraging_table(table[table['grid'] == group])}\n{end}"
        if group in STAGES:
            return f"{start}\n{margins(arms(table, group, data))}\n{end}"
        if group == FINAL_STAGE:
            return f"{start}\n{tested(arms(table, group, data))}\n{end}"
        chosen = table[(table["grid"] == group) & (table["data"] == data)]
        if group in LAYERED:
            return f"{start}\n{against_sleep(chosen, group, data)}\n{end}"
        if group in REPLAY:
            return f"{start}\n{replay_table(chosen)}\n{end}"
        if group in TASKS:
            return f"{start}\n{task_table(chosen)}\n{end}"
        return f"{start}\n{tabulate(chosen, REFERENCE.get(group, ''))}\n{end}"

    return MARKED.sub(fill, text)


def tabulate(rows: pd.DataFrame, reference: str) -> str:
    """Return one Markdown table, conditions in the order of their accuracy.

    Parameters
    ----------
    rows : pandas.DataFrame
        One row a run, of one group and data set.
    reference : str
        Condition to compare with, seed by seed; '' for none.
    """
    few = [c for c in ("50", "100", "300") if rows[f"network_accuracy_{c}"].notna().any()]
    several = rows.groupby("condition")["seed"].nunique().max() > 1
    heads = ["condition"]
    heads += ["n", "accuracy %", "sd", "95 % interval"] if several else ["accuracy %"]
    same = " (or of the same share)" if any(map(_share, rows["condition"])) else ""
    heads += [f"less '{reference}'{same}, same seed", "g"] if several and reference else []
    heads += [*(f"{c} labels" for c in few), "saturated %", "E Hz in test"]
    names = set(rows["condition"])
    means = rows.groupby("condition", sort=False)["network_accuracy"].mean()
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for condition in means.sort_values(ascending=False, kind="stable").index:
        chosen = rows[rows["condition"] == condition]
        cells = [condition, *_accuracy(chosen["network_accuracy"], several)]
        if several and reference:
            own = _reference(condition, reference, names)
            compared = rows[rows["condition"] == own].set_index("seed")["network_accuracy"]
            cells += _effect(chosen, compared) if condition != own else ["", ""]
        cells += [f"{100 * chosen[f'network_accuracy_{c}'].mean():.1f}" for c in few]
        cells += [f"{100 * chosen['saturated'].mean():.1f}"]
        cells += [f"{chosen['rate_test_e_hz'].mean():.3g}"]
        lines.append("| " + " | ".join(cells) + " |")
    pixels = rows.groupby("seed").first()
    cells = ["*raw pixels*", *_accuracy(pixels["pixels_accuracy"], several)]
    cells += ["", ""] if several and reference else []
    cells += [f"{100 * pixels[f'pixels_accuracy_{c}'].mean():.1f}" for c in few]
    lines.append("| " + " | ".join([*cells, "", ""]) + " |")
    return "\n".join(lines) + "\n"


def _share(condition: str) -> str:
    """Return the share of sleep that a condition ends with, such as ``10%``; '' for none."""
    match = re.search(r", (?:\w+ of )?(\d+%)$", condition)
    return match[1] if match else ""


def _reference(condition: str, reference: str, names: set[str]) -> str:
    """Return what a condition is compared with."""
    own = f"{reference.partition(', ')[0]}, {_share(condition)}"
    return own if own in names else reference


def beside_authors(runs: pd.DataFrame, data: str) -> str:
    """Return a Markdown table of accuracy by sleep fraction: the authors', and ours.

    A sleep lasts at most 10 s, so ours at 30 % (28.6 %, in fact) is also what every larger fraction
    gives. The last columns have another readout of the same networks.
    """
    authors = authors_values(data)
    ours = runs[(runs["grid"] == "published") & (runs["data"] == data)]
    lines = [
        "| sleep | authors %: mean, sd | their procedure here %: mean, sd, 95 % interval "
        "| difference | in pooled sd | held-out readout, same networks %: mean, sd |",
        "|---" * 6 + "|",
    ]
    for percent in range(0, 101, 10):
        theirs = authors.loc[authors["sleep_percent"] == percent, "accuracy_percent"].to_numpy()
        chosen = ours[ours["condition"] == f"{min(percent, 30)}% sleep"]
        mine = 100 * chosen["network_accuracy"].to_numpy()
        _, mean, sd, interval = _accuracy(chosen["network_accuracy"], True)
        pooled = np.sqrt((theirs.var(ddof=1) + mine.var(ddof=1)) / 2)
        difference = mine.mean() - theirs.mean()
        _, held_out, spread, _ = _accuracy(chosen["held_out_accuracy"], True)
        lines.append(
            f"| {percent} % | {theirs.mean():.1f}, {theirs.std(ddof=1):.1f} "
            f"| {mean}, {sd}, {interval} | {difference:+.1f} | {difference / pooled:+.1f} "
            f"| {held_out}, {spread} |"
        )
    return "\n".join(lines) + "\n"


def networks(runs: pd.DataFrame, data: str) -> str:
    """Return a Markdown table of what the paper's networks are after training, mean and sd."""
    lines = [
        "| settings | images | sleep | n | E Hz in test | I Hz in test | saturated % "
        "| mean w: in, EE, EI, IE | their readout % | held-out readout % |",
        "|---" * 10 + "|",
    ]
    places = {
        "published": ("table", "300, up to 20 times"),
        "different images": ("table", "1200"),
        "6000 images": ("table", "6000"),
        "january published": ("January", "300, 20 times"),
        "january": ("January", "1200"),
    }
    for grid, (settings, images) in places.items():
        rows = runs[(runs["grid"] == grid) & (runs["data"] == data)]
        starts = {p.name: p.weights.low for p in NETWORKS[settings].projections}
        for condition, chosen in rows.groupby("condition", sort=False):
            weights = [f"{(w * chosen[f'growth_{p}']).mean():.1f}" for p, w in starts.items()]
            both = chosen["held_out_accuracy"].notna().all()
            own = "held_out_accuracy" if both else "network_accuracy"
            theirs = _spread(chosen["network_accuracy"]) if both else "-"
            cells = [settings, images, condition.removesuffix(" sleep"), str(len(chosen))]
            cells += [_spread(chosen[f"rate_test_{p}_hz"], 1, 0) for p in ("e", "i")]
            cells += [_spread(chosen["saturated"]), "/".join(weights), theirs]
            lines.append("| " + " | ".join([*cells, _spread(chosen[own])]) + " |")
    return "\n".join(lines) + "\n"


def _spread(values: pd.Series, factor: float = 100, digits: int = 1) -> str:
    """Return mean and standard deviation."""
    scaled = factor * values.to_numpy(float)
    sd = f", {scaled.std(ddof=1):.{digits}f}" if len(scaled) > 1 else ""
    return f"{scaled.mean():.{digits}f}{sd}"


def against_sleep(rows: pd.DataFrame, group: str, data: str) -> str:
    """Return a Markdown table of a surrogate-gradient network by sleep fraction.

    The authors have one table for the network, whichever size its images were.
    """
    authors = authors_values(data, "sg_snn_decay" if group == "sg_snn_decay" else "sg_snn")
    lines = [
        "| sleep | n | accuracy % | sd | 95 % interval | less no sleep, same seed "
        "| hidden Hz in test | weights / start | authors %: mean, sd |",
        "|---" * 9 + "|",
    ]
    compared = rows[rows["sleep_fraction"] == 0].set_index("seed")["network_accuracy"]
    for fraction, chosen in rows.groupby("sleep_fraction"):
        theirs = authors.loc[authors["sleep_percent"] == 100 * fraction, "accuracy_percent"]
        cells = [f"{100 * fraction:.0f} %", *_accuracy(chosen["network_accuracy"], True)]
        cells += _effect(chosen, compared)[:1] if fraction else [""]
        cells += [f"{chosen['rate_test_hidden_hz'].mean():.3g}", f"{chosen['growth'].mean():.2f}"]
        cells += [f"{theirs.mean():.1f}, {theirs.std(ddof=1):.1f}" if len(theirs) else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def task_table(rows: pd.DataFrame) -> str:
    """Return a Markdown table of conditions of one network learning task after task."""
    kinds = [k for k in ("refitted", "fixed", "own") if rows.get(f"tasks_{k}_accuracy") is not None]
    kinds = [k for k in kinds if rows[f"tasks_{k}_accuracy"].notna().any()]
    of = "e" if rows["participation_ratio_e"].notna().any() else "hidden"
    columns = {f"{kind}: accuracy %": (f"tasks_{kind}_accuracy", 100, 1) for kind in kinds}
    columns |= {f"{kind}: forgetting": (f"tasks_{kind}_forgetting", 100, 1) for kind in kinds}
    columns |= {
        "dimension": (f"participation_ratio_{of}", 1, 1),
        "similarity": (f"similarity_{of}", 1, 2),
        "dead %": (f"dead_{of}", 100, 0),
        "Hz in test": (f"rate_test_{of}_hz", 1, 0),
    }
    lines = ["| condition | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for condition, chosen in rows.groupby("condition", sort=False):
        cells = []
        for column, factor, digits in columns.values():
            spread = seed_spread(factor * chosen[column].dropna().to_numpy())
            text = f"{spread.mean:.{digits}f}"
            if column.startswith("tasks_"):
                text += f" [{spread.min:.{digits}f}, {spread.max:.{digits}f}]"
            cells.append(text if spread.n else "-")
        lines.append("| " + " | ".join([condition, *cells]) + " |")
    return "\n".join(lines) + "\n"


#: Columns of a table of sleep replay: metric, factor and digits by title.
REPLAY_COLUMNS = {
    "accuracy %": ("relu_accuracy", 100, 1),
    "before the last sleep": ("relu_accuracy_before", 100, 1),
    "calibrated %": ("relu_calibrated", 100, 1),
    "nearest mean %": ("relu_nearest", 100, 1),
    "no answer %": ("relu_silent", 100, 1),
    "spikes a sleep: hidden 1": ("relu_spikes_hidden_1", 1, 2),
    "hidden 2": ("relu_spikes_hidden_2", 1, 2),
    "output": ("relu_spikes_output", 1, 2),
}


def replay_table(rows: pd.DataFrame) -> str:
    """Return a Markdown table of conditions of a ReLU network that sleeps: mean, 95 % interval."""
    heads = ["condition", "n", *REPLAY_COLUMNS]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for condition, chosen in rows.groupby("condition", sort=False):
        cells = [str(condition), str(len(chosen))]
        for title, (column, factor, digits) in REPLAY_COLUMNS.items():
            spread = seed_spread(factor * chosen[column].dropna().to_numpy(float))
            text = f"{spread.mean:.{digits}f}" if spread.n else "-"
            if title in ("accuracy %", "calibrated %") and spread.n > 1:
                low, high = max(spread.low, 0), min(spread.high, 100)
                text += f" [{low:.{digits}f}, {high:.{digits}f}]"
            cells.append(text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def arms(table: pd.DataFrame, stage: str, data: str) -> pd.DataFrame:
    """Return a stage of the search of the paper's network on a data set, clean or noisy.

    Columns `setting` and `arm` are what the condition consists of, `few` is the mean accuracy with
    fewer labels than all.
    """
    data_of = table["data"].str.removesuffix("-noisy")
    rows = table[(table["grid"] == stage) & (data_of == data)].copy()
    named = rows["condition"].str.split(" / ", expand=True)
    few = rows[["network_accuracy_50", "network_accuracy_100"]].mean(axis=1)
    return rows.assign(setting=named[0], arm=named[1], few=few, all=rows["network_accuracy"])


def mean_margins(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what sleep is above the better of its controls in points, mean over seeds.

    One row a setting, in their order; a column a readout, `all` and `few`.
    """
    found = {}
    for setting, chosen in rows.groupby("setting", sort=False):
        by_arm = {arm: each.set_index("seed") for arm, each in chosen.groupby("arm")}
        found[setting] = {
            r: 100 * (by_arm["sleep"][r] - np.maximum(*(by_arm[a][r] for a in ARMS[1:]))).mean()
            for r in READOUTS
        }
    return pd.DataFrame.from_dict(found, orient="index", columns=READOUTS)


def margins(rows: pd.DataFrame) -> str:
    """Return a Markdown table of settings, in the order of the larger of their two margins."""
    heads = ["setting", "n"]
    heads += [f"{readout}: {what}" for readout in READOUTS for what in (*ARMS, "margin")]
    heads += ["E Hz in test: " + ", ".join(ARMS)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    by_setting = mean_margins(rows)
    order = by_setting.max(axis=1).sort_values(ascending=False, kind="stable").index
    for setting in order:
        chosen = rows[rows["setting"] == setting]
        means = chosen.groupby("arm")[[*READOUTS, "rate_test_e_hz"]].mean()
        cells = [setting, str(chosen["seed"].nunique())]
        for readout in READOUTS:
            cells += [f"{100 * means.loc[arm, readout]:.1f}" for arm in ARMS]
            cells += [f"{by_setting.loc[setting, readout]:+.1f}"]
        cells += [", ".join(f"{means.loc[arm, 'rate_test_e_hz']:.3g}" for arm in ARMS)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def recall_table(rows: pd.DataFrame) -> str:
    """Return a Markdown table of recall before and after sleep, a row a condition and cue."""
    shown = [c.rpartition("_")[2] for c in rows if re.fullmatch(r"recall_after_\d+", c)]
    shown = [flips for flips in shown if rows[f"recall_after_{flips}"].notna().any()]
    shown.sort(key=int)
    lines = [
        "| condition | cue wrong | n | overlap before | overlap after | sd | 95 % interval "
        "| recalled after | Hz in recall | overlap of dreams |",
        "|---" * 10 + "|",
    ]
    for condition, chosen in rows.groupby("condition", sort=False):
        for flips in shown:
            spread = seed_spread(chosen[f"recall_after_{flips}"].to_numpy())
            dreams = chosen["dream_overlap"].mean()
            cells = [condition, f"{flips} %", str(spread.n)]
            cells += [f"{chosen[f'recall_before_{flips}'].mean():.3f}", f"{spread.mean:.3f}"]
            cells += [f"{spread.sd:.3f}", f"{spread.low:.3f} to {spread.high:.3f}"]
            cells += [f"{100 * chosen[f'recalled_after_{flips}'].mean():.0f} %"]
            cells += [f"{chosen['recall_rate_after'].mean():.0f}"]
            cells += [f"{dreams:.2f}" if np.isfinite(dreams) else "-"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def foraging_table(rows: pd.DataFrame) -> str:
    """Return a Markdown table of what was learned of two foraging tasks, a row a condition.

    Learned is the share of rewarded particles less that of the same moves in fields unseen.
    """
    tests = [f"t{task}_{when}" for task in (1, 2) for when in ("before", "after")]
    learned = {test: rows[f"share_{test}"] - rows[f"blind_{test}"] for test in tests}
    kept = rows.copy().assign(**learned)
    awake = kept[kept["condition"] == "no sleep"].set_index("seed")
    lines = [
        "| condition | n | task 1 before | task 1: share, unseen | learned | less that of no sleep "
        "| task 2: share, unseen | learned |",
        "|---" * 8 + "|",
    ]
    for condition, chosen in kept.groupby("condition", sort=False):
        by_seed, cells = chosen.set_index("seed"), [str(condition), str(len(chosen))]
        cells.append(_learned(by_seed["t1_before"]))
        for test in ("t1_after", "t2_after"):
            shares = [f"{by_seed[f'{name}_{test}'].mean():.3f}" for name in ("share", "blind")]
            cells += [", ".join(shares), _learned(by_seed[test])]
            if test == "t1_after":
                than = "" if condition == "no sleep" else _learned(by_seed[test] - awake[test])
                cells.append(than)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _learned(values: pd.Series) -> str:
    """Return a mean difference of shares, and its 95 % interval if there are several values."""
    spread = seed_spread(values.dropna().to_numpy(float))
    interval = f" [{spread.low:+.3f}, {spread.high:+.3f}]" if spread.n > 1 else ""
    return f"{spread.mean:+.3f}{interval}"


def tested(rows: pd.DataFrame) -> str:
    """Return a Markdown table of the arms of one setting, and what sleep is above each."""
    heads = ["arm of '" + "', '".join(rows["setting"].unique()) + "'", "n"]
    heads += [f"{r}: {h}" for r in READOUTS for h in ("accuracy %", "sleep less it")]
    heads += ["E Hz in test", "saturated %"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    slept = rows[rows["arm"] == "sleep"].set_index("seed")
    for arm, chosen in rows.groupby("arm", sort=False):
        by_seed, cells = chosen.set_index("seed"), [arm, str(len(chosen))]
        for readout in READOUTS:
            cells += [_mean(by_seed[readout])]
            cells += ["" if arm == "sleep" else _mean(slept[readout] - by_seed[readout], "+")]
        cells += [f"{chosen['rate_test_e_hz'].mean():.3g}"]
        cells += [f"{100 * chosen['saturated'].mean():.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    cells = ["*raw pixels*", str(len(slept))]
    few = slept[["pixels_accuracy_50", "pixels_accuracy_100"]].mean(axis=1)
    for readout, pixels in zip(READOUTS, (slept["pixels_accuracy"], few), strict=True):
        cells += [_mean(pixels), _mean(slept[readout] - pixels, "+")]
    return "\n".join([*lines, "| " + " | ".join([*cells, "", ""]) + " |"]) + "\n"


def _mean(values: pd.Series, sign: str = "") -> str:
    """Return a mean in per cent, and its 95 % interval if there are at least three values."""
    spread = seed_spread(100 * values.dropna().to_numpy())
    interval = f" [{spread.low:{sign}.1f}, {spread.high:{sign}.1f}]" if spread.n > 2 else ""
    return f"{spread.mean:{sign}.1f}{interval}"


def _accuracy(values: pd.Series, several: bool) -> list[str]:
    spread = seed_spread(100 * values.to_numpy())
    if not several:
        return [f"{spread.mean:.1f}"]
    if spread.n < 2:
        return [str(spread.n), f"{spread.mean:.1f}", "", ""]
    low, high = max(spread.low, 0), min(spread.high, 100)
    return [str(spread.n), f"{spread.mean:.1f}", f"{spread.sd:.1f}", f"{low:.1f} to {high:.1f}"]


def _effect(chosen: pd.DataFrame, compared: Mapping) -> list[str]:
    """Return the difference to the reference over the seeds both have, and Hedges' g."""
    own = chosen.set_index("seed")["network_accuracy"]
    seeds = own.index.intersection(compared.index)
    if len(seeds) < 2:
        return ["", ""]
    one, other = (100 * values.loc[seeds].to_numpy() for values in (own, compared))
    spread = seed_spread(one - other)
    g = effect_size(one, other)
    text = f"{spread.mean:+.1f} ({spread.low:+.1f} to {spread.high:+.1f})"
    return [text, f"{g:+.1f}" if np.isfinite(g) else ""]


def main() -> None:
    """Update the pages, or check that they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check, read = parser.parse_args().check, tables()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        made = updated(text, read[page.name])
        if made == text:
            continue
        if check:
            sys.exit(f"{page}: its tables are not those of the runs; run studies/tabulate.py")
        page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
