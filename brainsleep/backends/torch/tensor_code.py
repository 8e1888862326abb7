"""Brian2 statements carried out on torch tensors, so that a model is written down once.

The strings of models act on weight matrices of shape ``(n_post, n_pre)``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from brian2.core.functions import DEFAULT_CONSTANTS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.parsing.rendering import NumpyNodeRenderer

from ...errors import BackendError, nearest
from ...network.assemble import exact_update
from ...network.equations import checks, settle
from ...network.models import PlasticityRule, WeightProcess


def _divided(x: Any, y: Any) -> Any:
    """Divide; whole numbers in double precision, whatever torch's default is."""
    whole = not any(torch.is_tensor(part) and part.is_floating_point() for part in (x, y))
    return (x.to(torch.float64) if torch.is_tensor(x) and whole else x) / y


def _tensor(value: Any) -> torch.Tensor:
    return value if torch.is_tensor(value) else torch.as_tensor(value, dtype=torch.float64)


def _elementwise(function: Callable) -> Callable:
    return lambda x: function(_tensor(x))


#: Brian2's functions by name, on tensors; ``rand`` and ``randn`` are drawn by `Statements`.
FUNCTIONS: dict[str, Callable] = {
    "arccos": _elementwise(torch.acos),
    "arcsin": _elementwise(torch.asin),
    "arctan": _elementwise(torch.atan),
    "clip": lambda x, low, high: torch.minimum(
        torch.maximum(_tensor(x), _tensor(low).to(_tensor(x))), _tensor(high).to(_tensor(x))
    ),
    "int": lambda x: torch.trunc(_tensor(x).to(torch.float64)).to(torch.int64),
    **{
        name: _elementwise(getattr(torch, name))
        for name in "abs ceil cos cosh exp expm1 floor log log10 log1p sign sin sinh sqrt tan "
        "tanh".split()
    },
}
_DRAWS = {"rand": torch.rand, "randn": torch.randn}

#: What code may use besides the variables of a model; units are numbers.
_NAMES: dict[str, Any] = {
    **{name: float(unit) for name, unit in DEFAULT_UNITS.items()},
    **{name: float(constant.value) for name, constant in DEFAULT_CONSTANTS.items()},
    **FUNCTIONS,
    **{"_divided": _divided, "logical_not": _elementwise(torch.logical_not)},
}


class _Renderer(NumpyNodeRenderer):
    """Writes Brian2's statements in Python for tensors; other Python is a `SyntaxError`."""

    def render_BinOp(self, node: ast.BinOp) -> str:  # noqa: N802
        """Write an operation with two operands."""
        if not isinstance(node.op, ast.Div):
            return super().render_BinOp(node)
        return f"_divided({self.render_node(node.left)}, {self.render_node(node.right)})"

    def render_AugAssign(self, node: ast.AugAssign) -> str:  # noqa: N802
        """Write a change that leaves the tensor as it is that had the name."""
        value = ast.BinOp(node.target, node.op, node.value)
        return f"{self.render_node(node.target)} = {self.render_node(value)}"

    def render_func(self, node: ast.Name) -> str:
        """Write the name of a function."""
        if node.id not in FUNCTIONS and node.id not in _DRAWS:
            choices = nearest(node.id, [*FUNCTIONS, *_DRAWS])
            raise BackendError(f"torch: no function '{node.id}' for tensors; {choices}")
        return node.id


class Statements:
    """A block of Brian2 statements; raises `BackendError` for what tensors cannot do."""

    def __init__(self, code: str):
        renderer = _Renderer()
        try:
            lines = [renderer.render_node(line) for line in ast.parse(settle.statements(code)).body]
        except SyntaxError as error:
            raise BackendError(f"torch: cannot carry out '{code}' on tensors: {error}") from error
        self._code = compile("\n".join(lines), "<statements>", "exec")

    def __call__(
        self, names: dict[str, Any], like: torch.Tensor, rng: torch.Generator | None = None
    ) -> None:
        """Carry them out: names have values in SI units, and get their new ones.

        What is drawn has the shape and type of `like`.
        """
        given: Any = {"generator": rng, "dtype": like.dtype, "device": like.device}
        draws = {name: partial(draw, like.shape, **given) for name, draw in _DRAWS.items()}
        exec(self._code, {**_NAMES, **draws}, names)


