# deterministic: every variable of every object recorded, rates of subgroups
from brian2 import *

stim = SpikeGeneratorGroup(6, [0, 1, 2, 3, 4, 5]*3, arange(18)*4*ms)
layer = NeuronGroup(6, '''dv/dt = (ex + 0.6 - v)/(10*ms) : 1
                          dex/dt = -ex/(5*ms) : 1
                          twice = 2*v : 1
                          even : boolean (constant)
                          number : integer''',
                    threshold='v > 0.6', reset='v = 0; number += 1', method='euler')
layer.even = 'i % 2 == 0'
syn = Synapses(stim, layer, '''w : 1
                               effective = w*0.5 : 1
                               dtr/dt = -tr/(10*ms) : 1 (clock-driven)''',
               on_pre='ex_post += effective*2; tr += 1', method='euler')
syn.connect()
syn.w = '0.2 + 0.1*int(i == j)'

everything = StateMonitor(layer, True, record=True)
of_synapses = StateMonitor(syn, ['w', 'effective', 'tr'], record=range(0, 36, 7))
chosen = StateMonitor(layer, ['v', 'number'], record=array([5, 0, 3]), dt=0.7*ms)
stim_spikes = SpikeMonitor(stim)
layer_spikes = SpikeMonitor(layer)
layer_rate = PopulationRateMonitor(layer)
half_rate = PopulationRateMonitor(layer[3:])
half_spikes = SpikeMonitor(layer[1:4])
not_recorded = SpikeMonitor(layer, record=False)
run(80*ms)
for t, rates in ((layer_rate.t, layer_rate.smooth_rate(width=5*ms)),):
    plot(t/ms, rates/Hz)
show()
