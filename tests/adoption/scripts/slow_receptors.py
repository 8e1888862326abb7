# deterministic: clock-driven synapses, nonlinear, summed into conductances, delays
# NMDA as in Wang (2002): two-stage gating.
from brian2 import *

V_L, V_thr, V_reset = -70*mV, -50*mV, -55*mV
C_m, g_L = 0.5*nF, 25*nS
g_nmda, V_E = 25*nS, 0*mV
tau_rise, tau_decay, alpha = 2*ms, 100*ms, 0.5/ms
Mg2 = 1.

eqs = '''
dv/dt = (-g_L*(v - V_L) - I_nmda + I_ext) / C_m : volt (unless refractory)
I_nmda = g_nmda*(v - V_E)/(1 + Mg2*exp(-0.062*v/mV)/3.57)*s_total : amp
s_total : 1
I_ext : amp
'''
E = NeuronGroup(6, eqs, threshold='v > V_thr', reset='v = V_reset', refractory=2*ms, method='rk2')
E.v = V_L
E.I_ext = '(0.5 + 0.03*i)*nA'

NMDA = Synapses(E, E, '''s_total_post = w*s : 1 (summed)
                         ds/dt = -s/tau_decay + alpha*x*(1 - s) : 1 (clock-driven)
                         dx/dt = -x/tau_rise : 1 (clock-driven)
                         w : 1''',
                on_pre='x += 1', method='euler', delay=0.5*ms)
NMDA.connect('i != j')
NMDA.w = '0.1 + 0.02*i'

spikes_E = SpikeMonitor(E)
gating = StateMonitor(NMDA, ['s', 'x'], record=NMDA[0, :])
membrane = StateMonitor(E, ['v', 'I_nmda', 's_total'], record=True, dt=0.5*ms)
run(80*ms)
