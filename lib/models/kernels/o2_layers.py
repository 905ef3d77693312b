r"""The layers of the O(2) Markov lattice, one site after the other, with gradients by hand.

For site i, with harmonics x_m [C, n] of n configurations (complex; x_m = e^(i m theta) of the sites it sees) and real
weights of its own (first W_i, output O_mi, skip S_mi),

    z = squash(W_i^T x_1),   v_1 = squash(A^T z),   p = B^T z,   I = Re(z conj p),   v_m = v_(m-1) z,
    s_m = softsign(G_m^T I + c_m),                  h_m = sum_u (1 + s_mu) O_mui v_mu + S_mi^T x_m,

with squash(z) = z / (1 + |z|). As in `two_layers.py`, the arrays of one site stay in the cache. Kept for the gradient
are z, v_1, p and s. Complex arrays are [H, 2, n]: real parts, imaginary parts.
"""

import numba
import numpy as np
import torch

# the errors of numpy: with those of Python every division asks whether it is one by zero, and is not vectorised
# Inlined, or the process that compiles links another copy than the one that loads the cache: other last digits.
FAST = numba.njit(cache=True, fastmath=True, error_model="numpy", forceinline=True)


@numba.njit(cache=True)
def _gather(features, index, x):
    for k in range(len(index)):
        x[k] = features[index[k]]


@FAST
def _squash(z, u):
    """u = z / (1 + |z|); u may be z."""
    one = z.dtype.type(1)
    for a in range(z.shape[0]):
        zx, zy, x, y = z[a, 0], z[a, 1], u[a, 0], u[a, 1]
        for b in range(len(x)):
            scale = one / (one + np.sqrt(zx[b] * zx[b] + zy[b] * zy[b]))
            x[b] = zx[b] * scale
            y[b] = zy[b] * scale


@FAST
def _squash_back(g, u):
    """g becomes dz = g (1 - |u|) - u Re(u conj g) / |z|, where u = squash(z), 1 - |u| = 1 / (1 + |z|)."""
    one, tiny = u.dtype.type(1), u.dtype.type(1e-10)
    for a in range(u.shape[0]):
        x, y, gx, gy = u[a, 0], u[a, 1], g[a, 0], g[a, 1]
        for b in range(len(x)):
            # zero has no direction; the floor keeps the derivative finite there
            length = np.sqrt(x[b] * x[b] + y[b] * y[b]) + tiny
            scale = one - length
            along = (x[b] * gx[b] + y[b] * gy[b]) * scale / length
            gx[b] = gx[b] * scale - x[b] * along
            gy[b] = gy[b] * scale - y[b] * along


@FAST
def _dot(u, v, out):
    """out = Re(u conj v), [H, n]."""
    for a in range(u.shape[0]):
        for b in range(u.shape[2]):
            out[a, b] = u[a, 0, b] * v[a, 0, b] + u[a, 1, b] * v[a, 1, b]


@FAST
def _dot_back(g, u, v, du, dv):
    """du += g v, dv = g u."""
    for a in range(u.shape[0]):
        for c in range(2):
            for b in range(u.shape[2]):
                du[a, c, b] += g[a, b] * v[a, c, b]
                dv[a, c, b] = g[a, b] * u[a, c, b]


@FAST
def _times(u, v, out):
    """out = u v, complex."""
    for a in range(u.shape[0]):
        ux, uy, vx, vy, x, y = u[a, 0], u[a, 1], v[a, 0], v[a, 1], out[a, 0], out[a, 1]
        for b in range(len(x)):
            x[b] = ux[b] * vx[b] - uy[b] * vy[b]
            y[b] = ux[b] * vy[b] + uy[b] * vx[b]


@FAST
def _times_back(g, u, v, du, dv):
    """du += g conj v, dv += g conj u."""
    for a in range(u.shape[0]):
        gx, gy, ux, uy, vx, vy = g[a, 0], g[a, 1], u[a, 0], u[a, 1], v[a, 0], v[a, 1]
        dux, duy, dvx, dvy = du[a, 0], du[a, 1], dv[a, 0], dv[a, 1]
        for b in range(len(gx)):
            dux[b] += gx[b] * vx[b] + gy[b] * vy[b]
            duy[b] += gy[b] * vx[b] - gx[b] * vy[b]
        for b in range(len(gx)):
            dvx[b] += gx[b] * ux[b] + gy[b] * uy[b]
            dvy[b] += gy[b] * ux[b] - gx[b] * uy[b]


