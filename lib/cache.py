"""Results that are kept on disk, so that a reader who changes an analysis does not train again.

`remember(learn, task)` is `learn(task)`, taken from `_build/cache` where an earlier process left it there. An entry is
known by all that determines the result: the modules of lib that the function depends on, the versions of the numeric
packages (`reachable.code_key`), the processor and what is asked of it, and the values of the arguments. The environment
variable DAN_BOOK_CACHE names another folder, or is `off`.

The function must be one of lib, and its result must depend on its arguments alone and survive pickling.
"""

import contextlib
import dataclasses
import enum
import functools
import hashlib
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lib import files, parallel
from lib.paths import BUILD
from lib.reachable import NUMERIC, code_key, sha

SWITCH = "DAN_BOOK_CACHE"
LIMIT = 10**9  # bytes; what was used longest ago goes first
ABANDONED = 3600  # seconds after which an entry that is still being written will never be complete
# they choose the instructions that are used, on which the last digits depend
INSTRUCTIONS = ("ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
KNOWN = {"lib", *NUMERIC, *sys.stdlib_module_names} - {"__main__"}  # packages whose code a key stands for
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def remember(function: Callable, *arguments, given: tuple = ()):
    """function(*arguments, *given), from the cache if it is there.

    given: what follows from the arguments and is at hand: it saves the function work and does not name the entry.

    Where an argument has no value that could be compared (a generator, a function of the notebook) it is just called.
    No state of the cache, be it damaged, full or read-only, is an error.
    """
    folder = _folder()
    name = None if folder is None else key(function, *arguments)
    if name is None:
        return function(*arguments, *given)
    file = folder / f"{name}.pkl"
    with contextlib.suppress(Exception):  # a damaged pickle raises anything
        return _read(file)
    result = function(*arguments, *given)
    with contextlib.suppress(Exception):
        _write(file, pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
    return result


def key(function: Callable, *arguments) -> str | None:
    """What the result of this call is known by; None where something in it has no value that could be compared."""
    targets = [function]
    try:
        values = [_value(argument, targets) for argument in arguments]
        return sha(repr([code_key(*targets), _machine(), values]))
    except (TypeError, ValueError):
        return None


def _value(x, targets: list) -> str:
    """The value of x as a text; classes and functions in it are added to the targets. TypeError if x has none."""
    kind = f"{type(x).__module__}.{type(x).__qualname__}"
    if x is None or type(x) in (bool, int, float, complex, str, bytes):
        return repr(x)
    if type(x) in (tuple, list):
        return f"{kind}[{', '.join(_value(each, targets) for each in x)}]"
    if type(x) is dict:
        return f"{kind}[{', '.join(_value(pair, targets) for pair in x.items())}]"
    if isinstance(x, type) or (callable(x) and hasattr(x, "__qualname__")):
        return _named(x, targets)
    if isinstance(x, functools.partial):
        return f"{kind}[{_value((x.func, x.args, x.keywords), targets)}]"
    if isinstance(x, Path):
        return f"{kind}({str(x)!r})"
    if hasattr(x, "dtype") and hasattr(x, "shape"):  # numpy and torch
        data = x.detach().cpu().numpy() if hasattr(x, "detach") else x
        if data.dtype.hasobject:
            raise TypeError(f"an array of objects has no value: {x!r}")
        return f"{kind}({data.dtype}, {data.shape}, {hashlib.sha256(data.tobytes()).hexdigest()})"
    kind = _named(type(x), targets)
    if isinstance(x, enum.Enum):
        return f"{kind}.{x.name}"
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return f"{kind}[{', '.join(_value(each, targets) for each in x)}]"
    if dataclasses.is_dataclass(x) and type(x).__dataclass_params__.frozen:
        fields = [f"{field.name}={_value(getattr(x, field.name), targets)}" for field in dataclasses.fields(x)]
        return f"{kind}({', '.join(fields)})"
    raise TypeError(f"{kind} has no value that could be compared")


def _named(x: Callable, targets: list) -> str:
    """The name of a class or function; one of lib joins the targets. TypeError if nobody knows its code."""
    module, name = getattr(x, "__module__", None) or "", x.__qualname__
    package = module.partition(".")[0]
    if hasattr(x, "__self__") or "<" in name or package not in KNOWN:
        raise TypeError(f"{module}.{name}: its code is not known")
    if package == "lib":
        targets.append(x)
    return f"{module}:{name}"


def _machine() -> list:
    """The processor, and what the environment says about how to use it. Another one gives other last digits."""
    settings = [f"{name}={os.environ.get(name)}" for name in INSTRUCTIONS + THREADS]
    return [platform.system(), platform.machine(), parallel.processor(), *settings]


# Files -----------------------------------------------------------------------------------------------------


def _folder() -> Path | None:
    named = os.environ.get(SWITCH)
    if named == "off":
        return None
    return Path(named) if named else BUILD / "cache"


def _read(file: Path):
    """The result in this entry. Raises if it is not there or not what was written."""
    found, data = (raw := file.read_bytes())[:32], raw[32:]
    if hashlib.sha256(data).digest() != found:
        raise ValueError(f"{file} is damaged")
    result = pickle.loads(data)
    with contextlib.suppress(OSError):
        os.utime(file)  # when it was used last
    return result


def _write(file: Path, data: bytes) -> None:
    """Write an entry whole or not at all, whoever else writes it, and make room for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(file, hashlib.sha256(data).digest() + data)
    _make_room(file.parent)


def _make_room(folder: Path) -> None:
    entries = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            status = path.stat()
            if path.suffix == ".pkl":
                entries.append((status.st_mtime, status.st_size, path))
            elif path.suffix == ".part" and time.time() - status.st_mtime > ABANDONED:
                path.unlink(missing_ok=True)
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT:
            return
        path.unlink(missing_ok=True)
        total -= size
