r"""ln p of single values, and its gradients by hand: mixtures of Beta densities, exponentials of polynomials.

A kernel is called as kernel(parameters, x, *constants, result, by_parameter, by_x): it fills ln p of the values x [M]
into `result` [M], its derivatives by the parameters [M, P] into `by_parameter` and those by x into `by_x`. The last
two may be empty: then they are not filled.
"""

import math

import numba
import numpy as np
import torch

from lib.models.kernels.simd import exp, log

LIMIT = 5.0  # of |ln (a + b) / 60|, a width of 0.005 of the interval: beyond, single precision fails
BLOCK = 64  # values of a mixture of Beta densities that are worked on at a time


class _LogProb(torch.autograd.Function):
    """ln p [M] of values [M] from parameters [M, P]."""

    @staticmethod
    def forward(ctx, kernel, parameters, values, *constants):
        result = torch.empty_like(values)
        by_parameter = parameters.new_empty(parameters.shape if ctx.needs_input_grad[1] else (0, 0))
        by_value = values.new_empty(len(values) if ctx.needs_input_grad[2] else 0)
        given = [t.detach().numpy() for t in (parameters, values)]
        given += [c.numpy() if isinstance(c, torch.Tensor) else given[1].dtype.type(c) for c in constants]
        kernel(*given, result.numpy(), by_parameter.numpy(), by_value.numpy())
        ctx.save_for_backward(by_parameter, by_value)
        return result

    @staticmethod
    def backward(ctx, gradient):
        by_parameter, by_value = ctx.saved_tensors
        to_parameter = by_parameter * gradient[:, None] if ctx.needs_input_grad[1] else None
        to_value = by_value * gradient if ctx.needs_input_grad[2] else None
        return None, to_parameter, to_value, *[None] * (len(ctx.needs_input_grad) - 3)