def si(parameters: Mapping[str, Any]) -> dict[str, float]:
    """Return parameters as numbers in SI units."""
    return {name: float(value) for name, value in parameters.items()}


class TensorProcess:
    """A weight process on the magnitudes of one weight matrix, which has hard bounds."""

    def __init__(self, process: WeightProcess, w_min: float, w_max: float):
        self.process = process
        self.variables = tuple(checks.parse_equations(process.equations, process.name))
        moments = ("on_onset", "on_update", "on_change")
        self._code = {moment: Statements(getattr(process, moment)) for moment in moments}
        self._sums = {k: Statements(f"result = {v}") for k, v in process.sums.items()}
        self._numbers = si(process.parameters) | {"w_min": w_min, "w_max": w_max}

    def run(
        self,
        moment: str,
        w: torch.Tensor,
        variables: dict[str, torch.Tensor],
        rng: torch.Generator,
        interval: float = 0.0,
    ) -> torch.Tensor:
        """Carry out ``on_onset``, ``on_update`` or ``on_change`` on magnitudes (n_post, n_pre).

        The process's own variables are changed in place; an update stands for `interval` seconds.
        """
        names = {**self._numbers, **variables, "w": w, "interval": interval}
        for name, expression in self._sums.items() if moment != "on_change" else ():
            local = dict(names)
            expression(local, w, rng)
            summed = _tensor(local["result"]).to(w).expand_as(w).sum(dim=1, keepdim=True)
            names |= {f"{name}_post": summed, f"{name}_total": summed.sum()}
        self._code[moment](names, w, rng)
        for name in variables:
            variables[name] = _tensor(names[name]).to(w).expand_as(w).clone()
        return _tensor(names["w"]).to(w)


class Spikes:
    """Who spikes in a step, 1 or 0: `pre` and `post` of shapes (n_pre,) and (n_post,).

    Of copies of a network they have a row a copy.
    """

    def __init__(self, pre: torch.Tensor, post: torch.Tensor):
        self.fired = {"pre": pre, "post": post}
        self.who = {role: fired.nonzero(as_tuple=True) for role, fired in self.fired.items()}


