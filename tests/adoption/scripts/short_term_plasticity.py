# deterministic: several pathways of one end, order, event-driven, spikes given as lists
from brian2 import *

# facilitation and depression at one set of terminals
tau_f, tau_d, U_0 = 150*ms, 80*ms, 0.2

times = [5, 15, 25, 35, 45, 95, 97, 99, 101]*ms
driver = SpikeGeneratorGroup(3, [0]*9 + [1, 1, 2], list(times) + [10*ms, 60*ms, 70*ms])
target = NeuronGroup(4, '''dv/dt = (g - v)/(12*ms) : 1
                           dg/dt = -g/(4*ms) : 1
                           n_arrived : integer''',
                     threshold='v > 0.2', reset='v = 0', method='euler')

terminal = Synapses(driver, target, '''du/dt = -u/tau_f : 1 (event-driven)
                                       dx/dt = (1 - x)/tau_d : 1 (event-driven)
                                       strength : 1
                                       released : 1''',
                    on_pre={'pre': '''u += U_0*(1 - u)
                                      released = u*x
                                      x -= released
                                      g_post += strength*released''',
                            'count': 'n_arrived_post += 1'},
                    on_post='strength = clip(strength*0.98, 0.5, 10)',
                    delay={'count': 2*ms})
terminal.count.order = -1
terminal.connect(True)
terminal.x = 1
terminal.strength = 'i + 0.5*j + 1.5'

g = StateMonitor(target, True, record=True)
r = StateMonitor(terminal, ['released', 'strength'], record=True)
spikes = SpikeMonitor(target)
run(120*ms)
plot(g.t/ms, g.g.T)
show()
