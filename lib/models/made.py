r"""MADE: a feed-forward network whose weights are masked so that its outputs are conditionals (Germain et al. 2015).

Every hidden unit carries a degree d in 0 ... N-2 and sees the sites 0 ... d (in drawing order) and hidden units of
degree <= d; output k sees hidden units of degree < k, hence sites 0 ... k-1 only:

    mask(unit of degree d <- site j)            = [j <= d]
    mask(unit of degree d <- unit of degree e)  = [e <= d]
    mask(output k <- unit of degree d)          = [d < k]
    mask(output k <- site j)                    = [j < k]          (the linear skip)

    x x x x x      x  seen: every site drawn before
    x x x s -      s  drawn now
    - - - - -      -  not drawn yet

Degrees are spread evenly over 0 ... N-2 in ascending order, so the masks are staircases, and a unit of degree d is
final as soon as site d is drawn. Cached sampling therefore uses each weight once: one pass in all, not N.

With `odd=True` there are no biases and tanh is odd: the field on a spin changes sign with the configuration, so
p(-s) = p(s) holds to rounding.
"""

import torch
import torch.nn.functional as F

from lib.models.autoregressive import Autoregressive
from lib.models.heads.discrete import Bernoulli


class MADE(Autoregressive):
    """Masked autoencoder for distribution estimation.

    hidden: widths of the hidden layers, () for none.
    skip: masked linear weights from input to output as well.
    odd: Z2 exact, for the Bernoulli head.
    seed: of the initial weights, which are scaled to the inputs a mask leaves.
    """

    def __init__(self, *, site_shape, head, hidden=(256,), order=None, skip=True, odd=False, seed=0):
        super().__init__(site_shape, head, order)
        if any(width < 1 for width in hidden):
            raise ValueError(f"hidden={hidden}: every hidden layer needs at least 1 unit")
        if not hidden and not skip:
            raise ValueError("hidden=() and skip=False: nothing would connect the sites")
        if odd and not isinstance(head, Bernoulli):
            raise ValueError(f"odd=True needs a Bernoulli head, not {type(head).__name__}")
        self.hidden, self.skip, self.odd = tuple(hidden), skip, odd
        site = torch.arange(self.n_sites)
        inputs = site.repeat_interleave(head.n_features)
        outputs = site.repeat_interleave(head.n_parameters)
        degrees = [torch.arange(width) * (self.n_sites - 1) // width for width in hidden]
        masks = [above[:, None] >= below for below, above in zip([inputs, *degrees], degrees, strict=False)]
        if hidden:
            masks.append(outputs[:, None] > degrees[-1])
        if skip:
            masks.append(outputs[:, None] > inputs)
        # number of units of a layer with degree < k, for k = 0 ... N: what is final when k sites are drawn
        self._final = [torch.searchsorted(degree, torch.arange(self.n_sites + 1)).tolist() for degree in degrees]
        generator = torch.Generator().manual_seed(seed)
        self.weights, self.biases = torch.nn.ParameterList(), torch.nn.ParameterList()
        for number, mask in enumerate(masks):
            self.register_buffer(f"mask_{number}", mask)
            inputs_left = mask.sum(1, keepdim=True).clamp(min=1)
            scale = 1.0 if number < len(hidden) else 0.1  # starts near independent sites
            self.weights.append(scale * torch.randn(mask.shape, generator=generator) / inputs_left.sqrt())
            if not odd and number <= len(hidden):
                self.biases.append(torch.zeros(len(mask)))

    def masks(self):
        """The masks [n_out, n_in] as bool: one per hidden layer, then hidden to output, then the skip."""
        return [getattr(self, f"mask_{number}") for number in range(len(self.weights))]

    def _masked(self):
        """Weights [n_out, n_in], zero where masked, as (hidden layers, output or None, skip or None)."""
        layers = [weight * mask for weight, mask in zip(self.weights, self.masks(), strict=True)]
        skip = layers.pop() if self.skip else None
        output = layers.pop() if self.hidden else None
        return layers, output, skip

    def _bias(self, number):
        return None if self.odd else self.biases[number]

    def conditionals(self, values):
        layers, output, skip = self._masked()
        features = units = self.head.encode(values).flatten(1)
        for number, weight in enumerate(layers):
            units = torch.tanh(F.linear(units, weight, self._bias(number)))
        bias = self._bias(len(layers))
        result = F.linear(features, skip, bias if output is None else None) if self.skip else 0
        if output is not None:
            result = result + F.linear(units, output, bias)
        return result.unflatten(1, (self.n_sites, self.head.n_parameters))

    def incremental(self, n):
        """The parameters site by site; every hidden unit is computed once, when the last site it sees is drawn."""
        layers, output, skip = self._masked()
        n_features, n_parameters = self.head.n_features, self.head.n_parameters
        features = torch.empty(n, self.n_sites * n_features, dtype=self.dtype)
        units = [torch.empty(n, width, dtype=self.dtype) for width in self.hidden]
        for k in range(self.n_sites):
            drawn = k * n_features
            below, n_below = features, drawn
            for number, weight in enumerate(layers):
                new = slice(self._final[number][k - 1] if k else 0, self._final[number][k])
                bias = None if self.odd else self.biases[number][new]
                if new.stop > new.start:
                    units[number][:, new] = torch.tanh(F.linear(below[:, :n_below], weight[new, :n_below], bias))
                below, n_below = units[number], new.stop
            out = slice(k * n_parameters, (k + 1) * n_parameters)
            parameters = torch.zeros(n, n_parameters, dtype=self.dtype)
            if not self.odd:
                parameters = parameters + self.biases[len(layers)][out]
            if output is not None:
                parameters = parameters + below[:, :n_below] @ output[out, :n_below].T
            if skip is not None:
                parameters = parameters + features[:, :drawn] @ skip[out, :drawn].T
            values = yield parameters
            features[:, drawn : drawn + n_features] = self.head.encode(values)
