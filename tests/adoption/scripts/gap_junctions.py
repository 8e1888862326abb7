# deterministic: summed variables, constants of neurons, one of two synapse groups without spikes
from brian2 import *

n = 12
v0 = 1.05
tau = 10*ms

eqs = '''
dv/dt = (v0 + bias - v + Igap + Iinh)/tau : 1
Igap : 1   # gap junction current
Iinh : 1
bias : 1 (constant)
'''

neurons = NeuronGroup(n, eqs, threshold='v > 1', reset='v = 0', method='euler')
neurons.v = 'i * 1.0 / (N - 1)'
neurons.bias = '0.02*(i % 3)'
trace = StateMonitor(neurons, ['v', 'Igap'], record=[0, 5])

S = Synapses(neurons, neurons, '''
             w : 1
             Igap_post = w * (v_pre - v_post) : 1 (summed)
             ''')
S.connect('i != j')
S.w = .02

T = Synapses(neurons, neurons, '''ds/dt = -s/(5*ms) : 1 (clock-driven)
                                  Iinh_post = -0.3*s : 1 (summed)''',
             on_pre='s += 0.1', method='exact')
T.connect(j='(i + 1) % n')

fired = SpikeMonitor(neurons)
run(150*ms)
plot(trace.t/ms, trace.v.T)
show()
