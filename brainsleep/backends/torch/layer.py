"""A layer of a surrogate-gradient network on torch, and the loss of the last one's spikes.

The neurons are those of `snntorch.Leaky`, which the tests compare them with; here all steps of an
image are one operation with a backward pass of its own, which is several times as fast.
"""

from __future__ import annotations

from typing import Any

import torch
from snntorch import functional
from torch.nn.functional import cross_entropy

from ...network.layers import DERIVATIVES, SURROGATES, LeakyPopulation
from .tensor_code import Statements, si


class Leaky:
    """A layer: snnTorch's neurons, and the activities that gates add to their membranes."""

    def __init__(self, spec: LeakyPopulation, dt: float):
        self.spec, self.dt = spec, dt
        self._derivative = Statements(f"result = {DERIVATIVES[spec.surrogate]}")
        self._steepness = {SURROGATES[spec.surrogate]: spec.steepness}
        self.activities = {
            a.name: (Statements(a.on_step), si(a.parameters), tuple(a.variables))
            for a in spec.activities
        }
        self.variables: dict[str, dict[str, torch.Tensor]] = {name: {} for name in self.activities}

    def rest(self, v: torch.Tensor) -> None:
        """Set what activities keep a neuron to 0, for membranes of the shape of `v`."""
        self.variables = {
            name: {variable: torch.zeros_like(v) for variable in variables}
            for name, (_, _, variables) in self.activities.items()
        }

    def step(
        self,
        current: torch.Tensor,
        v: torch.Tensor,
        gates: dict[str, float],
        rng: torch.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Go on by one step; return spikes and membranes, shapes (n_images, n_neurons)."""
        for name in filter(gates.get, self.activities):
            if self.spec.activities_first:
                v = self._act(name, v, gates[name], rng)
            else:  # what the activity does to the membrane, as a current in this step
                after = self._moved(current, v)
                current = current + (self._act(name, after, gates[name], rng) - after)
        v = self._moved(current, v)
        return _Spike.apply(v, self), v

    def steps(
        self, current: torch.Tensor, n: int, gates: dict[str, float], rng: torch.Generator
    ) -> torch.Tensor:
        """Go on from rest by `n` steps; return spikes, shape (n, n_images, n_neurons).

        `current` has the shape of what is returned, or is the same in every step.
        """
        if not any(map(gates.get, self.activities)):
            return _Steps.apply(current, n, self)
        v = current.new_zeros(current.shape[-2:])
        self.rest(v)
        spikes = []
        for k in range(n):
            spiked, v = self.step(current[k] if current.ndim == 3 else current, v, gates, rng)
            spikes.append(spiked)
        return torch.stack(spikes)

    def above(self, v: torch.Tensor) -> torch.Tensor:
        """Return 1 where a membrane is above the threshold, else 0."""
        return torch.gt(v.detach(), self.spec.v_threshold, out=torch.empty_like(v))

    def derivative(self, v: torch.Tensor) -> torch.Tensor:
        """Return what stands for the derivative of a spike by the membrane."""
        names: dict[str, Any] = {**self._steepness, "x": v - self.spec.v_threshold}
        self._derivative(names, v)
        return names["result"]

    def _moved(self, current: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return membranes after a step: leak, current, and the reset of who spiked before it."""
        spec = self.spec
        return torch.sub(spec.beta * v + current, self.above(v), alpha=spec.v_threshold)

    def _act(
        self, name: str, v: torch.Tensor, opening: float, rng: torch.Generator
    ) -> torch.Tensor:
        """Return membranes after an activity; keep its variables."""
        code, numbers, _ = self.activities[name]
        own = self.variables[name]
        names: dict[str, Any] = {**numbers, **own, "dt": self.dt, "v": v, f"{name}_gate": opening}
        code(names, v, rng)
        self.variables[name] = {variable: names[variable] for variable in own}
        return names["v"]


class _Spike(torch.autograd.Function):
    """Who is above the threshold; backwards, the surrogate's derivative."""

    @staticmethod
    def forward(ctx, v: torch.Tensor, layer: Leaky) -> torch.Tensor:
        ctx.save_for_backward(v)
        ctx.layer = layer
        return layer.above(v)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor):
        return gradient * ctx.layer.derivative(*ctx.saved_tensors), None


class _Steps(torch.autograd.Function):
    """All steps of a layer from rest, without activities, as one operation.

    It does what as many calls of `Leaky.step` do, and their backward pass.
    """

    @staticmethod
    def forward(ctx, current: torch.Tensor, n: int, layer: Leaky) -> torch.Tensor:
        spec, constant = layer.spec, current.ndim == 2
        shape = (n, *current.shape[-2:])
        v, spikes = current.new_empty(shape), current.new_empty(shape)
        for k in range(n):
            now = current if constant else current[k]
            if k:
                torch.mul(v[k - 1], spec.beta, out=v[k]).add_(now)
                v[k].sub_(spikes[k - 1], alpha=spec.v_threshold)
            else:
                v[k] = now
            torch.gt(v[k], spec.v_threshold, out=spikes[k])
        ctx.save_for_backward(v)
        ctx.layer, ctx.constant = layer, constant
        return spikes

    @staticmethod
    def backward(ctx, gradient: torch.Tensor):
        (v,), layer = ctx.saved_tensors, ctx.layer
        by_v = torch.zeros_like(v[0])
        by_current = torch.zeros_like(by_v) if ctx.constant else torch.empty_like(v)
        for k in reversed(range(len(v))):
            by_v.mul_(layer.spec.beta).addcmul_(gradient[k], layer.derivative(v[k]))
            if ctx.constant:
                by_current += by_v
            else:
                by_current[k] = by_v
        return by_current, None, None


def loss(name: str, spikes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss of an output's spikes, shape (n_steps, n_images, n_classes)."""
    if name == "ce_step_loss":
        steps = len(spikes)
        return steps * cross_entropy(spikes.flatten(0, 1), labels.repeat(steps))
    return getattr(functional, name)()(spikes, labels)
