# deterministic: conductances, subgroups as sources, connection probability, seed(), rates
# In the manner of Vogels and Abbott (2005), far smaller.
from brian2 import *

seed(11)

taum = 20*ms
taue = 5*ms
taui = 10*ms
Vt = -50*mV
Vr = -60*mV
El = -49*mV
Ee = 0*mV
Ei = -80*mV
we = 0.6
wi = 6.7

eqs = Equations('''
dv/dt  = (ge*(Ee - v) + gi*(Ei - v) - (v - El))/taum : volt (unless refractory)
dge/dt = -ge/taue : 1   # excitation
dgi/dt = -gi/taui : 1   # inhibition
''')

P = NeuronGroup(300, model=eqs, threshold='v > Vt', reset='v = Vr', refractory=5*ms,
                method='exponential_euler')
Pe = P[:240]
Pi = P[240:]
Ce = Synapses(Pe, P, on_pre='ge += we')
Ci = Synapses(Pi, P, on_pre='gi += wi')
Ce.connect(p=0.06)
Ci.connect('i != j', p=0.06)

P.v = 'Vr + rand()*(Vt - Vr)'
P.ge = '0.4 + 0.1*randn()'
P.gi = '1.2 + 0.3*randn()'

s_mon = SpikeMonitor(P)
r_e = PopulationRateMonitor(Pe)
r_i = PopulationRateMonitor(Pi)
run(100*ms, report='text')

plot(s_mon.t/ms, s_mon.i, ',k')
show()
