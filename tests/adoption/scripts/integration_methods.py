# deterministic: the same oscillator by every method that takes it, and one that needs each
from brian2 import *

omega = 2*pi*40*Hz
damped = '''dx/dt = -omega*y - 5*Hz*x : 1
            dy/dt = omega*x - 5*Hz*y : 1'''
nonlinear = '''dx/dt = y*100*Hz : 1
               dy/dt = (1.5*(1 - x**2)*y - x)*100*Hz : 1'''

groups, states, crossings = [], [], []
for method in ('exact', 'euler', 'rk2', 'rk4', 'exponential_euler'):
    group = NeuronGroup(3, damped, threshold='x > 0.9', refractory='x > 0.9', method=method,
                        name='linear_' + method)
    group.x = '1 - 0.02*i'
    groups.append(group)
for method in ('euler', 'rk2', 'rk4', 'heun'):
    group = NeuronGroup(3, nonlinear, threshold='x > 1.5', refractory='x > 1.5', method=method,
                        name='vdp_' + method)
    group.x = 0.5
    group.y = 'i'
    groups.append(group)
for group in groups:
    states.append(StateMonitor(group, ['x', 'y'], record=True, dt=1*ms, name=group.name + '_states'))
    crossings.append(SpikeMonitor(group, name=group.name + '_spikes'))

net = Network(groups, states, crossings)
net.run(60*ms)
