"""The backend of surrogate-gradient networks: `SurrogateNetwork` on torch, CPU or GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ...errors import BackendError, SimulationError, one_line
from ...network.layers import SurrogateNetwork
from ...run.segment import Answer, Capacity, Segment
from ...run.state import State
from ..base import Backend
from .layer import Leaky
from .segment import SegmentRun
from .tensor_code import TensorProcess, TensorRule

#: Images tested together.
_TOGETHER = 128


class TorchBackend(Backend):
    """A surrogate-gradient network, run by torch on one device.

    Awake and in the test every image begins with all membranes at rest. Awake, a batch of images is
    shown and the weights take a step of gradient descent, then open weight processes follow. A
    sleep begins at rest: the network, or copies of it side by side, runs without input.

    On the CPU one thread is used: the same sums in the same order everywhere, and several runs side
    by side. Replicas run one after the other: layers are matrices already, and a batch of images
    fills them.
    """

    spec: SurrogateNetwork
    room = Capacity(slots=_TOGETHER, steps=2**40)
    no_hooks = "they are for Brian2 networks; remove them"

    def _build(self) -> None:
        spec, self.device = self.spec, torch.device("cuda" if self.name == "torch-cuda" else "cpu")
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise BackendError(
                "backend torch-cuda: torch finds no GPU here (driver, or a build of torch for "
                "CPUs only); use --backend torch"
            )
        self.dtype = getattr(torch, spec.precision)
        self.layers = [Leaky(layer, float(spec.dt)) for layer in spec.hidden]
        self.processes = {
            p.name: [TensorProcess(each, p.w_min, p.w_max) for each in p.processes]
            for p in spec.projections
        }
        self.rules = {
            p.name: [TensorRule(rule, p.w_max, float(spec.dt)) for rule in p.rules]
            for p in spec.projections
        }

    def _answer(self, state: State, segment: Segment, seed: int) -> Answer:
        with _one_thread(), _torch_errors():
            run = SegmentRun(self, state, seed)
            k = 0
            while k < len(segment):
                last = k + 1
                if segment.phase[k] == "sleep":
                    run.sleep(segment, k)
                elif segment.phase[k] == "wake":
                    run.learn(segment)
                else:
                    while last < len(segment) and self._alike(segment, k, last):
                        last += 1
                    run.show(segment, k, last)
                k = last
            return run.end(segment)

    def _alike(self, segment: Segment, k: int, other: int) -> bool:
        """Tell whether two slots of the test phase can be shown side by side."""
        return (
            segment.steps[other] == segment.steps[k]
            and all(gate[other] == gate[k] for gate in segment.gates.values())
            and not any(segment.gates[name][k] for name in self.spec.process_names)
        )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _torch_errors() -> Iterator[None]:
    """Turn what torch refuses, such as more memory than the GPU has, into a `SimulationError`."""
    try:
        yield
    except RuntimeError as error:
        raise SimulationError(f"backend torch: {one_line(error)}") from error
