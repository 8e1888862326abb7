"""The authors' toy task: four noisy geometric figures on 15x15 pixels, with and without sleep."""

from brainsleep import Condition, Data
from brainsleep.protocols.demo import PROTOCOL as DEMO

PROTOCOL = DEMO.override(
    {
        "name": "geometric",
        "description": "Recurrent STDP network on noisy circles, squares, triangles and crosses",
        "data": Data(source="geometric", n_train=1050, n_readout=400, n_test=400),
    }
)

FIGURE = "demo"

CONDITIONS = (
    Condition(name="no sleep", changes={"schedule.sleep.fraction": 0.0}),
    Condition(name="20 % sleep"),
    Condition(
        name="frozen, rate matched",
        changes={"data.n_train": 0, "record.raster": ()},
        match_rate="20 % sleep",
        scale="network.projections.input_e.weights.low",
    ),
)
