# stochastic: Poisson input, event-driven traces, weights drawn before, clip in statements
# After Song, Miller and Abbott (2000), smaller and quicker.
from brian2 import *

seed(3)
N = 200
taum = 10*ms
taupre = 20*ms
taupost = taupre
Ee = 0*mV
vt = -54*mV
vr = -60*mV
El = -74*mV
taue = 5*ms
F = 25*Hz
gmax = .05
dApre = .01*gmax
dApost = -dApre*taupre/taupost*1.05

eqs_neurons = '''
dv/dt = (ge*(Ee - v) + El - v)/taum : volt
dge/dt = -ge/taue : 1
'''

input = PoissonGroup(N, rates=F)
neurons = NeuronGroup(1, eqs_neurons, threshold='v > vt', reset='v = vr', method='euler')
neurons.v = vr
S = Synapses(input, neurons,
             '''w : 1
                dApre/dt = -Apre/taupre : 1 (event-driven)
                dApost/dt = -Apost/taupost : 1 (event-driven)''',
             on_pre='''ge += w
                       Apre += dApre
                       w = clip(w + Apost, 0, gmax)''',
             on_post='''Apost += dApost
                        w = clip(w + Apre, 0, gmax)''')
S.connect()
S.w = 'rand()*gmax'
mon = StateMonitor(S, 'w', record=[0, 1], dt=5*ms)
s_mon = SpikeMonitor(input)
out_mon = SpikeMonitor(neurons)
r_mon = PopulationRateMonitor(input)

seed()
run(500*ms)

subplot(211)
plot(S.w/gmax, '.k')
subplot(212)
plot(mon.t/second, mon.w.T/gmax)
show()
