# deterministic: wildcard import, magic network, refractory period, plots at the end
from brian2 import *

start_scope()

N = 40
tau = 10*ms
v0_max = 3.
duration = 200*ms

eqs = '''
dv/dt = (v0 - v)/tau : 1 (unless refractory)
v0 : 1
'''

G = NeuronGroup(N, eqs, threshold='v > 1', reset='v = 0', refractory=5*ms, method='exact')
M = SpikeMonitor(G)
trace = StateMonitor(G, 'v', record=[0, 20, 39])

G.v0 = 'i*v0_max/(N - 1)'

run(duration)

figure(figsize=(12, 4))
subplot(121)
plot(trace.t/ms, trace.v[1])
xlabel('Time (ms)')
ylabel('v')
subplot(122)
plot(G.v0, M.count/duration)
xlabel('v0')
ylabel('Firing rate (sp/s)')
show()
