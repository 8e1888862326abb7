# deterministic: the default step changed, groups with steps of their own, clocks shared
from brian2 import *

defaultclock.dt = 0.25*ms
coarse = Clock(dt=1*ms)

quick = NeuronGroup(8, 'dv/dt = (1.3 + 0.1*i - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0',
                    method='exact')
lazy = NeuronGroup(8, '''dx/dt = -x/(20*ms) : 1
                         y : 1''', dt=1*ms, method='exact', threshold='x > 0.7', reset='x = 0')
lazy.run_regularly('y = 0.9*y + x', clock=coarse)
conn = Synapses(quick, lazy, on_pre='x_post += 0.4')
conn.connect(j='i')
back = Synapses(lazy, quick, on_pre='v_post -= 0.2', delay=1*ms)
back.connect(j='i')

quick_spikes = SpikeMonitor(quick)
lazy_spikes = SpikeMonitor(lazy)
fine = StateMonitor(quick, 'v', record=True)
rough = StateMonitor(quick, 'v', record=True, dt=2*ms)
lazy_state = StateMonitor(lazy, ['x', 'y'], record=True, clock=coarse)
run(100*ms)
