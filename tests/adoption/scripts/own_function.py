# deterministic: functions of one's own with a C++ implementation, one of them with a namespace
from brian2 import *


@implementation('cpp', '''
double soft_step(double x, double k)
{
    return 1.0/(1.0 + exp(-k*x));
}
''')
@implementation('cython', '''
cdef double soft_step(double x, double k):
    return 1.0/(1.0 + exp(-k*x))
''')
@check_units(x=1, k=1, result=1)
def soft_step(x, k):
    return 1/(1 + np.exp(-k*x))


@implementation('cpp', 'double piece(double v) { return (v < 0.01) ? 0.0 : v*2.0; }')
@check_units(v=volt, result=volt)
def piece(v):
    return np.where(np.asarray(v) < 0.01, 0.0, np.asarray(v)*2.0)*volt


tau = 10*ms
cells = NeuronGroup(12, '''dv/dt = (20*mV + 10*mV*soft_step(i - 5, 0.7) - v)/tau : volt
                           y = piece(v) : volt''',
                    threshold='v > 19*mV', reset='v = 0*mV', method='euler')
back = Synapses(cells, cells, 'w : 1', on_pre='v_post += w*mV*soft_step(v_post/mV - 10, 1.0)')
back.connect(j='(i + 3) % N_post')
back.w = 0.5
S = SpikeMonitor(cells)
Y = StateMonitor(cells, ('v', 'y'), record=[1, 11])
run(90*ms)
