"""Damage files that commands read, and see what the commands make of them.

A damaged file must be refused in one line (exit code 2), or not matter (the same output), or, for
files that people write and that have no checksum, be taken for what it now says.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import struct
import sys
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from unittest import mock

import numpy as np
from PIL import Image

from brainsleep.backends.cpp import cache
from brainsleep.backends.cpp.build import find_compiler
from brainsleep.cli import app as cli
from brainsleep.files.atomic import content_hash
from brainsleep.run import loop as run
from brainsleep.tasks.images.datafiles import IDX_FILES

from .commands import STUDY
from .state import outcomes

REFUSED, SAME, OTHER = "refused, exit code 2", "no difference", "taken for other content"


# -- damage ------------------------------------------------------------------------------------


def damaged(data: bytes, chosen: random.Random) -> bytes:
    """Return bytes with one thing wrong with them."""
    return chosen.choice(_DAMAGE)(bytearray(data), chosen)


def _flip(data: bytearray, chosen: random.Random) -> bytes:
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    return bytes(data)


def _scatter(data: bytearray, chosen: random.Random) -> bytes:
    for _ in range(8):
        data[chosen.randrange(len(data))] = chosen.randrange(256)
    return bytes(data)


def _cut(data: bytearray, chosen: random.Random) -> bytes:
    return bytes(data[: chosen.randrange(len(data))])


def _lengthen(data: bytearray, chosen: random.Random) -> bytes:
    return bytes(data) + chosen.randbytes(chosen.randint(1, 100))


def _blank(data: bytearray, chosen: random.Random) -> bytes:
    at = chosen.randrange(len(data))
    end = min(len(data), at + chosen.choice((4, 64, 4096)))
    data[at:end] = bytes(end - at)
    return bytes(data)


def _drop(data: bytearray, chosen: random.Random) -> bytes:
    at = chosen.randrange(len(data))
    del data[at : at + chosen.choice((1, 4, 64))]
    return bytes(data)


def _repeat(data: bytearray, chosen: random.Random) -> bytes:
    at = chosen.randrange(len(data))
    data[at:at] = data[at : at + chosen.choice((1, 4, 64))]
    return bytes(data)


def _huge(data: bytearray, chosen: random.Random) -> bytes:
    """Put a huge number somewhere near the beginning, where headers are."""
    at = chosen.randrange(min(64, len(data)))
    data[at : at + 4] = chosen.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"9999"))
    return bytes(data)


_DAMAGE = (_flip, _scatter, _cut, _lengthen, _blank, _drop, _repeat, _huge)


def forged(data: bytes, chosen: random.Random) -> bytes:
    """Change one entry of a ``result.json`` and make its checksum right again."""
    info = json.loads(data)
    place = info
    if chosen.random() < 0.5:
        place = info[chosen.choice(("metrics", "timings", "data", "versions", "protocol"))]
    name = chosen.choice([name for name in place if name != "checksum"])
    if chosen.random() < 0.5:
        del place[name]
    else:
        place[name] = chosen.choice((None, [], {}, "x", -1, 1e308, True, "[red]"))
    info["checksum"] = content_hash(info)
    return json.dumps(info).encode()


def rezipped(data: bytes, chosen: random.Random) -> bytes:
    """Damage one member of a zip and make its checksum right again."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        bad = chosen.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, damaged(old.read(name), chosen) if name == bad else old.read(name))
    return made.getvalue()


