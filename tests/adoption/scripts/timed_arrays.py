# deterministic: TimedArrays with one and two dimensions, in equations and in run_regularly
from brian2 import *
import numpy as np

step_current = TimedArray(np.r_[0, 1.2, 0.4, 2.0, 0]*nA, dt=20*ms)
pattern = 1.5*np.abs(np.sin(np.outer(np.arange(25), 0.3*np.arange(6))))
image = TimedArray(pattern, dt=4*ms, name='image')
R, tau = 1*Mohm*10, 10*ms

A = NeuronGroup(3, 'dv/dt = (R*step_current(t)*(1 + 0.3*i) - v)/tau : volt',
                threshold='v > 10*mV', reset='v = 0*mV', method='euler')
B = NeuronGroup(6, '''dv/dt = (image(t, i) - v)/tau : 1
                      held : 1''',
                threshold='v > 0.7', reset='v = 0', method='euler')
B.run_regularly('held = image(t, i)', dt=4*ms)

a = SpikeMonitor(A)
b = SpikeMonitor(B)
va = StateMonitor(A, 'v', record=True)
vb = StateMonitor(B, ['v', 'held'], record=True, dt=1*ms)
run(110*ms)   # longer than both arrays: their last values stay

subplot(2, 1, 1); plot(va.t/ms, va.v.T/mV)
subplot(2, 1, 2); plot(b.t/ms, b.i, '.')
show()
