"""The backend of surrogate-gradient networks: `SurrogateNetwork` on torch, CPU or GPU.

Like every backend it is a pure function of state, segment and seed. Awake and in the test every
image begins with all membranes at rest. Awake, a batch of images is shown and the weights take one
step of gradient descent, then weight processes follow whose gates are open. A sleep begins at rest:
the network, or `sleeping_copies` of it side by side, runs without input, with the activities,
plasticity rules and weight processes whose gates are open. In the test, images are shown side by
side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ...errors import BackendError, BrainsleepError, MissingExtraError, SimulationError, one_line
from ...network.layers import SurrogateNetwork
from ...run.request import Answer, check_batch, one_by_one
from ...run.segment import Capacity, Recording, Segment, check_segment
from ...run.state import State

try:
    import snntorch  # noqa: F401
    import torch
except ImportError as error:
    raise MissingExtraError(
        f"surrogate-gradient network: needs {error.name}: pip install 'brainsleep[surrogate]'"
    ) from error

from .layer import Leaky
from .segment import Run
from .tensor_code import TensorProcess, TensorRule

#: Images tested together.
_TOGETHER = 128


class TorchBackend:
    """A surrogate-gradient network, run by torch on one device.

    Parameters
    ----------
    spec : SurrogateNetwork
        The network.
    device : {"cpu", "cuda"}
        Where it runs. On the CPU one thread is used: the same sums in the same order everywhere,
        and several runs side by side.

    Raises
    ------
    BackendError
        If there is no such device here.
    """

    build_seconds = 0.0

    #: Room that it has, whatever is asked for.
    room = Capacity(slots=_TOGETHER, steps=2**40)

    def __init__(self, spec: SurrogateNetwork, device: str = "cpu"):
        if device == "cuda" and not torch.cuda.is_available():
            raise BackendError(
                "backend torch-cuda: torch finds no GPU here (driver, or a build of torch for "
                "CPUs only); use --backend torch"
            )
        self.spec, self.device = spec, torch.device(device)
        self.capacity = self.room
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

    def advance(self, state: State, segment: Segment, seed: int) -> tuple[State, Recording]:
        """Run `segment` from `state`; see `brainsleep.backends.base.make_backend`."""
        check_segment(self.spec, segment)
        with _one_thread(), _torch_errors():
            run = Run(self, state, seed)
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

    def advance_batch(
        self, states: Sequence[State], segments: Sequence[Segment], seeds: Sequence[int]
    ) -> list[Answer | BrainsleepError]:
        """Run replicas one after the other; see `brainsleep.run.request.one_by_one`.

        Layers are matrices already, and a batch of images fills them: there is nothing to be
        gained on the CPU.
        """
        check_batch(states, segments, seeds)
        for segment in segments:
            check_segment(self.spec, segment)
        return one_by_one(self.advance, states, segments, seeds)

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
