"""Models as mathematics: what is written is what is typeset."""

import pytest
from brian2 import Hz, ms, mV, second
from matplotlib.mathtext import MathTextParser

from brainsleep.errors import SpecError
from brainsleep.files.load import load_module, shipped
from brainsleep.models.lif import ADAPTIVE_LIF
from brainsleep.models.sleep import DECAY_NEURON
from brainsleep.models.stdp import STDP_NEAREST
from brainsleep.network.models import Model, NeuronModel
from brainsleep.show.latex import expression, latex_unit, mathml, statements, symbol, value_text
from brainsleep.show.typeset import blocks, parameters

SHIPPED = [
    (f"{source}:{name}", value)
    for source in shipped("model")
    for name, value in vars(load_module(source, "model")).items()
    if isinstance(value, Model)
]


@pytest.mark.parametrize(
    ("code", "latex"),
    [
        ("a + b*c", r"a + b \, c"),
        ("(a + b)*c", r"\left(a + b\right) \, c"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("a - b - c", r"a - b - c"),
        ("(a + b)/(c*d)", r"\frac{a + b}{c \, d}"),
        ("-v/tau_m", r"-\frac{v}{\tau_{\mathrm{m}}}"),
        ("-a*b + c", r"-a \, b + c"),
        ("a*(-b)", r"a \, \left(-b\right)"),
        ("-(a + b)", r"-\left(a + b\right)"),
        ("(a/b)**2", r"{\left(\frac{a}{b}\right)}^{2}"),
        ("-a**2", r"-{a}^{2}"),
        ("(-a)**2", r"{\left(-a\right)}^{2}"),
        ("x_pre**2", r"{\left(x^{\mathrm{pre}}\right)}^{2}"),
        ("a**(b + 1)", r"{a}^{b + 1}"),
        ("2*3", r"2 \cdot 3"),
        ("2e-3*a", r"0.002 \, a"),
        ("1e-6*a", r"10^{-6} \, a"),
        ("2.5e-6", r"2.5 \cdot 10^{-6}"),
        ("1e4", "10000"),
        ("exp(-t_a/tau)", r"\exp\left(-\frac{t_{\mathrm{a}}}{\tau}\right)"),
        ("sqrt(1 - a**2)", r"\sqrt{1 - {a}^{2}}"),
        ("int(w > 0)", r"\left[w > 0\right]"),
        ("clip(w, w_min, 1)", r"\mathrm{clip}\left(w,\, w_{\mathrm{min}},\, 1\right)"),
        ("a > 1 and not (b <= 2 or c != 3)",
         r"a > 1 \wedge \neg \left(b \leq 2 \vee c \neq 3\right)"),
        ("rand() < rate*dt", r"\mathcal{U}(0, 1) < \mathrm{rate} \, \Delta t"),
        ("a % 2", r"a \; \mathrm{mod} \; 2"),
        ("a*(b % c)", r"a \, \left(b \; \mathrm{mod} \; c\right)"),
        ("a*b % c", r"\left(a \, b\right) \; \mathrm{mod} \; c"),
        ("a % b*c", r"\left(a \; \mathrm{mod} \; b\right) \, c"),
        ("a % b + c", r"\left(a \; \mathrm{mod} \; b\right) + c"),
        ("i % 2 == 0", r"i \; \mathrm{mod} \; 2 = 0"),
        ("-a % b", r"\left(-a\right) \; \mathrm{mod} \; b"),
        ("not (a > b)", r"\neg \left(a > b\right)"),
        ("not a", r"\neg a"),
        ("2*3**2", r"2 \cdot {3}^{2}"),
        ("2*(3*x)", r"2 \cdot 3 \, x"),
        ("2*(1/3)", r"2 \cdot \frac{1}{3}"),
        ("a + -b", r"a + \left(-b\right)"),
        ("a + (-b)/c", r"a + \left(-\frac{b}{c}\right)"),
        ("a**b**c", "{a}^{{b}^{c}}"),
        ("(a**b)**c", r"{\left({a}^{b}\right)}^{c}"),
        ("a/(b/c)", r"\frac{a}{\frac{b}{c}}"),
        ("a/b/c", r"\frac{\frac{a}{b}}{c}"),
        ("a < b <= c", r"a < b \leq c"),
        ("(a < b) == c", r"\left(a < b\right) = c"),
    ],
)  # fmt: skip
def test_an_expression_keeps_its_order_and_its_brackets(code, latex):
    assert expression(code) == latex


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("v", "v"),
        ("tau_m", r"\tau_{\mathrm{m}}"),
        ("tau_plus", r"\tau_{+}"),
        ("a_minus", "a_{-}"),
        ("lr", r"\mathrm{lr}"),
        ("i_syn_post", r"i_{\mathrm{syn}}^{\mathrm{post}}"),
        ("w_sum_total", r"w_{\mathrm{sum}}^{\mathrm{total}}"),
        ("tau_theta", r"\tau_{\theta}"),
        ("x1", "x_{1}"),
        ("noise_gate", r"\mathrm{gate}_{\mathrm{noise}}"),
        ("mV", r"\mathrm{mV}"),
        ("dt", r"\Delta t"),
        ("w_star", "w_{*}"),
    ],
)
def test_names_become_letters_with_indices(name, latex):
    assert symbol(name) == latex


