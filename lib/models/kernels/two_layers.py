r"""The two layers of the Markov lattice, one site after the other, with gradients by hand.

For site i, with inputs x [C, n] of n configurations (one column each) and weights of its own (first W_i, output O_i),

    z = W_i^T x,   h = softsign(z_1 + b_i),   k = softsign(S^T h + c),   odd  = z_2 + O_odd^T k + d,
                                                                         even = O_even^T k^2 + d,

where z_1 are the first H rows of z and z_2, the skip, the others. What torch composes from batched products over all
sites passes five times over arrays of the size of the whole batch; here the arrays of one site stay in the cache, and
the only ones kept for the gradient are h and k.
"""

import numba
import numpy as np
import torch


@numba.njit(cache=True)
def _gather(features, index, extra, x):
    """Inputs x [C, n] of one site: features [N + 1, F, n] of the sites in `index`, then the extra ones [M, n]."""
    n_features = features.shape[1]
    for k in range(len(index)):
        for f in range(n_features):
            x[k * n_features + f] = features[index[k], f]
    start = len(index) * n_features
    for m in range(len(extra)):
        x[start + m] = extra[m]


@numba.njit(cache=True, fastmath=True, error_model="numpy")  # else a division asks whether it is one by zero
def _softsign(z, bias, y):
    """y = softsign(z + bias), [H, n]."""
    one = z.dtype.type(1)
    for a in range(y.shape[0]):
        for b in range(y.shape[1]):
            u = z[a, b] + bias[a]
            y[a, b] = u / (one + abs(u))


@numba.njit(cache=True, fastmath=True)
def _times_slope(gradient, y):
    """gradient *= dy/dx of y = softsign(x). Returns nothing."""
    one = y.dtype.type(1)
    for a in range(y.shape[0]):
        for b in range(y.shape[1]):
            slope = one - abs(y[a, b])
            gradient[a, b] *= slope * slope


@numba.njit(cache=True, fastmath=True)
def _output(z, k, weight, bias, n_odd, out):
    """out [P, n] from the skip z [>= n_odd, n] and the second layer k [H, n]."""
    for p in range(out.shape[0]):
        if p < n_odd:
            for b in range(out.shape[1]):
                out[p, b] = z[p, b] + bias[p]
            for u in range(k.shape[0]):
                w = weight[u, p]
                for b in range(out.shape[1]):
                    out[p, b] += w * k[u, b]
        else:
            for b in range(out.shape[1]):
                out[p, b] = bias[p]
            for u in range(k.shape[0]):
                w = weight[u, p]
                for b in range(out.shape[1]):
                    out[p, b] += w * k[u, b] * k[u, b]


@numba.njit(cache=True, fastmath=True)
def _output_back(g, k, weight, n_odd, dk, d_weight):
    """dk [H, n] and d_weight [H, P] from g [P, n]."""
    zero = k.dtype.type(0)
    for u in range(k.shape[0]):
        for b in range(k.shape[1]):
            dk[u, b] = zero
        for p in range(g.shape[0]):
            w, total = weight[u, p], zero
            if p < n_odd:
                for b in range(k.shape[1]):
                    total += k[u, b] * g[p, b]
                    dk[u, b] += w * g[p, b]
            else:
                for b in range(k.shape[1]):
                    along = k[u, b] * g[p, b]
                    total += k[u, b] * along
                    dk[u, b] += (w + w) * along
            d_weight[u, p] = total


@numba.njit(cache=True, fastmath=True)
def _row_sums(x, out):
    """out [H] += sums of the rows of x [H, n]."""
    for a in range(x.shape[0]):
        total = x.dtype.type(0)
        for b in range(x.shape[1]):
            total += x[a, b]
        out[a] += total


@numba.njit(cache=True)
def _forward(features, context, extra, first, output, second, first_bias, second_bias, output_bias, n_odd, h, k, out):
    """Parameters `out` [N, P, n]; h and k [N, H, n] are filled, or [1, H, n] where they need not be kept."""
    n_sites, n_inputs, width = first.shape
    hidden, n = len(second), features.shape[2]
    x, z = np.empty((n_inputs, n), features.dtype), np.empty((width, n), features.dtype)
    y = np.empty((hidden, n), features.dtype)
    keep = len(h) == n_sites
    for i in range(n_sites):
        a = i if keep else 0
        _gather(features, context[i], extra[i], x)
        np.dot(first[i].T, x, z)
        _softsign(z, first_bias[i], h[a])
        np.dot(second.T, h[a], y)
        _softsign(y, second_bias, k[a])
        _output(z[hidden:], k[a], output[i], output_bias[i], n_odd, out[i])


