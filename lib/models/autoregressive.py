r"""The autoregressive model: p(s) = prod_i p(s_i | s_1, ..., s_{i-1}).

One required method, `conditionals`: the parameters of every conditional for given configurations. From
it follow `log_prob` (one pass) and exact independent samples (N conditionals in turn). A trunk that keeps what it
computed of the sites before overrides `incremental`, and sampling becomes about N times cheaper.

Site order is explicit: `order[k]` is the flat index of the k-th site drawn. Inside the trunk everything is in
drawing order; configurations outside are in lattice order.

References: Larochelle and Murray 2011 (NADE), Germain et al. 2015 (MADE); the talk's factorisation slide.
"""

from abc import ABC, abstractmethod
from math import prod

import torch


class Autoregressive(torch.nn.Module, ABC):
    """Base class of all deep autoregressive networks.

    site_shape: shape of one configuration, `(L, L)` or `(N,)`.
    head: a `heads.Head`.
    order: permutation of 0 ... N-1, the flat site indices in the order in which they are drawn (default: row by row).
    """

    def __init__(self, site_shape, head, order=None):
        super().__init__()
        self.site_shape = tuple(site_shape)
        self.head = head
        self.n_sites = prod(self.site_shape)
        order = torch.arange(self.n_sites) if order is None else torch.as_tensor(order, dtype=torch.long)
        if not torch.equal(order.sort().values, torch.arange(self.n_sites)):
            raise ValueError(f"order must be a permutation of the {self.n_sites} sites")
        self.register_buffer("order", order)
        self.register_buffer("inverse_order", order.argsort())
        self.row_by_row = torch.equal(order, torch.arange(self.n_sites))

    @abstractmethod
    def conditionals(self, values):
        """values [n, N] in drawing order -> parameters [n, N, n_parameters]; row k may depend on values[:, :k] only."""

    def incremental(self, n):
        """Generator of the conditionals' parameters one site at a time, [n, n_parameters] each.

        It yields the parameters of site 0, is sent the values [n] drawn there, yields those of site 1, and so on.
        This default evaluates the whole network for every site; trunks with a cache override it.
        """
        values = torch.zeros(n, self.n_sites, dtype=self.dtype)
        for k in range(self.n_sites):
            values[:, k] = yield self.conditionals(values)[:, k]

    @property
    def dtype(self):
        return next(self.parameters()).dtype

    def flatten(self, configurations, check=True):
        """Configurations [n, *site_shape] (array or tensor) -> values [n, N] in drawing order, in the model's dtype.

        check: False for values that were looked at before.
        Raises ValueError when the shape does not fit or a value is outside the head's range (NaN included).
        """
        values = torch.as_tensor(configurations)
        if tuple(values.shape[1:]) != self.site_shape:
            raise ValueError(
                f"configurations of shape {tuple(values.shape)}: this network was built for [n, {self.site_shape}]"
            )
        values = values.reshape(len(values), -1).to(self.dtype)
        if check:
            self.head.check(values)
        return values if self.row_by_row else values[:, self.order]

    def unflatten(self, values):
        """Values [n, N] in drawing order -> configurations [n, *site_shape]."""
        return values[:, self.inverse_order].reshape(-1, *self.site_shape)

    def log_prob(self, configurations, check=True):
        """ln p(s) of configurations [n, *site_shape], as a tensor [n]; differentiable in the network's weights.

        check: see `flatten`.
        """
        values = self.flatten(configurations, check)
        return self.head.log_prob(self.conditionals(values), values).sum(-1)

    @torch.no_grad()
    def sample(self, n, seed, naive=False):
        """n independent configurations [n, *site_shape] drawn exactly from p, and their ln p, both as tensors.

        seed: int. naive=True takes the slow way, the whole network once per site; same numbers, for tests.
        """
        generator = torch.Generator().manual_seed(seed)
        steps = Autoregressive.incremental(self, n) if naive else self.incremental(n)
        values = torch.empty(n, self.n_sites, dtype=self.dtype)
        log_prob = torch.zeros(n, dtype=self.dtype)
        parameters = next(steps)
        for k in range(self.n_sites):
            values[:, k] = self.head.sample(parameters, generator)
            log_prob += self.head.log_prob(parameters, values[:, k])
            if k + 1 < self.n_sites:
                parameters = steps.send(values[:, k])
        return self.unflatten(values), log_prob


@torch.no_grad()
def log_prob_in_batches(model, configurations, batch=128):
    """ln p(s) as a float64 numpy array [n], evaluated `batch` at a time without gradients.

    The default keeps a network of the size used here in the processor's cache.
    """
    parts = [model.log_prob(configurations[k : k + batch]) for k in range(0, len(configurations), batch)]
    return torch.cat(parts).double().numpy()
