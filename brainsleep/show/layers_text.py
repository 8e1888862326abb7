"""A network of layers that learns by surrogate gradients, as LaTeX for a methods section."""

from __future__ import annotations

from collections.abc import Iterator

from ..network.layers import SURROGATES, CurrentInput, LeakyPopulation, SurrogateNetwork
from .latex import latex_unit
from .latex_text import aligned, escaped, tabulated

#: Derivatives of a spike by the membrane, as `snntorch.surrogate` defines them.
_DERIVATIVES = {
    "fast_sigmoid": r"\frac{1}{{\left(1 + k \, \left|v_{i} - \theta\right|\right)}^{2}}",
    "atan": r"\frac{k}{2 \, \left(1 + {\left(\frac{\pi}{2} \, k \, \left(v_{i} - \theta\right)"
    r"\right)}^{2}\right)}",
    "sigmoid": r"\frac{k \, \exp\left(-k \, \left(v_{i} - \theta\right)\right)}{{\left(1 + "
    r"\exp\left(-k \, \left(v_{i} - \theta\right)\right)\right)}^{2}}",
}

#: What is descended for one image of class y.
_LOSSES = {
    "ce_count_loss": (
        r"L = -\ln \frac{\exp\left(n_{y}\right)}{\sum_{c} \exp\left(n_{c}\right)}",
        r"n_{c} = \sum_{t} S_{c}(t)",
    ),
    "ce_rate_loss": (
        r"L = -\frac{1}{T} \, \sum_{t} \ln \frac{\exp\left(S_{y}(t)\right)}"
        r"{\sum_{c} \exp\left(S_{c}(t)\right)}",
    ),
    "ce_step_loss": (
        r"L = -\sum_{t} \ln \frac{\exp\left(S_{y}(t)\right)}"
        r"{\sum_{c} \exp\left(S_{c}(t)\right)}",
    ),
}


def layers(network: SurrogateNetwork) -> Iterator[str]:
    """Describe the neurons, weights and learning of a layered network.

    Parameters
    ----------
    network : SurrogateNetwork
        What to describe.

    Yields
    ------
    str
        Paragraphs, equations and tables.
    """
    source = network.populations[0]
    if isinstance(source, CurrentInput):
        yield _input(source)
    alike: dict[tuple, list[LeakyPopulation]] = {}
    for layer in network.hidden:
        first = bool(layer.activities) and layer.activities_first
        bias = network.projections[network.hidden.index(layer)].bias
        key = (layer.beta, layer.v_threshold, layer.surrogate, layer.steepness, first, bias)
        alike.setdefault(key, []).append(layer)
    for (*_, first, bias), group in alike.items():
        yield from _neurons(group[0], [layer.name for layer in group], first, bias)
    yield _weights(network)
    yield from _learning(network)
    if network.sleeping_copies:
        yield _sleep(network)


def _names(names: list[str]) -> str:
    return ", ".join(rf"\texttt{{{escaped(name)}}}" for name in names)


def _input(source: CurrentInput) -> str:
    return (
        rf"\paragraph{{Input ({_names([source.name])}).}}"
        "\n\nInputs do not spike. For as long as an image is shown, input $j$ with rate $r_{j}$ "
        "takes the place of a presynaptic spike in every step with\n"
        + aligned([rf"S_{{j}} = {latex_unit(source.gain)} \, r_{{j}} \, \Delta t"])
    )


