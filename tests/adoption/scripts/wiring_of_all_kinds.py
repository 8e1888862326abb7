# deterministic: generator syntax, conditions, fixed degree by sample(), arrays, self-connections off
from brian2 import *
from numpy.random import RandomState

seed(21)
rng = RandomState(4)

ring = NeuronGroup(30, '''dv/dt = (1.1 + 0.2*sin(2*pi*i/N) - v)/(10*ms) : 1 (unless refractory)
                          x : meter''',
                   threshold='v > 1', reset='v = 0', refractory=1*ms, method='exponential_euler')
ring.x = 'i*10*um'
ring.v = 'rand()'
out = NeuronGroup(8, 'dv/dt = -v/(15*ms) : 1', threshold='v > 0.5', reset='v = 0', method='exact')

near = Synapses(ring, ring, 'w : 1 (constant)', on_pre='v_post += w')
near.connect(j='k for k in range(i - 3, i + 4) if i != k', skip_if_invalid=True)
near.w = '0.01*exp(-abs(x_pre - x_post)/(20*um))'

far = Synapses(ring, ring, on_pre='v_post -= 0.005')
far.connect(condition='abs(x_pre - x_post) > 200*um', p='0.3*(i % 2)')

fixed = Synapses(ring, out, on_pre='v_post += 0.11')
fixed.connect(j='k for k in sample(N_post, size=2)')

backwards = Synapses(out, ring, on_pre='v_post = v_post*0.9')
pre, post = where(rng.rand(8, 30) < 0.2)
backwards.connect(i=pre, j=post)

single = Synapses(out, ring, on_pre='v_post += 0.02')
single.connect(j='3*i')

spike_mon = SpikeMonitor(ring)
spike_out = SpikeMonitor(out)
state = StateMonitor(out, 'v', record=range(8))
run(100*ms)

hist(near.w[:])
show()
