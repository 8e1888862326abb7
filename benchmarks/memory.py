"""What the memory of this machine gives one core: the limit of large plastic networks.

    python -m benchmarks.memory              # 1, 16, 64 and 512 MB of weights

A line a size: gigabytes a second where weights are changed one after the other, and nanoseconds of
a change where each is somewhere else (``benchmarks/limit/memory.cpp``).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from brainsleep.backends.cpp.build import need_compiler

from .peers import LIMIT_FLAGS

SOURCE = Path(__file__).parent / "limit" / "memory.cpp"


def measured(sizes: list[int], folder: Path) -> dict[int, tuple[float, float]]:
    """Return GB/s and ns by size in MB."""
    program, found = folder / "memory", {}
    subprocess.run([need_compiler(), *LIMIT_FLAGS, str(SOURCE), "-o", str(program)], check=True)
    for size in sizes:
        done = subprocess.run([str(program), str(size)], check=True, capture_output=True, text=True)
        streamed, each = map(float, done.stdout.split())
        found[size] = (streamed, each)
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[1, 16, 64, 512], metavar="MB")
    with tempfile.TemporaryDirectory(prefix="brainsleep-benchmark-") as folder:
        found = measured(parser.parse_args().sizes, Path(folder))
    print("| MB | one after the other, GB/s | anywhere, ns |\n|---:|---:|---:|")
    for size, (streamed, each) in found.items():
        print(f"| {size} | {streamed:.3g} | {each:.3g} |")


if __name__ == "__main__":
    main()
