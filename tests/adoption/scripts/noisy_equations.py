# stochastic: white noise in equations, additive and multiplicative, named and shared, several methods
from brian2 import *

tau, sigma = 10*ms, 0.5
additive = NeuronGroup(60, 'dv/dt = (0.8 - v)/tau + sigma*sqrt(2/tau)*xi : 1',
                       threshold='v > 1', reset='v = 0', method='euler')
multiplied = NeuronGroup(60, 'dx/dt = -x/tau + 0.2*x*xi*tau**-0.5 : 1', method='milstein')
multiplied.x = 1
two = NeuronGroup(60, '''dv/dt = (0.9 + u - v)/tau + 0.3*tau**-0.5*xi_1 : 1 (unless refractory)
                         du/dt = -u/(5*tau) + 0.3*tau**-0.5*xi_2 : 1''',
                  threshold='v > 1', reset='v = 0', refractory=2*ms, method='heun')
stepped = NeuronGroup(60, 'dv/dt = -v/tau : 1', threshold='v > 0.9 + 0.2*rand()', reset='v = 0.1*randn()',
                      method='exact')
stepped.run_regularly('v += 0.08 + 0.1*randn()', dt=1*ms)

spikes_1 = SpikeMonitor(additive)
spikes_2 = SpikeMonitor(two)
spikes_3 = SpikeMonitor(stepped)
x_trace = StateMonitor(multiplied, 'x', record=True, dt=1*ms)
v_trace = StateMonitor(additive, 'v', record=[0, 1, 2, 3, 4])
run(150*ms)
