# words: ZeroDivisionError
from brian2 import *

n_inputs = 0
weight = 1*mV
G = NeuronGroup(5, 'dv/dt = -v/(10*ms) : volt', method='exact')
G.v = 10*mV
scaled = weight/mV/n_inputs  # <- here
run(10*ms)
