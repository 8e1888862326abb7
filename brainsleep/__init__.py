"""Sleep in plastic spiking networks: edit equations, schedule wake and sleep, get a result.

The parts, in the order data flows through them: `brainsleep.tasks.images.datasets`,
`brainsleep.tasks.images.encoders`, `brainsleep.network.spec` (networks),
`brainsleep.experiment.schedule`, `brainsleep.experiment.protocol`, `brainsleep.backends.base`,
`brainsleep.run.simulate`, `brainsleep.tasks.images.readout`, `brainsleep.analysis.metrics`,
`brainsleep.results.store`. Models and experiments to copy and edit are in `brainsleep.models` and
`brainsleep.protocols`.
"""

__version__ = "0.1.0"
