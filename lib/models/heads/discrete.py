r"""Heads of sites with finitely many states.

Bernoulli             p(s) = 1 / (1 + exp(-z s)),                s = -1, +1
Categorical           p(k) = exp(l_k) / sum_j exp(l_j),          k = 0 ... n - 1
SymmetricCategorical  the same with l_k = e_k + o_k, e even and o odd under k -> n - 1 - k
"""

import torch
import torch.nn.functional as F

from lib.models.heads import Head, refuse


class Bernoulli(Head):
    """A spin s = +-1 with one parameter z: p(s) = sigmoid(s z)."""

    n_parameters = 1
    n_features = 1

    def check(self, values):
        refuse(values, values.abs() != 1, "spins must be +1 or -1")

    def encode(self, values):
        return values[..., None]

    def log_prob(self, parameters, values):
        return F.logsigmoid(values * parameters[..., 0])

    def thresholds(self, shape, generator, kind):
        """Random numbers of `shape` in the dtype `kind`; a spin is up if its field is above: ln u - ln(1 - u)."""
        return torch.logit(torch.rand(shape, generator=generator, dtype=kind))

    def sample(self, parameters, generator):
        field = parameters[..., 0]
        return torch.where(field > self.thresholds(field.shape, generator, field.dtype), 1.0, -1.0).to(field.dtype)

    def site_rule(self, points):
        return torch.tensor([-1.0, 1.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)


class Categorical(Head):
    """A site with `n_states` states 0 ... n_states - 1; the parameters are unnormalised log probabilities."""

    def __init__(self, n_states):
        if n_states < 2:
            raise ValueError(f"n_states = {n_states}: a categorical site needs at least 2 states")
        self.n_states = self.n_parameters = self.n_features = n_states

    def check(self, values):
        wrong = (values < 0) | (values >= self.n_states) | (values != values.round())
        refuse(values, wrong, f"states must be the integers 0 to {self.n_states - 1}")

    def encode(self, values):
        return F.one_hot(values.long(), self.n_states).to(values.dtype)

    def log_prob(self, parameters, values):
        log_p, states = torch.log_softmax(parameters, -1), values.long()
        shape = torch.broadcast_shapes(log_p.shape[:-1], states.shape)
        return log_p.expand(*shape, -1).gather(-1, states.expand(shape)[..., None])[..., 0]

    def sample(self, parameters, generator):
        flat = torch.softmax(parameters, -1).reshape(-1, self.n_states)
        drawn = torch.multinomial(flat, 1, generator=generator)
        return drawn.reshape(parameters.shape[:-1]).to(parameters.dtype)

    def site_rule(self, points):
        return torch.arange(self.n_states, dtype=torch.float64), torch.ones(self.n_states, dtype=torch.float64)


class SymmetricCategorical(Categorical):
    """A categorical site whose states 0 ... n - 1 turn into n - 1 ... 0 under the flip of all spins, like block sums.

    The logits of k and its mirror image n - 1 - k are e + o and e - o with an even and an odd parameter; the middle
    state of an odd number of states has an even one alone. Feature j is the sign of the value if it lies at least j
    steps from the middle, else 0.
    """

    def __init__(self, n_states):
        super().__init__(n_states)
        self.n_features = n_states // 2
        self.n_even = n_states - n_states // 2

    def flip(self, values):
        return self.n_states - 1 - values

    def encode(self, values):
        centred = 2 * values - (self.n_states - 1)  # block sums in units of a spin
        parity = (self.n_states - 1) % 2
        levels = torch.arange(1, self.n_features + 1, dtype=values.dtype) * 2 - parity
        return (centred.abs()[..., None] >= levels) * centred.sign()[..., None]

    def _logits(self, parameters):
        """parameters [..., n_parameters] -> unnormalised log probabilities [n_states, ...], states first: faster."""
        odd, even = parameters.movedim(-1, 0).split([self.n_features, self.n_even])
        outer, middle = even[: self.n_features], even[self.n_features :]
        return torch.cat([outer - odd, middle, (outer + odd).flip(0)])

    def log_prob(self, parameters, values):
        log_p, states = torch.log_softmax(self._logits(parameters), 0), values.long()
        shape = torch.broadcast_shapes(log_p.shape[1:], states.shape)
        return log_p.expand(-1, *shape).gather(0, states.expand(shape)[None])[0]

    def sample(self, parameters, generator):
        return super().sample(self._logits(parameters).movedim(0, -1), generator)
