# stochastic: PoissonGroups with one rate, an array, a string with a TimedArray; rates set later
from brian2 import *

pulses = TimedArray([20, 400, 20, 800]*Hz, dt=50*ms)
same = PoissonGroup(20, rates=150*Hz)
each = PoissonGroup(20, rates=arange(20)*20*Hz)
timed = PoissonGroup(20, rates='pulses(t)*(1 + i % 2)')
each.rates[:5] = 300*Hz

sink = NeuronGroup(20, 'dv/dt = -v/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
con = [Synapses(p, sink, on_pre='v_post += 0.3') for p in (same, each, timed)]
for c in con:
    c.connect(j='i')

m_same = SpikeMonitor(same)
m_each = SpikeMonitor(each)
m_timed = SpikeMonitor(timed)
m_sink = SpikeMonitor(sink)
r_timed = PopulationRateMonitor(timed)
net = Network(collect())
net.add(con)
net.run(200*ms)