def _neurons(layer: LeakyPopulation, names: list[str], first: bool, bias: bool) -> Iterator[str]:
    yield rf"\paragraph{{Leaky neuron ({_names(names)}).}}"
    yield (
        "In every step, with the spikes $S_{j}$ of the layer before in the same step:\n"
        + aligned(
            [
                r"I_{i}(t) = " + (r"b_{i} + " if bias else "") + r"\sum_{j} w_{ij} \, S_{j}(t)",
                r"v_{i}(t) \leftarrow \beta \, v_{i}(t - \Delta t) + I_{i}(t) - \theta \, "
                r"\left[v_{i}(t - \Delta t) > \theta\right]",
                r"S_{i}(t) = \left[v_{i}(t) > \theta\right]",
            ]
        )
    )
    if first:
        yield "Activities whose gate is open change $v_{i}$ before this step, not within it."
    derivative = rf"\frac{{\partial S_{{i}}}}{{\partial v_{{i}}}} = {_DERIVATIVES[layer.surrogate]}"
    name = escaped(layer.surrogate)
    yield (
        rf"Backwards, the derivative of a spike is the surrogate \texttt{{{name}}} of snnTorch:"
        + "\n"
        + aligned([derivative])
    )
    rows = [
        (rf"${symbol}$", f"${latex_unit(value)}$", rf"\texttt{{{escaped(parameter)}}}")
        for symbol, value, parameter in (
            (r"\beta", layer.beta, "beta"),
            (r"\theta", layer.v_threshold, "v_threshold"),
            ("k", layer.steepness, f"steepness ({SURROGATES[layer.surrogate]})"),
        )
    ]
    yield tabulated(("symbol", "value", "parameter"), rows)


def _weights(network: SurrogateNetwork) -> str:
    starts = []
    for p in network.projections:
        factor = "" if p.scale == 1 else f"{latex_unit(p.scale)}/"
        root = rf"\sqrt{{{network.population(p.source).size}}}"
        bound = f"{factor or '1/'}{root}"
        starts.append(rf"$\pm {bound}$ in {_names([p.name])}")
    bounds = [rf"$\pm {latex_unit(p.w_max)}$ in {_names([p.name])}" for p in network.projections]
    return (
        r"\paragraph{Weights.}"
        "\n\nWeights carry their sign. They start uniformly distributed between the bounds "
        f"{', '.join(starts)}, and are kept within {', '.join(bounds)}. Plasticity rules act on "
        r"the signed weight, with $w_{\mathrm{min}} = -w_{\mathrm{max}}$; weight processes act on "
        "its magnitude, and leave its sign alone." + _biases(network)
    )


def _biases(network: SurrogateNetwork) -> str:
    names = [p.name for p in network.projections if p.bias]
    if not names:
        return ""
    return (
        f" Biases $b_{{i}}$ of the targets of {_names(names)} start between the same bounds and "
        "are learned as weights are; rules, weight processes and bounds leave them alone."
    )


def _trained(network: SurrogateNetwork) -> str:
    return "weights and biases" if any(p.bias for p in network.projections) else "weights"


def _sleep(network: SurrogateNetwork) -> str:
    return (
        r"\paragraph{Sleep.}"
        f"\n\nIn sleep {network.sleeping_copies} copies of the network run from rest, with random "
        "numbers of their own and weights as they are. At its end weights change once, by the mean "
        "of the changes that plasticity rules made in the copies; weight processes follow."
    )


def _learning(network: SurrogateNetwork) -> Iterator[str]:
    output = _names([network.output])
    yield r"\paragraph{Learning.}"
    yield (
        f"Awake, {network.batch_size} images are shown side by side in the time of one, each to a "
        f"network at rest. While the gate \\texttt{{plasticity}} is open, {_trained(network)} then "
        "descend the gradient, through time, of the mean over these images of the cross-entropy "
        f"(\\texttt{{{escaped(network.loss)}}}) of their class $y$ with the spikes of {output}:\n"
        + aligned(_LOSSES[network.loss])
    )
    steps = ", where $T$ is the number of steps" if network.loss == "ce_rate_loss" else ""
    yield (
        f"Here $c$ are the neurons of {output}, one a class{steps}. The optimiser is Adam with "
        f"learning rate ${latex_unit(network.learning_rate)}$ times the opening of the gate, and "
        "the defaults of PyTorch otherwise."
    )
