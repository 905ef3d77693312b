"""Networks trained on paths of the double well, judged and read on paths that none of them has seen."""

from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import action
from lib.analysis.divergence import kl_divergence
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, integrated_time, mean, over_networks
from lib.systems import double_well

# Paths -----------------------------------------------------------------------------------------------------


def local_autocorrelation(couplings, n_sites, rng, measurements=3000, interval=10):
    """tau_int in sweeps of S, of the mean of x^2 and of x, with local steps alone; interval: sweeps between two."""
    chain = chains.DoubleWell(couplings, n_sites, replicas=16, clusters=False)
    relaxation = mcmc.relax(chain, measurements, rng, interval=interval)
    return [interval * integrated_time(series[measurements // 10 :]) for series in relaxation]


def typical(paths):
    """The first of paths [n, N] that has as many kinks as the median."""
    kinks = double_well.kinks(paths)
    return paths[np.argmax(kinks == 2 * round(np.median(kinks) / 2))]


def mean_kink(paths, reach):
    """Mean path around a kink that is alone within `reach` sites to either side, upwards: `Estimate` [2 reach].

    The kink lies between the two sites in the middle. paths: [n, N], independent; kinks of one path count as such.
    """
    n_sites = paths.shape[1]
    change = (paths[:, :-1] * paths[:, 1:] < 0)[:, reach : n_sites - reach - 1]
    path, site = np.nonzero(change)
    around = np.stack([paths[path, site + reach + k] for k in range(1 - reach, reach + 1)])
    around *= np.sign(around[reach] - around[reach - 1])
    alone = (around[:reach] < 0).all(0) & (around[reach:] > 0).all(0)
    return mean(around[:, alone].T)


# Networks --------------------------------------------------------------------------------------------------


def divergence(networks):
    """KL in nats per path of `Learned` networks: mean over them, `Estimate`."""
    return over_networks([one.kl.value for one in networks], [one.kl.error for one in networks])


def symmetrised_divergence(networks, group, paths):
    """The same with p averaged over a symmetry group, on paths [n, N] of the exact distribution."""
    symmetrised = [(LearnedHamiltonian(one.model, 1.0, group), paths) for one in networks]
    log_p = networks[0].task.source.log_prob(paths)
    found = [kl_divergence(log_p, -S) for S in parallel.starmap(LearnedHamiltonian.action, symmetrised)]
    return over_networks([kl.value for kl in found], [kl.error for kl in found], shared=True)


def actions_and_forces(networks, paths):
    """S_theta [n] and dS_theta/dx_i [n, N] of every network, on the paths of its own beta.

    networks: name -> list of `Learned`. paths: beta -> [n, N]. Returns two dicts, name -> list over the networks.
    """
    every = [one for group in networks.values() for one in group]
    calls = [(one.hamiltonian, paths[one.task.source.beta]) for one in every]
    found = iter(parallel.starmap(LearnedHamiltonian.energy_and_gradient, calls))
    of_group = {name: list(zip(*[next(found) for _ in group], strict=True)) for name, group in networks.items()}
    return tuple({name: group[k] for name, group in of_group.items()} for k in (0, 1))


def mean_of(records, name):
    """Mean over networks that were judged on the same paths of the field `name` of their records, `Estimate`.

    records: one for each network, with the field `name` and its error, `name`_error.
    """
    values, errors = ([getattr(record, field) for record in records] for field in (name, f"{name}_error"))
    return over_networks(values, errors, shared=True)


class PhysicalCouplings(NamedTuple):
    """What networks say about the action, means over them. True values: 4, 7.84, 1, 0.

    coupling: lambda. mass_squared: mu^2. kinetic: coefficient of the kinetic term times a.
    sextic: coefficient of x^5 in the force over a; 0 where it was not fitted.
    explained: the fraction of the mean square of the force.
    """

    coupling: Estimate
    mass_squared: Estimate
    kinetic: Estimate
    sextic: Estimate
    explained: float


def read_couplings(paths, forces, spacing, **options):
    """`PhysicalCouplings` from the forces [n, N] of every network on paths [n, N]; options: of `action.read`."""
    read = [action.read(paths, force, **options) for force in forces]

    def in_units(coefficients):
        return np.append(action.physical(coefficients, spacing), coefficients[3] / spacing)

    values, errors = ([in_units(getattr(one, name)) for one in read] for name in ("coefficients", "errors"))
    found = over_networks(values, np.abs(errors), shared=True)
    explained = float(np.mean([one.explained for one in read]))
    return PhysicalCouplings(*map(Estimate, *found), explained)
