# deterministic: refractory as time, string, variable of each neuron and condition, unless refractory
from brian2 import *

tau = 8*ms
common = '''dv/dt = (I - v)/tau : 1 (unless refractory)
            I : 1'''

constant = NeuronGroup(5, common, threshold='v > 1', reset='v = 0', refractory=3*ms, method='exact')
by_string = NeuronGroup(5, common, threshold='v > 1', reset='v = 0', refractory='(1 + i)*ms',
                        method='exact')
by_variable = NeuronGroup(5, common + '\nrest : second', threshold='v > 1',
                          reset='v = 0; rest += 0.5*ms', refractory='rest', method='exact')
by_condition = NeuronGroup(5, common + '\ndu/dt = -u/(6*ms) : 1', threshold='v > 1 and u < 0.5',
                           reset='v = 0\nu += 1', refractory='u > 0.4', method='exact')
no_reset = NeuronGroup(5, 'dv/dt = 2*pi*20*Hz*w : 1\ndw/dt = -2*pi*20*Hz*v : 1',
                       threshold='v > 0.5', refractory='v > 0.5', method='rk4')

for group in (constant, by_string, by_variable, by_condition):
    group.I = linspace(1.2, 2.5, 5)
by_variable.rest = 'i*ms'
no_reset.v = 'cos(i)'
no_reset.w = 'sin(i)'

m1, m2, m3, m4, m5 = [SpikeMonitor(g) for g in (constant, by_string, by_variable, by_condition, no_reset)]
rests = StateMonitor(by_variable, ['v', 'rest'], record=True)
run(120*ms)
