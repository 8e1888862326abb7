"""The paper's experiment with the settings of the authors' code of January 2026 (commit 4294b2c).

As `brainsleep.protocols.paper`, but all synapses learn equally fast, those from E to I start
weaker, and there is membrane noise in sleep only. `PUBLISHED` follows their procedure of that time:
the same 300 images 20 times, no early stopping, quadratic discriminant analysis.
"""

from brainsleep import EarlyStopping, wake
from brainsleep.models.massey2026 import PAPER_JANUARY
from brainsleep.protocols import paper

_CHANGED = {"network": PAPER_JANUARY, "schedule.wake": wake()}

PROTOCOL = paper.PROTOCOL.override(
    {
        **_CHANGED,
        "name": "paper_january",
        "description": "Recurrent STDP network of Massey et al., settings of January 2026, 20 % "
        "sleep",
    }
)

PUBLISHED = paper.PUBLISHED.override(
    {
        **_CHANGED,
        "name": "paper_january, as published",
        "description": "The same, by the authors' procedure of that time: 300 images, 20 times",
        "data.n_validation": 0,
        "readout.classifier": "quadratic",
        "early_stopping": EarlyStopping(),
    }
)

FIGURE, CONDITIONS = paper.FIGURE, paper.CONDITIONS
