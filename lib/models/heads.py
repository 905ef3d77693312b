r"""Value heads: what one conditional p(s_i | s_<i) looks like.

A trunk turns the sites already drawn into `n_parameters` numbers for site i; the head turns these
numbers into a normalised distribution. The talk uses two: Bernoulli for spins,
p(s_i) = q_i delta(s_i, +1) + (1 - q_i) delta(s_i, -1), and Beta for angles, s_i = theta_i / 2 pi.

A head knows four things: which values a site may take (`check`), how a value enters a trunk (`encode`),
the log probability of a value, and how to draw one. All are vectorised over leading axes.
Logarithms come from log-sigmoid and log-softmax; nothing is added inside a logarithm.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F


class Head(ABC):
    """One conditional distribution with `n_parameters` parameters; a value enters a trunk as `n_features` numbers.

    Where a global flip of all values is a symmetry: the features are odd under `flip`, the last `n_even` of the
    parameters even, the others odd.
    """

    n_parameters: int
    n_features: int
    n_even = 0

    @abstractmethod
    def check(self, values):
        """Raise ValueError, naming the first offending value, unless all `values` are in the range of the head."""

    @abstractmethod
    def encode(self, values):
        """values [...] -> features [..., n_features] in the dtype of `values`."""

    @abstractmethod
    def log_prob(self, parameters, values):
        """parameters [..., n_parameters], values [...] -> log probability (density) [...]."""

    def flip(self, values):
        """The values [...] after a global flip, s -> -s unless a head says otherwise."""
        return -values

    @abstractmethod
    def sample(self, parameters, generator):
        """parameters [..., n_parameters] -> values [...] drawn with a torch.Generator."""


def _refuse(values, wrong, remedy):
    if bool(wrong.any()):
        raise ValueError(f"a configuration holds the value {values[wrong][0].item()}: {remedy}")


class Bernoulli(Head):
    """A spin s = +-1 with one parameter h: p(s) = sigmoid(s h)."""

    n_parameters = 1
    n_features = 1

    def check(self, values):
        _refuse(values, values.abs() != 1, "spins must be +1 or -1")

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


class Categorical(Head):
    """A site with `n_states` states 0 ... n_states - 1; the parameters are unnormalised log probabilities."""

    def __init__(self, n_states):
        if n_states < 2:
            raise ValueError(f"n_states = {n_states}: a categorical site needs at least 2 states")
        self.n_states = self.n_parameters = self.n_features = n_states

    def check(self, values):
        wrong = (values < 0) | (values >= self.n_states) | (values != values.round())
        _refuse(values, wrong, f"states must be the integers 0 to {self.n_states - 1}")

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
        levels = torch.arange(1, self.n_features + 1, dtype=values.dtype, device=values.device) * 2 - parity
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


def _digamma(x):
    """The derivative of ln Gamma at x > 0, to 1e-9: four times as fast as torch's.

    psi(x) = psi(x + 6) - sum_{k < 6} 1 / (x + k), and Stirling's series for the first (DLMF 5.5.2 and 5.11.2).
    """
    u, y = x * (x + 5), x + 6
    steps = (2 * x + 5) * (u.reciprocal() + (u + 4).reciprocal() + (u + 6).reciprocal())
    z = y.reciprocal()
    square = z * z
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return y.log() - z / 2 - series - steps


class _LogBetas(torch.autograd.Function):
    """ln of a mixture of Beta densities at x [...]: logits, a and b [..., K]. The gradients, with r the share of a
    component at x: r - w;  r [psi(a + b) - psi(a) + ln x];  r [psi(a + b) - psi(b) + ln(1 - x)]."""

    @staticmethod
    def forward(ctx, logits, a, b, x):
        log_x, log_rest = x.log()[..., None], torch.log1p(-x)[..., None]
        total, log_weight = a + b, torch.log_softmax(logits, -1)
        terms = torch.lgamma(total) - torch.lgamma(a) - torch.lgamma(b) + (a - 1) * log_x + (b - 1) * log_rest
        terms += log_weight
        result = torch.logsumexp(terms, -1)
        if any(ctx.needs_input_grad):
            share, psi = (terms - result[..., None]).exp_(), _digamma(total)
            by_a, by_b = share * (psi - _digamma(a) + log_x), share * (psi - _digamma(b) + log_rest)
            ctx.save_for_backward(share - log_weight.exp(), by_a, by_b)
        return result

    @staticmethod
    def backward(ctx, gradient):
        return *(gradient[..., None] * d for d in ctx.saved_tensors), None


class BetaMixture(Head):
    """A value in (0, 1), for example theta / 2 pi, as a mixture of `n_components` Beta(a, b) densities.

    Parameters per component: an unnormalised log weight, and the pre-images of a and b under softplus.
    One component is the talk's Beta head (Chin. Phys. Lett. 39, 120502).
    """

    n_features = 1

    def __init__(self, n_components=1):
        if n_components < 1:
            raise ValueError(f"n_components = {n_components}: a mixture needs at least one component")
        self.n_components = n_components
        self.n_parameters = 3 * n_components

    def check(self, values):
        _refuse(values, ~((values > 0) & (values < 1)), "a Beta head needs values strictly between 0 and 1")

    def encode(self, values):
        return 2 * values[..., None] - 1

    def _components(self, parameters):
        log_weight, a, b = parameters.chunk(3, -1)
        # inverse softplus of 1 as offset: parameters of zero give the uniform density
        offset = math.log(math.expm1(1.0))
        return log_weight, F.softplus(a + offset), F.softplus(b + offset)

    def log_prob(self, parameters, values):
        shape = torch.broadcast_shapes(parameters.shape[:-1], values.shape)
        return _LogBetas.apply(*(p.expand(*shape, -1) for p in self._components(parameters)), values.expand(shape))

    def sample(self, parameters, generator):
        log_weight, a, b = self._components(parameters)
        flat = torch.softmax(log_weight, -1).reshape(-1, self.n_components)
        pick = torch.multinomial(flat, 1, generator=generator).reshape(*log_weight.shape[:-1], 1)
        x = torch._standard_gamma(a.gather(-1, pick)[..., 0].contiguous(), generator=generator)
        y = torch._standard_gamma(b.gather(-1, pick)[..., 0].contiguous(), generator=generator)
        tiny = torch.finfo(x.dtype).eps
        return (x / (x + y)).clamp(tiny, 1 - tiny)