# -- files and the commands that read them -----------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A file, the command that reads it, and what may come of damaging it.

    Parameters
    ----------
    file : Path
        What is damaged.
    words : list of str
        The command.
    seen : callable
        ``seen()`` returns what the command has found besides its output.
    allowed : tuple of str
        Outcomes that are as promised.
    damage : callable
        How it is damaged.
    prepare : callable
        Called before the command, once the file is damaged.
    """

    file: Path
    words: list[str]
    seen: Callable[[], object] = lambda: None
    allowed: tuple[str, ...] = (REFUSED, SAME)
    damage: Callable[[bytes, random.Random], bytes] = damaged
    prepare: Callable[[], object] = lambda: None


@dataclass
class Found:
    """What came of it: counts by kind of file and outcome, and whatever was not as promised."""

    outcomes: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def call(words: list[str]) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, output, and errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["brainsleep", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException:
            traceback.print_exc(file=err)
            code = 70
    return code, out.getvalue(), err.getvalue()


class Mutations:
    """Files of every kind that is read, each with its command.

    Parameters
    ----------
    root : Path
        An empty folder.
    seed : int
        Of what is damaged and how.
    """

    #: Of 200 files; what is left goes to the first kind.
    SHARES: ClassVar = {
        "IDX images": 20,
        "IDX labels": 10,
        "IDX images, gzip": 16,
        "PNG": 15,
        "NPZ of data": 16,
        "NPZ of data, zipped again": 15,
        "result.json": 20,
        "result.json, checksum made right": 20,
        "arrays.npz": 15,
        "checkpoint": 14,
        "grid (TOML)": 15,
        "notes of a sweep": 6,
        "table (CSV)": 14,
        "compiled program": 4,
    }

    def __init__(self, root: Path, seed: int = 0):
        self.root, self.random = root, random.Random(seed)
        self.study = root / "study.py"
        self.study.write_text(STUDY)
        self._before: dict[str, tuple[bytes, tuple]] = {}

    def run(self, files: int) -> Found:
        """Damage so many files, one after the other."""
        found = Found()
        whole = sum(self.SHARES.values())
        counts = {kind: files * share // whole for kind, share in self.SHARES.items()}
        counts["IDX images"] += files - sum(counts.values())
        with mock.patch.dict("os.environ", {"BRAINSLEEP_CACHE": str(self.root / "cache")}):
            for kind, n in counts.items():
                if kind == "compiled program" and not find_compiler():
                    continue
                target = getattr(self, f"_{_method(kind)}")() if n else None
                for _ in range(n):
                    self._one(kind, target, found)
        return found

    def _one(self, kind: str, target: Target, found: Found) -> None:
        """Damage a file, call its command, note the outcome, and put the file back."""
        if kind not in self._before:
            whole = target.file.read_bytes()
            target.prepare()
            code, out, err = call(target.words)
            assert code == 0, f"{kind}: {err}"
            self._before[kind] = whole, (out, target.seen())
        whole, expected = self._before[kind]
        bad = target.damage(whole, self.random)
        self._put(target.file, bad)
        target.prepare()
        code, out, err = call(target.words)
        outcome = {2: REFUSED, 0: SAME if (out, target.seen()) == expected else OTHER}.get(code, "")
        found.outcomes[kind, outcome or f"exit code {code}"] += 1
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        if outcome not in target.allowed or "Traceback" in err or len(lines) != (code == 2):
            kept = self.root / f"problem{len(found.problems)}"
            kept.write_bytes(bad)
            found.problems.append(f"{kind}: {outcome or code}: {err or out}")
        self._put(target.file, whole)

    @staticmethod
    def _put(file: Path, data: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)  # a command may have taken it away
        file.unlink(missing_ok=True)  # or may be running it
        file.write_bytes(data)
        file.chmod(0o755)

    # -- data ----------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, np.ndarray]:
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (90, 8, 8), dtype=np.uint8)
        return {"images": images, "labels": np.arange(90, dtype=np.int64) % 10}

    def _rows(self, source: Path) -> list[str]:
        """Return the command that reads data and gives the id of the run on it."""
        return [
            "sweep",
            "plan",
            str(self.study),
            "--data",
            str(source),
            "--backend",
            "numpy",
            "--json",
        ]

    def _idx(self, name: str, packed: bool = False) -> tuple[Path, list[str]]:
        folder = self.root / f"idx-{name}-{packed}"
        folder.mkdir()
        for key, array in self._arrays().items():
            array = array.astype(np.uint8)
            data = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            data += array.tobytes()
            ending = ".gz" if packed else ""
            path = folder / f"{IDX_FILES[key]}{ending}"
            path.write_bytes(gzip.compress(data) if packed else data)
        return folder / (IDX_FILES[name] + (".gz" if packed else "")), self._rows(folder)

    def _idx_images(self) -> Target:
        return Target(*self._idx("images"), allowed=(REFUSED, SAME, OTHER))

    def _idx_labels(self) -> Target:
        return Target(*self._idx("labels"), allowed=(REFUSED, SAME, OTHER))

    def _idx_images_gzip(self) -> Target:
        return Target(*self._idx("images", packed=True))

    def _png(self) -> Target:
        folder = self.root / "png"
        arrays = self._arrays()
        for k, (image, label) in enumerate(zip(*arrays.values(), strict=True)):
            path = folder / "ABCDEFGHIJ"[label] / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        return Target(folder / "C" / "2.png", self._rows(folder))

    def _npz_of_data(self) -> Target:
        path = self.root / f"data{len(self._before)}.npz"
        np.savez_compressed(path, **self._arrays())
        return Target(path, self._rows(path))

    def _npz_of_data_zipped_again(self) -> Target:
        path = self._npz_of_data()
        return Target(path.file, path.words, allowed=(REFUSED, SAME, OTHER), damage=rezipped)

    # -- results -------------------------------------------------------------------------------

    def _run(self, out: Path, backend: str = "numpy") -> list[str]:
        return ["run", str(self.study), "--backend", backend, "--seed", "1", "--out", str(out)]

    def _result(self) -> Path:
        out = self.root / "results"
        code, _, err = call(self._run(out))
        assert code == 0, err
        return next(path.parent for path in out.glob("*/result.json"))

    def _result_json(self) -> Target:
        folder = self._result()
        return Target(folder / "result.json", ["info", str(folder)])

    def _result_json_checksum_made_right(self) -> Target:
        """Nothing tells a forged result from another one; it must only not do any harm."""
        folder, table = self._result(), self.root / "forged.csv"
        words = ["table", str(folder.parent), "--out", str(table)]
        allowed = (REFUSED, SAME, OTHER)
        return Target(folder / "result.json", words, table.read_text, allowed, forged)

    def _arrays_npz(self) -> Target:
        folder = self._result()
        return Target(folder / "arrays.npz", ["info", str(folder)])

    def _checkpoint(self) -> Target:
        """A run that was interrupted; whatever its checkpoint is, its result is the same."""
        out, advance, calls = self.root / "resumed", run.Run._advance, []

        def interrupted(self, last):
            calls.append(last)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return advance(self, last)

        with mock.patch.object(run.Run, "_advance", interrupted):
            assert call(self._run(out))[0] == 130
        (file,) = out.glob(".*.partial/checkpoint.npz")

        def prepare() -> None:
            for path in out.glob("[0-9a-f]*"):
                shutil.rmtree(path)

        return Target(file, self._run(out), lambda: outcomes(out), (SAME,), _either, prepare)

    # -- sweeps --------------------------------------------------------------------------------

    def _grid_toml(self) -> Target:
        path = self.root / "grid.toml"
        path.write_text(
            f'name = "grid"\nprotocol = "{self.study}"\nseeds = 3\nbackend = "numpy"\n\n'
            '[set]\n"schedule.sleep.max_duration" = "2*second"\n\n'
            '[over]\n"schedule.sleep.fraction" = [0.1, 0.2]\n"data.n_train" = [4, 8]\n'
        )
        return Target(path, ["sweep", "plan", str(path), "--json"], allowed=(REFUSED, SAME, OTHER))

    def _notes_of_a_sweep(self) -> Target:
        from brainsleep.sweep.grid import Grid, addressed
        from brainsleep.sweep.ledger import write_manifest

        out = self.root / "swept"
        grid = Grid(name="grid", protocol=str(self.study), seeds=3, backend="numpy")
        write_manifest(out, addressed(grid.rows()))
        (file,) = out.glob(".sweep/grids/*.json")
        words = ["sweep", "status", str(out)]
        return Target(file, words, allowed=(REFUSED, SAME, OTHER))

    def _table_csv(self) -> Target:
        path = self.root / "runs.csv"
        draw = np.random.default_rng(0)
        lines = ["model,data,seed,sleep_fraction,network_accuracy"]
        for seed in range(4):
            for fraction in (0.0, 0.1, 0.2):
                accuracy = 0.6 + fraction + 0.05 * draw.random()
                lines.append(f"net,digits,{seed},{fraction},{accuracy:.4f}")
        path.write_text("\n".join(lines) + "\n")
        return Target(path, ["statistics", str(path)], allowed=(REFUSED, SAME, OTHER))

    # -- programs ------------------------------------------------------------------------------

    def _compiled_program(self) -> Target:
        """A program in the cache that is damaged is compiled again."""
        out = self.root / "compiled"
        code, _, err = call(self._run(out, "cpp"))
        assert code == 0, err
        (folder,) = (entry.path for entry in cache.entries())
        file = folder / self.random.choice(("main", "layout.json"))

        def prepare() -> None:
            shutil.rmtree(out, ignore_errors=True)

        words = self._run(out, "cpp")
        return Target(file, words, lambda: outcomes(out), (SAME,), prepare=prepare)


def _either(data: bytes, chosen: random.Random) -> bytes:
    return chosen.choice((damaged, rezipped))(data, chosen)


def _method(kind: str) -> str:
    for letter in ",().":
        kind = kind.replace(letter, " ")
    return "_".join(kind.lower().split())
