"""Brian2 statements carried out on torch tensors, so that a model is written down once.

The plasticity rules, weight processes and activities of `brainsleep.network.models` are strings.
Brian2 turns them into C++ or NumPy code for its synapses; here the same strings act on weight
matrices of shape ``(n_post, n_pre)``. Nothing is executed but arithmetic and the functions of
`FUNCTIONS`. (The module is long because rules and processes are carried out where their code is
read.)
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from brian2.core.functions import DEFAULT_CONSTANTS
from brian2.core.namespace import DEFAULT_UNITS

from ...errors import BackendError, nearest
from ...network.assemble import exact_update
from ...network.equations import checks, settle
from ...network.models import PlasticityRule, WeightProcess


def _divided(x: Any, y: Any) -> Any:
    """Divide; whole numbers in double precision, whatever torch's default is."""
    whole = not any(torch.is_tensor(part) and part.is_floating_point() for part in (x, y))
    return (x.to(torch.float64) if torch.is_tensor(x) and whole else x) / y


_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divided,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: lambda x: ~_tensor(x).bool(),
    ast.And: lambda x, y: _tensor(x).bool() & _tensor(y).bool(),
    ast.Or: lambda x, y: _tensor(x).bool() | _tensor(y).bool(),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


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


class Statements:
    """A block of Brian2 statements.

    Parameters
    ----------
    code : str
        Assignments, one a line.

    Raises
    ------
    BackendError
        If it uses a function that is not in `FUNCTIONS`.
    """

    def __init__(self, code: str):
        self._body = ast.parse(settle.statements(code)).body
        for node in ast.walk(ast.Module(self._body, [])):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", ast.unparse(node.func))
                if name not in FUNCTIONS and name not in _DRAWS:
                    known = nearest(name, [*FUNCTIONS, *_DRAWS])
                    raise BackendError(f"torch: no function '{name}' for tensors; {known}")

    def __call__(
        self, names: dict[str, Any], like: torch.Tensor, rng: torch.Generator | None = None
    ) -> None:
        """Carry them out: change the values in `names`.

        Parameters
        ----------
        names : dict of str to (tensor or float)
            Values of all names, in SI units; assigned names get their new value.
        like : tensor
            What is drawn by ``rand()`` and ``randn()`` has its shape and type.
        rng : torch.Generator, optional
            Draws; not needed by statements that draw nothing.
        """

        def value(node: ast.expr) -> Any:
            match node:
                case ast.Constant():
                    return node.value
                case ast.Name():
                    return names[node.id] if node.id in names else _constant(node.id)
                case ast.BinOp():
                    return _OPERATORS[type(node.op)](value(node.left), value(node.right))
                case ast.UnaryOp():
                    return _OPERATORS[type(node.op)](value(node.operand))
                case ast.BoolOp():
                    found = value(node.values[0])
                    for other in node.values[1:]:
                        found = _OPERATORS[type(node.op)](found, value(other))
                    return found
                case ast.Compare():
                    return _OPERATORS[type(node.ops[0])](
                        value(node.left), value(node.comparators[0])
                    )
                case ast.Call(func=ast.Name(id=name)) if name in _DRAWS:
                    return _DRAWS[name](
                        like.shape, generator=rng, dtype=like.dtype, device=like.device
                    )
                case ast.Call(func=ast.Name(id=name)):
                    return FUNCTIONS[name](*map(value, node.args))
            raise BackendError(f"torch: cannot carry out '{ast.unparse(node)}' on tensors")

        for line in self._body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    names[name] = value(line.value)
                case ast.AugAssign(target=ast.Name(id=name)):
                    names[name] = _OPERATORS[type(line.op)](names[name], value(line.value))
                case _:
                    raise BackendError(f"torch: cannot carry out '{ast.unparse(line)}'")


def _constant(name: str) -> float:
    if name in DEFAULT_CONSTANTS:
        return float(DEFAULT_CONSTANTS[name].value)
    if name not in DEFAULT_UNITS:
        raise BackendError(f"torch: '{name}' is not known to code on tensors")
    return float(DEFAULT_UNITS[name])


def si(parameters: Mapping[str, Any]) -> dict[str, float]:
    """Return parameters as numbers in SI units."""
    return {name: float(value) for name, value in parameters.items()}


@dataclass
class TensorProcess:
    """A weight process on the magnitudes of one weight matrix.

    Parameters
    ----------
    process : WeightProcess
        The process.
    w_min, w_max : float
        Hard bounds of the magnitude.
    """

    process: WeightProcess
    w_min: float
    w_max: float

    def __post_init__(self):
        self.variables = tuple(checks.parse_equations(self.process.equations, self.process.name))
        self._code = {
            label: Statements(getattr(self.process, label))
            for label in ("on_onset", "on_update", "on_change")
        }
        self._sums = {k: Statements(f"found = {v}") for k, v in self.process.sums.items()}
        self._numbers = si(self.process.parameters) | {"w_min": self.w_min, "w_max": self.w_max}

    def run(
        self,
        label: str,
        w: torch.Tensor,
        variables: dict[str, torch.Tensor],
        rng: torch.Generator,
        interval: float = 0.0,
    ) -> torch.Tensor:
        """Carry out ``on_onset``, ``on_update`` or ``on_change``.

        Parameters
        ----------
        label : str
            Which.
        w : tensor, shape (n_post, n_pre)
            Magnitudes.
        variables : dict of str to tensor
            The process's own variables, changed in place.
        rng : torch.Generator
            Draws what is random.
        interval : float
            Seconds an update stands for.

        Returns
        -------
        tensor, shape (n_post, n_pre)
            The new magnitudes.
        """
        names = {**self._numbers, **variables, "w": w, "interval": interval}
        if label != "on_change":
            for name, expression in self._sums.items():
                local = dict(names)
                expression(local, w, rng)
                summed = _tensor(local["found"]).to(w).expand_as(w).sum(dim=1, keepdim=True)
                names |= {f"{name}_post": summed, f"{name}_total": summed.sum()}
        self._code[label](names, w, rng)
        for name in variables:
            variables[name] = _tensor(names[name]).to(w).expand_as(w).clone()
        return _tensor(names["w"]).to(w)