class TensorRule:
    """A plasticity rule on one weight matrix, with the traces of both ends, shaped as `Spikes`.

    Signed weights stay between -`w_max` and `w_max`; `dt` is in s.
    """

    def __init__(self, rule: PlasticityRule, w_max: float, dt: float):
        self.rule = rule
        self.traces: dict[str, dict[str, torch.Tensor]] = {"pre": {}, "post": {}}
        self._numbers = si(rule.parameters) | {"dt": dt}
        self._bounds = {"w_min": -w_max, "w_max": w_max}
        own = {role: rule.traces(role) for role in self.traces}
        self.names = {role: list(traces) for role, traces in own.items()}
        self._decay = {
            role: Statements(
                exact_update(traces, rule, {k: k for k in (*traces, *rule.parameters)})
            )
            for role, traces in own.items()
        }
        self._spike = {role: Statements(getattr(rule, f"{role}_spike")) for role in own}
        self._learn = {role: Statements(getattr(rule, f"on_{role}")) for role in own}

    def decay(self, rng: torch.Generator) -> None:
        """Let all traces decay by a step."""
        for role, traces in self.traces.items():
            self._update(self._decay[role], traces, rng)

    def learn(self, role: str, w: torch.Tensor, spikes: Spikes, rng: torch.Generator) -> None:
        """Let presynaptic (``"pre"``) or postsynaptic spikes act on the weights, in place."""
        (who,) = spikes.who[role]
        if not len(who):
            return
        whole = slice(None)
        rows, columns = (whole, who) if role == "pre" else (who, whole)
        names: dict[str, Any] = {**self._numbers, **self._bounds}
        names |= {k: v[columns][None, :] for k, v in self._seen("pre", spikes).items()}
        names |= {k: v[rows][:, None] for k, v in self._seen("post", spikes).items()}
        part = w[rows, columns]
        names["w"] = part
        self._learn[role](names, part, rng)
        w[rows, columns] = _tensor(names["w"]).to(w)

    def mean_change(self, w: torch.Tensor, spikes: Spikes, rng: torch.Generator) -> torch.Tensor:
        """Return what spikes in copies of the network would do to the weights, their mean."""
        change = torch.zeros_like(w)
        for role, other in (("pre", "post"), ("post", "pre")):
            copy, who = spikes.who[role]  # a row each, over the neurons of the other end
            if not len(who):
                continue
            names: dict[str, Any] = {**self._numbers, **self._bounds}
            names |= {k: v[copy, who][:, None] for k, v in self._seen(role, spikes).items()}
            names |= {k: v[copy] for k, v in self._seen(other, spikes).items()}
            before, total = (w.T[who], change.T) if role == "pre" else (w[who], change)
            names["w"] = before
            self._learn[role](names, before, rng)
            total.index_add_(0, who, _tensor(names["w"]).to(w) - before)
        return change / len(spikes.fired["pre"])

    def _seen(self, role: str, spikes: Spikes) -> dict[str, torch.Tensor]:
        """Return what statements may know of one end, by its name in them."""
        traces = {f"{name}_{role}": trace for name, trace in self.traces[role].items()}
        return traces | {f"spiking_{role}": spikes.fired[role]}

    def spike(self, role: str, spikes: Spikes, rng: torch.Generator) -> None:
        """Let spikes act on the traces of the neurons that spiked."""
        who = spikes.who[role]
        if len(who[0]):
            chosen = {name: trace[who] for name, trace in self.traces[role].items()}
            self._update(self._spike[role], chosen, rng)
            for name, trace in self.traces[role].items():
                trace[who] = chosen[name]

    def _update(
        self, code: Statements, traces: dict[str, torch.Tensor], rng: torch.Generator
    ) -> None:
        if traces:
            like = next(iter(traces.values()))
            names = {**self._numbers, **traces}
            code(names, like, rng)
            for name in traces:
                after = _tensor(names[name]).to(like)
                same = after.shape == like.shape
                traces[name] = after if same else after.expand_as(like).clone()


def see_spikes(
    rules: Sequence[TensorRule],
    w: torch.Tensor,
    pre: torch.Tensor,
    post: torch.Tensor,
    rng: torch.Generator,
    learning: bool = True,
) -> None:
    """Let rules go on by a step, which changes signed weights in place if they are `learning`.

    A spike sees traces as they were before this step's spikes; all presynaptic spikes act before
    the postsynaptic ones.
    """
    spikes = Spikes(pre, post)
    for rule in rules:
        rule.decay(rng)
    for role in spikes.who:
        for rule in rules if learning else ():
            rule.learn(role, w, spikes, rng)
    for rule in rules:
        for role in spikes.who:
            rule.spike(role, spikes, rng)


def changes_in_copies(
    rules: Sequence[TensorRule],
    w: torch.Tensor,
    pre: torch.Tensor,
    post: torch.Tensor,
    rng: torch.Generator,
) -> torch.Tensor:
    """Let rules go on by a step in copies of a network, whose weights stay as they are.

    Returns what they would add to the weights, the mean over copies; traces have a row a copy.
    """
    spikes, change = Spikes(pre, post), torch.zeros_like(w)
    for rule in rules:
        rule.decay(rng)
        change += rule.mean_change(w, spikes, rng)
        for role in spikes.who:
            rule.spike(role, spikes, rng)
    return change