@FAST
def _softsign(a, bias):
    """a becomes softsign(a + bias), [H, n]."""
    one = a.dtype.type(1)
    for u in range(a.shape[0]):
        for b in range(a.shape[1]):
            y = a[u, b] + bias[u]
            a[u, b] = y / (one + abs(y))


@FAST
def _field(v, s, weight, skip, features, index, x, y):
    """Field of one harmonic, real parts x and imaginary parts y [n]: gated vectors v, and the skip."""
    one = v.dtype.type(1)
    x[:], y[:] = 0, 0
    for u in range(v.shape[0]):
        w = weight[u]
        for b in range(v.shape[2]):
            gated = (one + s[u, b]) * w
            x[b] += gated * v[u, 0, b]
            y[b] += gated * v[u, 1, b]
    for k in range(len(index)):
        site, w = index[k], skip[k]
        for b in range(v.shape[2]):
            x[b] += w * features[site, 0, b]
            y[b] += w * features[site, 1, b]


@FAST
def _field_back(gx, gy, v, s, weight, features, index, dv, da, d_weight, d_skip, d_bias):
    """Of one harmonic, given g of its field: dv += ..., da [H, n] of what the softsign is taken of, the weights'."""
    one, zero = v.dtype.type(1), v.dtype.type(0)
    for u in range(v.shape[0]):
        total, total_bias, w = zero, zero, weight[u]
        vx, vy, dvx, dvy, gate, row = v[u, 0], v[u, 1], dv[u, 0], dv[u, 1], s[u], da[u]
        for b in range(len(vx)):
            along = gx[b] * vx[b] + gy[b] * vy[b]
            slope = one - abs(gate[b])
            total += (one + gate[b]) * along
            d = w * along * slope * slope
            total_bias += d
            row[b] = d
        for b in range(len(vx)):
            gated = (one + gate[b]) * w
            dvx[b] += gated * gx[b]
            dvy[b] += gated * gy[b]
        d_weight[u] = total
        d_bias[u] += total_bias
    for k in range(len(index)):
        site, total = index[k], zero
        for b in range(v.shape[2]):
            total += gx[b] * features[site, 0, b] + gy[b] * features[site, 1, b]
        d_skip[k] = total


@numba.njit(cache=True)
def _forward(features, context, first, skip, output, second, gate, bias, kept_z, kept_v, kept_p, kept_s, out):
    """Parameters `out` [N, 2 M, n]; what is kept is [N, ...], or [1, ...] where it need not be."""
    n_sites, n_inputs, hidden = first.shape
    harmonics, n, kind = len(features), features.shape[3], features.dtype
    x, two = np.empty((n_inputs, 2, n), kind), np.empty((2 * hidden, 2, n), kind)
    x_rows, two_rows, z_rows = x.reshape(-1, 2 * n), two.reshape(-1, 2 * n), kept_z.reshape(-1, hidden, 2 * n)
    invariants, v, w = np.empty((hidden, n), kind), np.empty((hidden, 2, n), kind), np.empty((hidden, 2, n), kind)
    for i in range(n_sites):
        a = i if len(kept_z) == n_sites else 0
        z, s = kept_z[a], kept_s[a]
        _gather(features[0], context[i], x)
        np.dot(first[i].T, x_rows, z_rows[a])
        _squash(z, z)
        np.dot(second.T, z_rows[a], two_rows)
        _squash(two[:hidden], kept_v[a])
        kept_p[a] = two[hidden:]
        _dot(z, kept_p[a], invariants)
        np.dot(gate.T, invariants, s)
        _softsign(s, bias)
        v[:] = kept_v[a]
        for m in range(harmonics):
            if m > 0:
                _times(v, z, w)
                v, w = w, v
            rows = s[m * hidden : (m + 1) * hidden]
            _field(v, rows, output[m, i], skip[m, i], features[m], context[i], out[i, m], out[i, harmonics + m])


