"""Sleep in plastic spiking networks: edit equations, schedule wake and sleep, get a result.

The parts, in the order data flows through them: `brainsleep.datasets`, `brainsleep.encoders`,
`brainsleep.spec` (networks), `brainsleep.schedule`, `brainsleep.protocol`, `brainsleep.backend`,
`brainsleep.simulate`, `brainsleep.readout`, `brainsleep.metrics`, `brainsleep.store`. Models and
experiments to copy and edit are in `brainsleep.models` and `brainsleep.protocols`.
"""

__version__ = "0.1.0"