def test_statements_are_assignments():
    code = "a += b + 1; b *= c - d\nc = 1  # the third"
    assert list(statements(code)) == [
        r"a \leftarrow a + b + 1",
        r"b \leftarrow b \, \left(c - d\right)",
        r"c \leftarrow 1",
    ]


@pytest.mark.parametrize("code", ["a +", "f(x)", "a[1] = 2", "lambda: 1", "x = [1, 2]"])
def test_what_is_no_assignment_is_refused(code):
    with pytest.raises(SpecError, match="typeset"):
        list(statements(code))


@pytest.mark.parametrize(
    ("value", "text", "latex"),
    [
        (30 * ms, "30 ms", r"30\,\mathrm{ms}"),
        (8e-4, "0.0008", "0.0008"),
        (-1e-7, "-1e-07", r"-1 \cdot 10^{-7}"),
        (2 / (5 * mV) / second, "400 V^-1 s^-1", r"400\,\mathrm{V}^{-1}\,\mathrm{s}^{-1}"),
        (140 * mV / ms, "140 V s^-1", r"140\,\mathrm{V}\,\mathrm{s}^{-1}"),
        (50e-3 * mV, "50 uV", r"50\,\mathrm{\mu}\mathrm{V}"),
        (3 * Hz, "3 Hz", r"3\,\mathrm{Hz}"),
        (0.99999995, "0.99999995", "0.99999995"),
        (30.0000001 * ms, "30.0000001 ms", r"30.0000001\,\mathrm{ms}"),
        (0.1 * 3, "0.3", "0.3"),
    ],
)
def test_values_carry_their_unit(value, text, latex):
    assert (value_text(value), latex_unit(value)) == (text, latex)


def test_a_neuron_is_typeset_in_the_order_it_is_computed():
    found = [(block.title, block.lines) for block in blocks(ADAPTIVE_LIF)]
    titles = [title for title, _ in found]
    assert titles == ["equations", "every step", "a spike when", "after a spike"]
    assert found[0][1][2] == r"\frac{\mathrm{d}a}{\mathrm{d}t} = -\frac{a}{\tau_{\mathrm{a}}}"
    assert found[2][1] == (r"v > v_{\mathrm{threshold}} + a",)
    assert parameters(ADAPTIVE_LIF)[0] == ("tau_m", r"\tau_{\mathrm{m}}", "30 ms")


def test_a_declaration_is_source_but_no_equation():
    block = blocks(DECAY_NEURON)[0]
    assert block.code == "w_target : 1" and block.lines == ()
    assert blocks(DECAY_NEURON)[1].lines[0].startswith(r"w_{\mathrm{sum}} = \sum_")


@pytest.mark.parametrize("left", ["dv/dt", "dv / dt", "d v/dt", "dv/ dt"])
def test_a_rate_is_one_however_it_is_spaced(left):
    model = NeuronModel(
        name="spaced",
        equations=f"{left} = -v/tau : 1  (unless refractory)  # held\n du/dt = -u/tau : 1\n"
        "decay = 2*v\n  + u : 1",
        parameters={"tau": 10 * ms},
    )
    assert blocks(model)[0].lines == (
        r"\frac{\mathrm{d}v}{\mathrm{d}t} = -\frac{v}{\tau} \quad \mathrm{(unless\ refractory)}",
        r"\frac{\mathrm{d}u}{\mathrm{d}t} = -\frac{u}{\tau}",
        r"\mathrm{decay} = 2 \, v + u",
    )
    for line in blocks(model)[0].lines:
        MathTextParser("path").parse(f"${line}$")
        assert mathml(line).startswith("<math")


def test_every_statement_of_a_rule_is_there():
    lines = [line for block in blocks(STDP_NEAREST) for line in block.lines]
    assert len(lines) == 6


def test_what_is_no_model_is_refused():
    with pytest.raises(SpecError, match="expected a model"):
        blocks("v = 1")


@pytest.mark.parametrize(("reference", "model"), SHIPPED, ids=[r for r, _ in SHIPPED])
def test_what_is_shipped_is_read_by_matplotlib_and_as_mathml(reference, model):
    parser = MathTextParser("agg")
    lines = [line for block in blocks(model) for line in block.lines]
    lines += [latex for _, latex, _ in parameters(model)]
    lines += [latex_unit(value) for value in model.parameters.values()]
    for line in lines:
        parser.parse(f"${line}$")
        assert mathml(line).startswith("<math")
