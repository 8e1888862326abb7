"""The network of Vogels et al. (2011): inhibitory plasticity leads it towards its target rate."""

import numpy as np
import pytest
from brian2 import second
from conftest import QUICK, needs_compiler

from brainsleep.protocols.vogels import PROTOCOL
from brainsleep.run.simulate import simulate

#: Mean rate of E in Hz in a second of the run, by its number; in an independent program.
PUBLISHED = {1: 159.0, 2: 73.0, 3: 17.7, 6: 10.9, 10: 9.2}


@needs_compiler
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.standalone
def test_rates_fall_from_second_to_second(tmp_path):
    """All 10 000 neurons: 20 s of wall time."""
    changes = {"schedule.periods.1.duration": 9 * second}
    result = simulate(PROTOCOL.override(changes), seed=1, backend=QUICK, out=tmp_path)
    rates = result.arrays["counts/e"].mean(axis=1)
    found = [rates[second - 1] for second in PUBLISHED]
    np.testing.assert_allclose(found, list(PUBLISHED.values()), rtol=0.1)
    w = result.arrays["snapshots/trained/ie"]
    assert w.mean() == pytest.approx(1.49, rel=0.05)  # nS
