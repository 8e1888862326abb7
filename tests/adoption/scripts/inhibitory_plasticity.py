# deterministic: inhibitory plasticity, learning switched on between runs, synapses of three kinds
# After Vogels et al. (2011), with a steady background in place of noise.
from brian2 import *

seed(42)
N_e, N_i = 80, 20
taum, tau_ampa, tau_gaba, tau_stdp = 20*ms, 5*ms, 10*ms, 20*ms
gl, memc, El, Ee, Ei, vt, vr = 10.0*nS, 200*pF, -60*mV, 0*mV, -80*mV, -50*mV, -60*mV
bgcurrent = 200*pA
gmax = 100
eta = 0
rho0 = 10*Hz
alpha = rho0*tau_stdp*2

eqs = '''
dv/dt = (-gl*(v - El) - (g_ampa*w0*(v - Ee) + g_gaba*w0*(v - Ei)) + bg)/memc : volt (unless refractory)
dg_ampa/dt = -g_ampa/tau_ampa : 1
dg_gaba/dt = -g_gaba/tau_gaba : 1
bg : amp
'''
w0 = 1*nS
neurons = NeuronGroup(N_e + N_i, model=eqs, threshold='v > vt', reset='v = El', refractory=5*ms,
                      method='euler')
Pe, Pi = neurons[:N_e], neurons[N_e:]
neurons.v = '-60*mV + 10*mV*rand()'
neurons.bg = '200*pA*(0.6 + 0.2*rand())'

con_e = Synapses(Pe, neurons, on_pre='g_ampa += 0.9')
con_e.connect(p=0.1)
con_ii = Synapses(Pi, Pi, on_pre='g_gaba += 3')
con_ii.connect(p=0.1)
eqs_stdp = '''w : 1
              dApre/dt = -Apre/tau_stdp : 1 (event-driven)
              dApost/dt = -Apost/tau_stdp : 1 (event-driven)'''
con_ie = Synapses(Pi, Pe, model=eqs_stdp,
                  on_pre='''Apre += 1.
                            w = clip(w + (Apost - alpha)*eta, 0, gmax)
                            g_gaba += w''',
                  on_post='''Apost += 1.
                             w = clip(w + Apre*eta, 0, gmax)''')
con_ie.connect(p=0.2)
con_ie.w = 1e-2

sm = SpikeMonitor(Pe)
sm_i = SpikeMonitor(Pi)
w_trace = StateMonitor(con_ie, 'w', record=[0, 10, 20], dt=2*ms)
run(50*ms)
eta = 0.4
run(60*ms)

plot(sm.t/ms, sm.i, 'k.', ms=1)
show()
