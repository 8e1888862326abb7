# deterministic: run_regularly of neurons and synapses, with a dt, when and order of their own
from brian2 import *

seed(31)
N = 25
cells = NeuronGroup(N, '''dv/dt = (1.5 + push - v)/(12*ms) : 1
                          push : 1
                          theta : 1
                          f : Hz''',
                    threshold='v > theta', reset='v = 0; f += 5*Hz', method='euler')
cells.theta = '0.8 + 0.4*rand()'
cells.run_regularly('f *= 0.9', dt=1*ms)
cells.run_regularly('theta = clip(theta + 0.01*(f - 20*Hz)/(20*Hz), 0.5, 1.45)', dt=2*ms, when='end')
cells.run_regularly('push = 0.1*sin(2*pi*30*Hz*t)')

loop = Synapses(cells, cells, '''w : 1
                                 age : integer''', on_pre='v_post += w; age = 0')
loop.connect(p=0.2)
loop.w = '0.02*rand()'
loop.run_regularly('''age += 1
                      w = w*(1 - 0.001*int(age > 10))''', dt=1*ms, when='start', order=1)

out = SpikeMonitor(cells)
theta_mon = StateMonitor(cells, ['theta', 'f', 'push'], record=[0, 7], dt=0.5*ms)
w_mon = StateMonitor(loop, ['w', 'age'], record=[0, 1, 2], dt=5*ms)
run(100*ms)