@numba.njit(cache=True)
def _backward(
    features, context, extra, first, output, second, n_odd, h, k, g, d_first, d_output, d_second, d_bias, d_second_bias
):
    """Gradients, given g [N, P, n] of the parameters. d_bias [N, H]: of the first layer."""
    n_sites, n_inputs, width = first.shape
    hidden, n = len(second), features.shape[2]
    x, dz = np.empty((n_inputs, n), features.dtype), np.empty((width, n), features.dtype)
    dk, part = np.empty((hidden, n), features.dtype), np.empty((hidden, hidden), features.dtype)
    for i in range(n_sites):
        _output_back(g[i], k[i], output[i], n_odd, dk, d_output[i])
        _times_slope(dk, k[i])
        np.dot(h[i], dk.T, part)
        d_second += part
        _row_sums(dk, d_second_bias)
        np.dot(second, dk, dz[:hidden])
        _times_slope(dz[:hidden], h[i])
        _row_sums(dz[:hidden], d_bias[i])
        dz[hidden:] = g[i, :n_odd]
        _gather(features, context[i], extra[i], x)
        np.dot(x, dz.T, d_first[i])


class _TwoLayers(torch.autograd.Function):
    """Parameters [N, P, n]. Arguments as in `two_layers`; biases [N, H], [H], [N, P]."""

    @staticmethod
    def forward(ctx, features, context, extra, n_odd, first, output, second, first_bias, second_bias, output_bias):
        n_sites, hidden, n = len(first), len(second), features.shape[2]
        kept = n_sites if any(ctx.needs_input_grad) else 1
        h, k = features.new_empty(kept, hidden, n), features.new_empty(kept, hidden, n)
        out = features.new_empty(n_sites, output.shape[2], n)
        arrays = [t.detach().contiguous().numpy() for t in (features, context, extra, first, output, second)]
        biases = [t.detach().contiguous().numpy() for t in (first_bias, second_bias, output_bias)]
        _forward(*arrays, *biases, n_odd, h.numpy(), k.numpy(), out.numpy())
        ctx.arrays, ctx.n_odd, ctx.kept = arrays, n_odd, (h, k)
        return out

    @staticmethod
    def backward(ctx, g):
        _, _, _, first, output, second = ctx.arrays
        h, k = ctx.kept
        gradients = [np.empty_like(first), np.empty_like(output), np.zeros_like(second)]
        biases = [np.zeros((len(first), len(second)), first.dtype), np.zeros(len(second), first.dtype)]
        g = g.contiguous()
        _backward(*ctx.arrays, ctx.n_odd, h.numpy(), k.numpy(), g.numpy(), *gradients, *biases)
        d_first, d_output, d_second, d_first_bias, d_second_bias = map(torch.from_numpy, (*gradients, *biases))
        return None, None, None, None, d_first, d_output, d_second, d_first_bias, d_second_bias, g.sum(2)


def two_layers(features, context, extra, n_odd, first, output, second, biases):
    """Parameters [N, P, n] of all conditionals.

    features [N + 1, F, n]: of every site, the last one zero. context [N, K]: the sites each conditional sees; extra
    [N, M, n]: more inputs. first [N, K F + M, H + n_odd], output [N, H, P], second [H, H]: weights. biases: of the
    first layer [N, H], the second [H], the output [N, P].

    NotImplementedError where a gradient by the features is asked for: only those by weights are written.
    """
    if features.requires_grad:
        raise NotImplementedError("this network has no gradient by the configuration; FieldLattice has one")
    return _TwoLayers.apply(features, context, extra, n_odd, first, output, second, *biases)


@numba.njit(cache=True)
def _draw(spins, context, extra, first, output, second, first_bias, second_bias, output_bias, n_odd, threshold, field):
    """As `_forward` with one feature and one parameter, drawing on the way: spins [N + 1, 1, n], fields [N, 1, n]."""
    n_sites, n_inputs, width = first.shape
    hidden, n = len(second), spins.shape[2]
    x, z = np.empty((n_inputs, n), spins.dtype), np.empty((width, n), spins.dtype)
    h, y = np.empty((hidden, n), spins.dtype), np.empty((hidden, n), spins.dtype)
    for i in range(n_sites):
        _gather(spins, context[i], extra[i], x)
        np.dot(first[i].T, x, z)
        _softsign(z, first_bias[i], h)
        np.dot(second.T, h, y)
        _softsign(y, second_bias, h)
        _output(z[hidden:], h, output[i], output_bias[i], n_odd, field[i])
        for b in range(n):
            spins[i, 0, b] = 1 if field[i, 0, b] > threshold[i, b] else -1


def draw_spins(thresholds, context, first, output, second, biases):
    """Spins and their fields, [N, n] each: a spin is up if its field is above its threshold, [N, n].

    The other arguments are those of `two_layers`, of a network with one feature and one parameter, detached.
    """
    n_sites, n = thresholds.shape
    spins, field = thresholds.new_zeros(n_sites + 1, 1, n), thresholds.new_empty(n_sites, 1, n)
    extra = thresholds.new_zeros(n_sites, 0, n)
    tensors = (spins, context, extra, first, output, second, *biases)
    arrays = [t.detach().contiguous().numpy() for t in tensors]
    _draw(*arrays, 1, thresholds.numpy(), field.numpy())
    return spins[:-1, 0], field[:, 0]
