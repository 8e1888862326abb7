# deterministic: synapses between subgroups, monitors of them, winner takes all, values by slices
import numpy
from brian2 import *
from brian2.units.allunits import *

pools = NeuronGroup(60, '''dV/dt = (-V + Iext + Ie - Ii)/(10*ms) : 1 (unless refractory)
                           dIe/dt = -Ie/(8*ms) : 1
                           dIi/dt = -Ii/(12*ms) : 1
                           Iext : 1''',
                    threshold='V > 1', reset='V = 0', refractory=2*msecond, method='exponential_euler')
left, right, inh = pools[:20], pools[20:40], pools[40:]
pools.V = numpy.tile(numpy.linspace(0, 0.95, 20), 3)
left.Iext = 1.15
right.Iext = 1.08
inh.Iext = 0.5

S_ll = Synapses(left, left, on_pre='Ie_post += 0.03')
S_rr = Synapses(right, right, on_pre='Ie_post += 0.03')
S_li = Synapses(left, inh, on_pre='Ie_post += 0.06')
S_ri = Synapses(right, inh, on_pre='Ie_post += 0.06')
S_il = Synapses(inh, left, on_pre='Ii_post += 0.02', delay=0.5*ms)
S_ir = Synapses(inh, right, on_pre='Ii_post += 0.02', delay=0.5*ms)
for S in [S_ll, S_rr]:
    S.connect(condition='i != j')
for S in [S_li, S_ri, S_il, S_ir]:
    S.connect()

mon_left, mon_right, mon_inh = SpikeMonitor(left), SpikeMonitor(right), SpikeMonitor(inh)
rate_left = PopulationRateMonitor(left)
V_right = StateMonitor(right, 'V', record=[0, 19])
net = Network(collect())
net.run(100*ms)
bar([0, 1, 2], [mon_left.num_spikes, mon_right.num_spikes, mon_inh.num_spikes])
show()