def log_prob(kernel, parameters, values, *constants):
    """ln p [...] of values [...] from parameters [..., P]; constants: tensors and numbers, as the kernel takes them."""
    parameters, x = torch.broadcast_tensors(parameters, values.to(parameters)[..., None])
    rows, x = parameters.reshape(-1, parameters.shape[-1]).contiguous(), x[..., 0].reshape(-1).contiguous()
    constants = [c.to(rows) if isinstance(c, torch.Tensor) else c for c in constants]
    return _LogProb.apply(kernel, rows, x, *constants).reshape(parameters.shape[:-1])


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _beta_components(p, offset, log_s, log_rest, joint, by_mean, by_total, a, b):
    """ln of weight times density, joint [K, n], of Beta components at s and 1 - s, and what changes it.

    p [3K, n]: log weights, means, log sums of a and b, as parameters of `heads.real.BetaOnInterval`; by_mean, by_total
    [K, n]: the derivatives by the last two; a, b [K, n]: of the components.
    Single precision: with y = z + 4 and w = z (z + 1) (z + 2) (z + 3),

        ln Gamma(z) = (y - 1/2) ln y - y + ln(2 pi) / 2 + c(y) - ln w,   c: Stirling's series,

    and terms are put together so that large ones cancel before they are rounded.
    """
    number = joint.dtype.type
    one, two, three, four, half = number(1), number(2), number(3), number(4), number(0.5)
    low, range_, sixty = number(0.001), number(0.998), number(60)
    limit, constant = number(LIMIT), number(4 - 0.5 * math.log(2 * math.pi))
    c_1, c_3, c_5 = number(1 / 12), number(1 / 360), number(1 / 1260)
    d_2, d_4, d_6 = number(1 / 12), number(1 / 120), number(1 / 252)
    K = len(offset)
    for k in range(K):
        for i in range(joint.shape[1]):
            sigmoid = one / (one + exp(-(p[K + k, i] + offset[k])))
            mean, t = low + range_ * sigmoid, sixty * exp(min(max(p[2 * K + k, i], -limit), limit))
            za, zb = mean * t, (one - mean) * t
            ya, yb, y = za + four, zb + four, t + four
            qa, qb, q = za * (za + three), zb * (zb + three), t * (t + three)
            wa, wb, w = qa * (qa + two), qb * (qb + two), q * (q + two)
            va, vb, v = one / ya, one / yb, one / y
            sa, sb, s = va * va, vb * vb, v * v
            log_a, log_b, log_y = log(ya), log(yb), log(y)
            far_a, far_b = log_y - log_a + log_s[i], log_y - log_b + log_rest[i]
            series = v * (c_1 - s * (c_3 - s * c_5))
            series -= va * (c_1 - sa * (c_3 - sa * c_5)) + vb * (c_1 - sb * (c_3 - sb * c_5))
            result = za * far_a + zb * far_b + (three + half) * (log_y - log_a - log_b) + series + log(wa / w * wb)
            joint[k, i] = p[k, i] + result + constant - log_s[i] - log_rest[i]
            # digamma: ln y - 1 / 2y - 1 / 12y^2 + ... - w' / w
            psi_a = half * va + sa * (d_2 - sa * (d_4 - sa * d_6)) + (two * za + three) * (two * qa + two) / wa
            psi_b = half * vb + sb * (d_2 - sb * (d_4 - sb * d_6)) + (two * zb + three) * (two * qb + two) / wb
            psi = half * v + s * (d_2 - s * (d_4 - s * d_6)) + (two * t + three) * (two * q + two) / w
            to_a, to_b = far_a - psi + psi_a, far_b - psi + psi_b
            by_mean[k, i] = (to_a - to_b) * t * range_ * sigmoid * (one - sigmoid)
            by_total[k, i] = to_a * za + to_b * zb
            a[k, i], b[k, i] = za, zb


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def beta_mixture(parameters, x, offset, bound, result, by_parameter, by_x):
    """Mixtures of Beta densities on (-bound, bound) with parameters [M, 3K]; offset [K]: of the means' pre-images.

    Values are taken BLOCK at a time, so that the inner loops run over values and their arrays stay in the cache.
    """
    number = x.dtype.type
    K = len(offset)
    p = np.zeros((3 * K, BLOCK), x.dtype)
    joint, by_mean, by_total, a, b = [np.empty((K, BLOCK), x.dtype) for _ in range(5)]
    log_s, log_rest, s = np.zeros(BLOCK, x.dtype), np.zeros(BLOCK, x.dtype), np.zeros(BLOCK, x.dtype)
    width, one, zero = number(2) * bound, number(1), number(0)
    log_width = log(width)
    for start in range(0, len(x), BLOCK):
        n = min(BLOCK, len(x) - start)
        for i in range(n):
            s[i] = (x[start + i] + bound) / width
            for k in range(3 * K):
                p[k, i] = parameters[start + i, k]
        for i in range(BLOCK):
            log_s[i], log_rest[i] = log(s[i]), log(one - s[i])
        _beta_components(p, offset, log_s, log_rest, joint, by_mean, by_total, a, b)
        for i in range(n):
            largest, largest_weight = joint[0, i], p[0, i]
            for k in range(1, K):
                largest, largest_weight = max(largest, joint[k, i]), max(largest_weight, p[k, i])
            total, total_weight, slope = zero, zero, zero
            for k in range(K):
                joint[k, i] = exp(joint[k, i] - largest)
                p[k, i] = exp(p[k, i] - largest_weight)
                total += joint[k, i]
                total_weight += p[k, i]
                slope += joint[k, i] * ((a[k, i] - one) / s[i] - (b[k, i] - one) / (one - s[i]))
            result[start + i] = log(total) + largest - log(total_weight) - largest_weight - log_width
            if len(by_x):
                by_x[start + i] = slope / total / width
            if len(by_parameter):
                for k in range(K):
                    r = joint[k, i] / total
                    by_parameter[start + i, k] = r - p[k, i] / total_weight
                    by_parameter[start + i, K + k] = r * by_mean[k, i]
                    by_parameter[start + i, 2 * K + k] = r * by_total[k, i]


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def log_polynomial(c, x, table, log_weights, norm, scale, result, by_c, by_x):
    """Exponentials of polynomials with coefficients c [M, D]; see `heads.real.LogPolynomial`.

    table [D, K]: phi_k at the quadrature points. log_weights [K]: of these points. norm [D]: sqrt(2k + 1).
    """
    number = x.dtype.type
    D, K = table.shape
    weight = np.empty(K, x.dtype)
    one, zero = number(1), number(0)
    forward, back = np.empty(D, x.dtype), np.empty(D, x.dtype)
    for k in range(1, D + 1):
        forward[k - 1], back[k - 1] = number((2 * k + 1) / (k + 1)), number(k / (k + 1))
    for m in range(len(x)):
        for j in range(K):
            weight[j] = log_weights[j]
        for k in range(D):
            factor = c[m, k]
            for j in range(K):
                weight[j] += factor * table[k, j]
        largest, total = weight[0], zero
        for j in range(K):
            largest = max(largest, weight[j])
        for j in range(K):
            weight[j] = exp(weight[j] - largest)
            total += weight[j]
        u = x[m] / scale
        before, now = one, u  # P_{k-1} and P_k
        slope_before, slope = zero, one
        exponent, derivative = zero, zero
        for k in range(D):
            if len(by_c):
                mean = zero
                for j in range(K):
                    mean += weight[j] * table[k, j]
                by_c[m, k] = norm[k] * now - mean / total
            exponent += c[m, k] * norm[k] * now
            derivative += c[m, k] * norm[k] * slope
            slope_before, slope = slope, slope_before + number(2 * k + 3) * now
            before, now = now, forward[k] * u * now - back[k] * before
        result[m] = exponent - largest - log(total)
        if len(by_x):
            by_x[m] = derivative / scale