class Spikes:
    """Who spikes in a step, at both ends of a projection.

    Parameters
    ----------
    pre, post : tensor, shapes (n_pre,) and (n_post,)
        1 for who does, else 0; of copies of a network (n_copies, n_pre) and (n_copies, n_post).
    """

    def __init__(self, pre: torch.Tensor, post: torch.Tensor):
        self.fired = {"pre": pre, "post": post}
        self.who = {role: fired.nonzero(as_tuple=True) for role, fired in self.fired.items()}


@dataclass
class TensorRule:
    """A plasticity rule on one weight matrix, with the traces of both ends.

    Parameters
    ----------
    rule : PlasticityRule
        The rule.
    w_max : float
        Hard bound: signed weights stay between -`w_max` and `w_max`.
    dt : float
        Time step in s.
    traces : dict of str to dict of str to tensor
        ``"pre"`` and ``"post"`` by name, of the shapes of `Spikes`.
    """

    rule: PlasticityRule
    w_max: float
    dt: float
    traces: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)

    def __post_init__(self):
        rule = self.rule
        self._numbers = si(rule.parameters) | {"dt": self.dt}
        self._bounds = {"w_min": -self.w_max, "w_max": self.w_max}
        self.names: dict[str, list[str]] = {}
        self._decay, self._spike = {}, {}
        for role in ("pre", "post"):
            traces = rule.traces(role)
            self.names[role] = list(traces)
            same = {k: k for k in [*traces, *rule.parameters]}
            self._decay[role] = Statements(exact_update(traces, rule, same))
            self._spike[role] = Statements(getattr(rule, f"{role}_spike"))
        self._learn = {role: Statements(getattr(rule, f"on_{role}")) for role in ("pre", "post")}

    def decay(self, rng: torch.Generator) -> None:
        """Let all traces decay by a step."""
        for role, traces in self.traces.items():
            self._update(self._decay[role], traces, rng)

    def learn(self, role: str, w: torch.Tensor, spikes: Spikes, rng: torch.Generator) -> None:
        """Let presynaptic (``"pre"``) or postsynaptic spikes act on the weights, in place."""
        (who,) = spikes.who[role]
        if not len(who):
            return
        everyone = slice(None)
        rows, columns = (everyone, who) if role == "pre" else (who, everyone)
        names: dict[str, Any] = {**self._numbers, **self._bounds}
        names |= {k: v[columns][None, :] for k, v in self._seen("pre", spikes).items()}
        names |= {k: v[rows][:, None] for k, v in self._seen("post", spikes).items()}
        part = w[rows, columns]
        names["w"] = part
        self._learn[role](names, part, rng)
        w[rows, columns] = _tensor(names["w"]).to(w)

    def mean_change(self, w: torch.Tensor, spikes: Spikes, rng: torch.Generator) -> torch.Tensor:
        """Return what spikes in copies of the network would do to the weights, their mean."""
        found = torch.zeros_like(w)
        for role, other in (("pre", "post"), ("post", "pre")):
            copy, who = spikes.who[role]  # a row each, over the neurons of the other end
            if not len(who):
                continue
            names: dict[str, Any] = {**self._numbers, **self._bounds}
            names |= {k: v[copy, who][:, None] for k, v in self._seen(role, spikes).items()}
            names |= {k: v[copy] for k, v in self._seen(other, spikes).items()}
            before, total = (w.T[who], found.T) if role == "pre" else (w[who], found)
            names["w"] = before
            self._learn[role](names, before, rng)
            total.index_add_(0, who, _tensor(names["w"]).to(w) - before)
        return found / len(spikes.fired["pre"])

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
                whole = after.shape == like.shape
                traces[name] = after if whole else after.expand_as(like).clone()


def see_spikes(
    rules: Sequence[TensorRule],
    w: torch.Tensor,
    pre: torch.Tensor,
    post: torch.Tensor,
    rng: torch.Generator,
    learning: bool = True,
) -> None:
    """Let rules go on by a step; a spike sees traces as they were before this step's spikes.

    Parameters
    ----------
    rules : sequence of TensorRule
        Rules of one weight matrix; their traces are changed.
    w : tensor, shape (n_post, n_pre)
        Signed weights, changed in place; all presynaptic spikes act before the postsynaptic ones.
    pre, post : tensor, shapes (n_pre,) and (n_post,)
        1 for who spikes in this step, else 0.
    rng : torch.Generator
        Draws what is random.
    learning : bool
        Whether weights change at all.
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

    Parameters
    ----------
    rules : sequence of TensorRule
        Rules of one weight matrix; their traces, one row a copy, are changed.
    w, pre, post, rng
        As in `see_spikes`; of `pre` and `post` a row a copy.

    Returns
    -------
    tensor, shape (n_post, n_pre)
        What the rules would add to the weights, the mean over copies.
    """
    spikes, found = Spikes(pre, post), torch.zeros_like(w)
    for rule in rules:
        rule.decay(rng)
        found += rule.mean_change(w, spikes, rng)
        for role in spikes.who:
            rule.spike(role, spikes, rng)
    return found
