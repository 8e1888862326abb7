# stochastic: PoissonInput, sparse recurrence, reset delay, membrane noise by input alone
# After Brunel (2000), a tenth of a tenth.
from brian2 import *

seed(7)
N_E, N_I = 160, 40
g, eta = 5, 2.5
J = 0.9*mV
tau_m, tau_rp, D = 20*ms, 2*ms, 1.5*ms
theta, V_r = 20*mV, 10*mV
C_ext = 100
nu_thr = theta/(J*C_ext*tau_m)

neurons = NeuronGroup(N_E + N_I, 'dv/dt = -v/tau_m : volt (unless refractory)',
                      threshold='v > theta', reset='v = V_r', refractory=tau_rp, method='exact')
neurons.v = '5*mV + 10*mV*rand()'
excitatory_neurons = neurons[:N_E]
inhibitory_neurons = neurons[N_E:]

exc = Synapses(excitatory_neurons, target=neurons, on_pre='v += J', delay=D)
exc.connect(p=0.1)
inhib = Synapses(inhibitory_neurons, target=neurons, on_pre='v += -g*J', delay=D)
inhib.connect(p=0.1)
drive = PoissonInput(target=neurons, target_var='v', N=C_ext, rate=eta*nu_thr, weight=J)

rate_monitor = PopulationRateMonitor(neurons)
spike_monitor = SpikeMonitor(neurons[:50])
all_spikes = SpikeMonitor(neurons)
seed()
run(150*ms)
