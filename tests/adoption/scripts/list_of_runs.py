# deterministic: a list of runs in a loop, preferences set, exec-like habits, results plotted at the end
import matplotlib.pyplot as plt
from brian2 import *

prefs.codegen.target = 'numpy'
prefs.logging.console_log_level = 'ERROR'
BrianLogger.suppress_hierarchy('brian2')
set_device('runtime')

currents = [0.5, 1.5, 2.5, 1.0]
widths = [20, 25, 30, 15]*ms
tau, tau_w = 10*ms, 60*ms

cell = NeuronGroup(3, '''dv/dt = (I - v - w)/tau : 1
                         dw/dt = -w/tau_w : 1
                         I : 1
                         b : 1''', threshold='v > 1', reset='v = 0\nw += b', method='rk4')
cell.b = [0, 0.05, 0.2]
sp, st = SpikeMonitor(cell), StateMonitor(cell, 'v w I'.split(), record=True)

net = Network(cell, sp, st)
for I, width in zip(currents, widths):
    cell.I = I
    net.run(width, report=None)

plt.figure()
for k in range(3):
    plt.plot(st.t/ms, st.w[k])
plt.close('all')
