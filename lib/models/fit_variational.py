r"""Reverse Kullback-Leibler divergence: a network learns exp(-beta E) from the energy alone, without data.

Minimise the variational free energy F_q = < E + ln q / beta > over configurations that the network draws itself. It is
never below the true one: with p = exp(-beta E) / Z,

    D(q || p) = sum_s q (ln q - ln p) = beta (F_q - F) >= 0.

The gradient needs no derivative of E (Wu, Wang and Zhang, Phys. Rev. Lett. 122, 080602). With
f(s) = beta E(s) + ln q(s), and because < grad ln q > = 0,

    grad beta F_q = < (f - b) grad ln q >,      whatever the number b.

With b for each of n draws the mean f of the other n - 1, the estimate stays unbiased,

    grad beta F_q ~ 1/(n - 1) sum_i (f_i - mean f) grad ln q(s_i).

As q approaches p, f becomes a constant, -ln Z, and the noise of the gradient vanishes with it.

Drawing many side by side costs little more than drawing one. So several batches are drawn at once and used in as many
steps; since the first of these q has moved a little, and its draws are weighted by q now / q then (normalised over the
batch, a bias of order 1/n). As in `fit.py`, the weights that come back are an average over the last steps.

D(q || p) punishes q where p is small, not p where q is: a q that lives in one of several valleys of the energy is a
local minimum. Annealing, beta from 0 to its value in the first part of the training, starts where there are no valleys.
"""

import math
import time
from typing import NamedTuple

import torch

from lib.models.fit import WeightAverage, learning_rate_factor


class VariationalResult(NamedTuple):
    """What a training did. history: (step, beta, beta F_q, standard deviation of beta E + ln q) of every batch.

    The last would be 0 for q = p.
    """

    steps: int
    seconds: float
    history: list


def annealed(step, steps, annealing):
    """The part of beta in force at `step` = 0 ... steps - 1: rises linearly to 1 in the first `annealing` of them."""
    return min(1.0, (step + 1) / (annealing * steps)) if annealing else 1.0


def surrogate(model, configurations, beta_energy, log_drawn=None):
    """A number whose gradient is the estimate above; beta F_q from the batch, and the standard deviation of f in it.

    configurations: [n, ...], drawn from the model.
    beta_energy: beta E of each, tensor [n].
    log_drawn: ln q [n] when they were drawn; None: the model is still the same.
    """
    log_q = model.log_prob(configurations)
    f = beta_energy.to(log_q) + log_q.detach()
    if log_drawn is None:
        weight = torch.ones_like(f)
    else:
        weight = len(f) * torch.softmax(log_q.detach() - log_drawn, 0)
    baseline = (weight * f).mean()
    return (weight * (f - baseline) * log_q).sum() / (len(f) - 1), float(baseline), float(f.std())


def fit_variational(
    model,
    energy,
    beta,
    *,
    steps,
    batch=64,
    reuse=4,
    learning_rate=1e-2,
    window=0.03,
    annealing=0.5,
    seed=0,
):
    """Fit `model` to exp(-beta energy) by reverse KL, in place and without data; returns a `VariationalResult`.

    energy: function of configurations, a tensor [n, *site_shape] -> energies [n], tensor or numpy array.
    beta: inverse temperature, in units of 1 / energy.
    batch: configurations per step.
    reuse: batches drawn at once.
    window: of the average of the weights, as a part of all steps; 0 returns the last weights.
    annealing: part of the training in which beta rises from 0; 0 for none.
    seed: of the draws.

    ValueError for parameters out of range and energies that are not one each; FloatingPointError when beta F_q is no
    longer finite.
    """
    if not 0 < beta < math.inf:
        raise ValueError(f"beta = {beta}: the inverse temperature must be positive and finite")
    if steps < 1 or batch < 8 or reuse < 1:
        raise ValueError(f"steps={steps}, batch={batch}, reuse={reuse}: steps and reuse >= 1, batch >= 8 are needed")
    if not (0 <= annealing < 1 and 0 <= window <= 1):
        raise ValueError(f"annealing = {annealing}, window = {window}: give parts of the training, from 0 to 1")
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.9, 0.99), fused=True)
    average = WeightAverage(model, steps, window)
    generator = torch.Generator().manual_seed(seed)
    history, start = [], time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * learning_rate_factor(step, steps)
        if step % reuse == 0:
            n = reuse * batch
            configurations, log_drawn = model.sample(n, int(torch.randint(2**62, (1,), generator=generator)))
            energies = torch.as_tensor(energy(configurations))
            if energies.shape != (n,):
                raise ValueError(
                    f"energies of shape {tuple(energies.shape)} for {n} configurations: one each is needed"
                )
        beta_now = beta * annealed(step, steps, annealing)
        part = slice(step % reuse, None, reuse)
        loss, mean, spread = surrogate(model, configurations[part], beta_now * energies[part], log_drawn[part])
        optimizer.zero_grad()
        (loss / model.n_sites).backward()
        optimizer.step()
        average.update(model, step + 1)
        if not math.isfinite(mean):
            raise FloatingPointError(f"beta F_q became {mean} at step {step + 1}: lower learning_rate={learning_rate}")
        history.append((step + 1, beta_now, mean, spread))
    model.load_state_dict(average.model.state_dict())
    return VariationalResult(steps, time.perf_counter() - start, history)
