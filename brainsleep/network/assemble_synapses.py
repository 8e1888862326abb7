"""From a projection to the final source of its synapses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from brian2 import Equations, Quantity
from brian2.equations.equations import DIFFERENTIAL_EQUATION

from ..errors import SpecError, explain
from . import signals
from .assemble_parts import (
    Kept,
    changes_delays,
    declared_by,
    delays_of,
    joined,
    linked_names,
    own_delays,
    prefixed,
    process_names,
    sum_plans,
    trace_parameters,
)
from .equations import checks, settle
from .events import SPIKE
from .given import start_value
from .models import SPIKING, PlasticityRule, WeightProcess
from .plan import (
    SPIKE_DELAY,
    DelayPlan,
    PathwayPlan,
    ProcessPlan,
    RegularPlan,
    StepPlan,
    SynapsePlan,
)
from .regular import steps_of
from .synaptic import LASTUPDATE, LateTraces, Variables, names_at_post, renamed, sums_into

if TYPE_CHECKING:
    from .spec import NetworkSpec, Projection


def synapse_plan(spec: NetworkSpec, projection: Projection) -> SynapsePlan:
    """Compose the plan of a projection."""
    return _SynapseBuilder(spec, projection).plan()


class _SynapseBuilder:
    """Composes the plan of a projection, part by part."""

    def __init__(self, spec: NetworkSpec, projection: Projection):
        self.projection, self.where = projection, f"projection '{projection.name}'"
        self.dt = spec.dt
        synapse = projection.synapse
        self.kept = Kept(projection.name, ["w : 1"], ["w"], synapse.parameters)
        self.variables = Variables()
        at_post = names_at_post(spec, projection)
        self.at_post = {k: v for k, v in at_post.items() if k not in synapse.variables}
        self.at_post |= signals.at_synapses(synapse)
        sums = _names_of_sums(spec, projection)
        self.variables.declare(synapse, {**self.at_post, **sums}, LASTUPDATE)
        self.whole = _whole_at_ends(spec, projection) | self.variables.whole
        #: Code of the synapse model, and that of rules by side, in final names.
        self.own = {
            label: settle.statements(renamed(code, self.at_post), self.whole)
            for label, code in synapse.codes.items()
        }
        if changes_delays(projection):
            self.variables.lines.append(f"{SPIKE_DELAY} : second")
            self.variables.state.append(SPIKE_DELAY)
        self.learn: dict[str, list[str]] = {"pre": [], "post": [], "step": []}
        self.late = {delay.end for delay in delays_of(projection)}
        #: What traces of late spikes do when these arrive, and the names that every rule uses.
        self.arriving: list[PathwayPlan] = []
        self.rules = [(rule, self._rule(rule)) for rule in projection.rules]
        self.kept.lines += [
            self.variables.now(line) if "(summed)" in line else line
            for line in self.variables.lines
        ]
        self.kept.state += self.variables.state
        #: What follows every change of a weight.
        self.changed = [
            self.variables.now(
                settle.statements(renamed(p.on_change, self.at_post | process_names(p)))
            )
            for p in projection.processes
        ]

    def _rule(self, rule: PlasticityRule) -> dict[str, str]:
        """Take up a rule; return its names."""
        names = self.at_post | signals.at_synapses(rule)
        names |= prefixed(rule.name, [*rule.parameters, *_own_names(rule)]) | linked_names(rule)
        on_neurons = dict[str, str]()  # parameters that the neurons have: read theirs
        for role in [role for role in ("pre", "post") if role not in self.late]:
            names |= {f"{k}_{role}": f"{rule.name}_{role}_{k}_{role}" for k in rule.traces(role)}
            of_traces = trace_parameters(rule, role)
            on_neurons |= {k: f"{rule.name}_{k}_{role}" for k in of_traces}
        names |= on_neurons
        for role in self.late:
            names |= self._late_traces(rule, role, on_neurons)
        late = {name for role in self.late for name in trace_parameters(rule, role)}
        used = late | checks.identifiers(rule.on_pre, rule.on_post, rule.on_step, rule.equations)
        used |= checks.identifiers(*(v for v in rule.initial.values() if isinstance(v, str)))
        used -= set(on_neurons)
        own = {k: v for k, v in rule.parameters.items() if k in used}
        self.kept.add(Equations(""), own, names)
        self.variables.declare(rule, names, f"{rule.name}_{LASTUPDATE}")
        self.whole |= self.variables.whole
        for side, codes in self.learn.items():
            code = renamed(getattr(rule, f"on_{side}"), names)
            codes.append(settle.statements(code, self.whole))
        return names

    def _late_traces(
        self, rule: PlasticityRule, role: str, on_neurons: dict[str, str]
    ) -> dict[str, str]:
        """Give synapses the traces of spikes that are late; return their names in the rule.

        A trace changes when a spike arrives, after what rules do at the spikes of that step.
        """
        prefix, traces = f"{rule.name}_{role}", rule.traces(role)
        where = f"{self.where}: rule '{rule.name}'"
        for name in sorted(checks.identifiers(rule.on_pre, rule.on_post, rule.on_step)):
            if name in SPIKING and name.endswith(f"_{role}"):
                allowed = f"none, as {role}synaptic spikes arrive after a delay"
                raise SpecError(explain(where, f"'{name}'", allowed, "use a trace in its place"))
        if not traces:
            return {}
        own = prefixed(rule.name, rule.parameters) | on_neurons | prefixed(prefix, traces)
        linear = " (event-driven)"
        equations = "\n".join(
            f"{eq}{linear}" if eq.type == DIFFERENTIAL_EQUATION else f"{eq}"
            for eq in traces.values()
        )
        self.variables.declare(
            LateTraces(rule.name, Equations(equations), rule.parameters),
            own,
            f"{prefix}_{LASTUPDATE}",
        )
        code = settle.statements(renamed(getattr(rule, f"{role}_spike"), own))
        self.arriving.append(PathwayPlan(prefix, role, 2 if role == "pre" else 3, code))
        return {f"{name}_{role}": own[name] for name in traces}

    def plan(self) -> SynapsePlan:
        """Return the plan."""
        projection, variables, kept = self.projection, self.variables, self.kept
        spikes = {
            side: _at_spike(variables, self.own[f"on_{side}"], self.learn[side], self.changed)
            for side in ("pre", "post")
        }
        on_pre, on_post = (joined([*always, *gated]) for always, gated in spikes.values())
        pathways, steps = self._pathways(), self._steps()
        processes = tuple(self._process(process) for process in projection.processes)
        codes = [on_pre, on_post, *variables.lines]
        regular = self._regular()
        codes += [path.code for path in pathways] + [step.code for step in steps]
        codes += [each.code for each in regular]
        codes += [code for p in processes for code in (p.on_onset, p.on_update)]
        codes += [total.expression for p in processes for total in p.sums]
        self._give(codes)
        if any(total.total for process in processes for total in process.sums):
            kept.lines.append("zero_index : integer (constant)")
        return SynapsePlan(
            name=projection.name,
            source=projection.source,
            target=projection.target,
            equations=kept.equations,
            on_pre=on_pre,
            on_post=on_post,
            processes=processes,
            parameters=kept.parameters,
            state=tuple(kept.state),
            pathways=pathways,
            steps=steps,
            initial={k: start_value(v, kept.parameters) for k, v in variables.initial.items()},
            updates=variables.updates,
            on_post_always=bool(joined(spikes["post"][0])),
            constants=kept.constants,
            repeats=projection.connectivity.repeats,
            signed=projection.sign is None,
            delays=self._delays(on_pre, on_post, pathways),
            regular=regular,
            tables=dict(projection.synapse.tables),
            sums_after=projection.synapse.summed == "after",
            functions=dict(projection.synapse.functions),
        )

    def _pathways(self) -> tuple[PathwayPlan, ...]:
        """Return what happens at spikes besides `on_pre` and `on_post`."""
        own = [
            PathwayPlan(
                path.name,
                path.end,
                path.order,
                joined(_at_spike(self.variables, self.own[f"pathway {path.name}"], [], [])[0]),
                path.event,
            )
            for path in self.projection.synapse.pathways
        ]
        late = [replace(p, code=joined(self.variables.alone(p.code))) for p in self.arriving]
        return (*own, *late)

    def _regular(self) -> tuple[RegularPlan, ...]:
        """Return what happens at regular times."""
        plans = []
        for each in self.projection.synapse.regular:
            code = joined(self.variables.alone(self.own[f"regular {each.name}"]))
            steps = steps_of(each.every, self.dt, f"regular code '{each.name}': every")
            plans.append(RegularPlan(each.name, code, steps, each.when, each.order))
        return tuple(plans)

    def _steps(self) -> tuple[StepPlan, ...]:
        """Return what happens in every step."""
        synapse, variables, steps = self.projection.synapse, self.variables, []
        label = f"{self.where}: {synapse.name}"
        equations, code = variables.integration(synapse, self.at_post, label)
        if code := joined([code, *variables.alone(self.own["on_step"])]):
            steps.append(StepPlan(synapse.name, "", equations, synapse.method, code))
        for (rule, names), each in zip(self.rules, self.learn["step"], strict=True):
            equations, code = variables.integration(rule, names, f"{self.where}: {rule.name}")
            if code := joined(variables.gated([code, each], self.changed, is_open=True)):
                steps.append(StepPlan(rule.name, "plasticity", equations, rule.method, code))
        return tuple(steps)

    def _process(self, process: WeightProcess) -> ProcessPlan:
        names = self.at_post | process_names(process)
        self.kept.add(declared_by(process), process.parameters, names)
        names["interval"] = f"{process.name}_interval_post"
        plans = sum_plans(self.projection, process, self.at_post, self.variables)
        for name, plan in zip(process.sums, plans, strict=True):
            names[f"{name}_post"] = f"{plan.variable}_post"
            names[f"{name}_total"] = f"{plan.total}_post"
        codes = [
            settle.statements(renamed(code, names), self.variables.whole)
            for code in (process.on_onset, process.on_update)
        ]
        onset, update = (
            joined([*self.variables.alone(code), *self.changed]) if code else "" for code in codes
        )
        return ProcessPlan(process.name, onset, update, tuple(plans), process.period)

    def _give(self, codes: list[str]) -> None:
        """Give parameters the values of the projection, and those that `codes` use besides."""
        projection, used = self.projection, checks.identifiers(*codes)
        standard = {
            "w_min": projection.w_min,
            "w_max": projection.w_max,
            "w_sign": projection.sign or 1,
        }
        self.kept.give(projection.values)
        self.kept.parameters |= {k: Quantity(float(v)) for k, v in standard.items() if k in used}
        if "delay_max" in used:
            self.kept.parameters["delay_max"] = projection.delay_max

    def _delays(
        self, on_pre: str, on_post: str, pathways: tuple[PathwayPlan, ...]
    ) -> tuple[DelayPlan, ...]:
        """Give the delays of an end to all its pathways; refuse one that delays nothing."""
        at_ends = [("pre", "pre", on_pre, SPIKE), ("post", "post", on_post, SPIKE)]
        apart = {path.name for path in self.projection.synapse.pathways if path.own_delay}
        at_ends += [
            (f"path_{path.name}", path.end, path.code, path.event)
            for path in pathways
            if path.name not in apart
        ]
        delays = tuple(
            replace(delay, pathway=name, event=event)
            for delay in delays_of(self.projection)
            for name, end, code, event in at_ends
            if end == delay.end and code
        )
        if changes_delays(self.projection) and not on_pre:
            allowed = "statements on_pre of the synapse model or a rule, as its spikes take time"
            raise SpecError(explain(f"{self.where}: on_pre", "none", allowed))
        for delay in delays_of(self.projection):
            if delay.end not in {each.end for each in delays}:
                allowed = f"none: there are no statements on_{delay.end}"
                raise SpecError(explain(f"{self.where}: {delay.variable}", "a delay", allowed))
        return (*delays, *own_delays(self.projection))


def _at_spike(
    variables: Variables, own: str, learn: list[str], changed: list[str]
) -> tuple[list[str], list[str]]:
    """Write what the synapse model does at a spike, and what its rules do after that.

    The variables of the synapse model are up to date in both.
    """
    learn = [code for code in learn if code]
    always = [owner for owner in variables.using([own, *learn]) if not owner.of_rule]
    rest = [owner for owner in variables.setting([own]) if owner not in always]
    before = [line for owner in [*always, *rest] for line in owner.updated()]
    own = variables.now(own, but=[*always, *rest])
    return [*before, own], variables.gated(learn, changed, always)


def _names_of_sums(spec: NetworkSpec, projection: Projection) -> dict[str, str]:
    """Return the names that sums over synapses end up with, in the synapse."""
    names = {}
    for population in {projection.source, projection.target}:
        for sums in sums_into(spec, spec.population(population)).values():
            for (owner, name), variable in sums.items():
                if owner == projection.name:
                    names[name] = f"{variable}_{name.rpartition('_')[2]}"
    return names


def _own_names(rule: PlasticityRule) -> list[str]:
    return [name for name, eq in rule.variables.items() if "linked" not in eq.flags]


def _whole_at_ends(spec: NetworkSpec, projection: Projection) -> set[str]:
    """Return the names, in the synapses, of whole numbers of the neurons at both ends."""
    return {
        f"{name}_{role}"
        for role, end in (("pre", projection.source), ("post", projection.target))
        for name in settle.whole_variables(spec.population(end).model.variables)
    }
