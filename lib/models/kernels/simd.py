"""exp and log for numba loops, in single precision, written so that the compiler computes 16 of them at a time.

`np.exp` in such a loop is a call of the C library, one number after the other. In double precision these two are that
call, slow and exact, for tests. Errors in single precision: a few 1e-7, relative for exp (to |x| = 20) and absolute
plus relative for log. Nothing is done about arguments that are not finite or logarithms of what is not positive.
"""

import math

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload


@intrinsic
def _bits(context, x):
    """The bits of a float32 as an int32."""
    return types.int32(types.float32), lambda _, builder, __, args: builder.bitcast(args[0], ir.IntType(32))


@intrinsic
def _from_bits(context, x):
    """The float32 with these bits, of an int32."""
    return types.float32(types.int32), lambda _, builder, __, args: builder.bitcast(args[0], ir.FloatType())


F32, I32 = types.float32, types.int32
LN2 = F32(math.log(2))


@njit(cache=True, fastmath=True, error_model="numpy")
def _exp(x):
    x = min(max(x, F32(-87)), F32(88))
    whole = I32(x * F32(1 / math.log(2)) + F32(127.5))  # of log2, with the offset of the exponent; truncated
    r = x - F32(whole - I32(127)) * LN2
    tail = F32(1 / 6) + r * (F32(1 / 24) + r * (F32(1 / 120) + r * F32(1 / 720)))
    return (F32(1) + r + r * r * (F32(0.5) + r * tail)) * _from_bits(I32(whole << I32(23)))


@njit(cache=True, fastmath=True, error_model="numpy")
def _log(x):
    bits = _bits(x)
    power = I32(I32(bits - I32(0x3F3504F3)) >> I32(23))  # x = 2^power m, m between sqrt(1/2) and sqrt(2)
    m = _from_bits(I32(bits - I32(power << I32(23))))
    t = (m - F32(1)) / (m + F32(1))
    s = t * t
    series = F32(1 / 3) + s * (F32(1 / 5) + s * (F32(1 / 7) + s * F32(1 / 9)))
    return F32(2) * t + F32(2) * t * s * series + F32(power) * LN2


def exp(x):
    return math.exp(x)


def log(x):
    return math.log(x)


@overload(exp, inline="never")
def _typed_exp(x):
    return (lambda x: _exp(x)) if x == types.float32 else (lambda x: math.exp(x))


@overload(log, inline="never")
def _typed_log(x):
    return (lambda x: _log(x)) if x == types.float32 else (lambda x: math.log(x))