@numba.njit(cache=True)
def _backward(
    features, context, first, output, second, gate, kept_z, kept_v, kept_p, kept_s, g,
    d_first, d_skip, d_output, d_second, d_gate, d_bias,
):  # fmt: skip
    """Gradients, given g [N, 2 M, n] of the parameters."""
    n_sites, n_inputs, hidden = first.shape
    harmonics, n, kind = len(features), features.shape[3], features.dtype
    x, invariants = np.empty((n_inputs, 2, n), kind), np.empty((hidden, n), kind)
    v, dv = np.empty((harmonics, hidden, 2, n), kind), np.empty((harmonics, hidden, 2, n), kind)
    da, di = np.empty((harmonics * hidden, n), kind), np.empty((hidden, n), kind)
    dz, d_two, back = np.empty((hidden, 2, n), kind), np.empty((2 * hidden, 2, n), kind), np.empty((hidden, 2, n), kind)
    part, part_gate = np.empty_like(second), np.empty_like(gate)
    x_rows, dz_rows, back_rows = x.reshape(-1, 2 * n), dz.reshape(-1, 2 * n), back.reshape(-1, 2 * n)
    d_two_rows, z_rows = d_two.reshape(-1, 2 * n), kept_z.reshape(-1, hidden, 2 * n)
    for i in range(n_sites):
        z, p = kept_z[i], kept_p[i]
        v[0] = kept_v[i]
        for m in range(1, harmonics):
            _times(v[m - 1], z, v[m])
        dv[:], dz[:] = 0, 0
        for m in range(harmonics):
            rows = slice(m * hidden, (m + 1) * hidden)
            _field_back(
                g[i, m], g[i, harmonics + m], v[m], kept_s[i, rows], output[m, i], features[m], context[i],
                dv[m], da[rows], d_output[m, i], d_skip[m, i], d_bias[rows],
            )  # fmt: skip
        for m in range(harmonics - 1, 0, -1):
            _times_back(dv[m], v[m - 1], z, dv[m - 1], dz)
        _dot(z, p, invariants)
        np.dot(invariants, da.T, part_gate)
        d_gate += part_gate
        np.dot(gate, da, di)
        _dot_back(di, z, p, dz, d_two[hidden:])
        _squash_back(dv[0], v[0])
        d_two[:hidden] = dv[0]
        np.dot(z_rows[i], d_two_rows.T, part)
        d_second += part
        np.dot(second, d_two_rows, back_rows)
        dz += back
        _squash_back(dz, z)
        _gather(features[0], context[i], x)
        np.dot(x_rows, dz_rows.T, d_first[i])


class _O2Layers(torch.autograd.Function):
    """Parameters [N, 2 M, n]. Arguments as in `o2_layers`."""

    @staticmethod
    def forward(ctx, features, context, first, skip, output, second, gate, bias):
        n_sites, _, hidden = first.shape
        n = features.shape[3]
        kept = n_sites if any(ctx.needs_input_grad) else 1
        held = [features.new_empty(kept, hidden, 2, n) for _ in range(3)]
        held.append(features.new_empty(kept, gate.shape[1], n))
        out = features.new_empty(n_sites, 2 * len(features), n)
        tensors = (features, context, first, skip, output, second, gate, bias)
        arrays = [t.detach().contiguous().numpy() for t in tensors]
        _forward(*arrays, *(t.numpy() for t in held), out.numpy())
        ctx.arrays, ctx.held = arrays, held
        return out

    @staticmethod
    def backward(ctx, g):
        features, context, first, skip, output, second, gate, bias = ctx.arrays
        gradients = [np.empty_like(first), np.empty_like(skip), np.empty_like(output)]
        gradients += [np.zeros_like(second), np.zeros_like(gate), np.zeros_like(bias)]
        held = [t.numpy() for t in ctx.held]
        _backward(features, context, first, output, second, gate, *held, g.contiguous().numpy(), *gradients)
        return None, None, *map(torch.from_numpy, gradients)


def o2_layers(features, context, first, skip, output, second, gate, bias):
    """Parameters [N, 2 M, n] of all conditionals: real parts of the M fields, then imaginary parts.

    features [M, N + 1, 2, n]: harmonics of every site, the last one zero. context [N, C]: the sites each conditional
    sees. first [N, C, H], skip [M, N, C], output [M, N, H], second [H, 2 H], gate [H, M H], bias [M H]: weights.

    NotImplementedError where a gradient by the features is asked for: only those by weights are written.
    """
    if features.requires_grad:
        raise NotImplementedError("this network has no gradient by the angles")
    return _O2Layers.apply(features, context, first, skip, output, second, gate, bias)
