# deterministic: delays as one value, as a string, as an array, by pathway, of both ends
from brian2 import *
import numpy as np

seed(8)
defaultclock.dt = 0.2*ms

source = NeuronGroup(12, 'dv/dt = drive/ms : 1\ndrive : 1', threshold='v > 1', reset='v = 0',
                     method='euler')
source.drive = '0.06 + 0.01*i'
source.v = 'rand()'

model = 'dv/dt = -v/(8*ms) : 1\nhits : 1'
sink = NeuronGroup(10, model, threshold='v > 0.9', reset='v -= 0.9', method='exact')

one = Synapses(source, sink, on_pre='v_post += 0.1', delay=2*ms)
one.connect(i=[0, 1, 2, 3], j=[0, 0, 1, 2])

drawn = Synapses(source, sink, 'k : 1', on_pre='v_post += k')
drawn.connect(p=0.4)
drawn.k = '0.05 + 0.1*rand()'
drawn.delay = 'rand()*6*ms'

listed = Synapses(source, sink, on_pre='v_post += 0.08')
listed.connect(i=np.arange(10), j=np.arange(10)[::-1])
listed.delay = np.linspace(0.3, 7, 10)*ms

both = Synapses(source, sink, 'w : 1\nseen : 1', on_pre={'arrive': 'v_post += w',
                                                         'note': 'hits_post += 1'},
                on_post='seen += 1\nw += 0.01*(0.2 - w)',
                delay={'arrive': 1*ms, 'post': 3*ms})
both.connect(j='(i + 1) % 10')
both.w = 0.15
both.note.delay = '(1 + j)*ms'

S = SpikeMonitor(sink)
S_in = SpikeMonitor(source)
M = StateMonitor(sink, ['v', 'hits'], record=True)
W = StateMonitor(both, ['w', 'seen'], record=True, dt=1*ms)
run(80*ms)
