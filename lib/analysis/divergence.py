r"""How far a network is from the distribution of the data: the Kullback-Leibler divergence, by configuration.

    KL(p || q) = < ln p(s) - ln q(s) >,   s drawn from p,   in nats per configuration.

With p known exactly the difference d = ln p - ln q is taken for each configuration, so what the entropy of the data
contributes to the scatter cancels: the standard error is sqrt(Var d / n), about sqrt(2 KL / n) for a small KL.
Because <exp(-d)> = sum_s q(s) = 1 whatever q is, exp(-d) - 1 has mean zero and serves as a control variate: the
average of d + c (exp(-d) - 1) with the c of least variance has the same mean and a smaller error. That needs the
configurations that q finds likelier than p to be among the n: far from p they are not, and the plain average is taken.
It also needs p > 0 wherever q > 0. A network of sums gives some probability to sums that no spins have; there
`same_support=False` takes the plain average.
"""

import numpy as np

from lib.analysis.reweighting import effective_sample_size
from lib.statistics import mean

ENOUGH = 0.25  # effective sample size / n of exp(-d) from which <exp(-d)> = 1 can be relied on


def kl_divergence(log_p, log_q, same_support=True):
    """KL(p || q) in nats per configuration, an `Estimate`.

    log_p, log_q: both normalised, of independent configurations of p, [n].
    same_support: p > 0 wherever q > 0; the control variate needs it.

    ValueError for fewer than two configurations, or a ln p that is not finite.
    """
    d = np.asarray(log_p, float) - np.asarray(log_q, float)
    if len(d) < 2 or not np.isfinite(d).all():
        raise ValueError(f"{len(d)} differences ln p - ln q: at least two are needed, all of them finite")
    terms = d
    if same_support and effective_sample_size(-d) >= ENOUGH:
        control = np.expm1(-d)
        variance = control.var()
        terms = d - control * (np.mean(d * (control - control.mean())) / variance if variance > 0 else 0.0)
    return mean(terms)
