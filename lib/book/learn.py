"""`python -m lib learn`: a chapter that learns from files, executed with the reader's own.

It stands apart from `runs.py`, so that chapters which run others do not depend on how files are read.
"""

from dataclasses import fields
from pathlib import Path

from lib.book import runs
from lib.book.chapter import find
from lib.errors import BookError
from lib.studies.own import layouts, readers, user_file


def learn(file: list[str], kind: str, T0: str, out: Path | None, **options) -> None:
    """`lib learn`: the chapter `your_configurations` with the reader's file, `your_images` with the folder of frames.

    Values are texts or None, of `bright`, `apart` and the flags of the file (`layouts.Flags`) what they are there. A
    relative path counts from where the reader is.
    """
    flags = layouts.Flags(**{each.name: options.pop(each.name) for each in fields(layouts.Flags)})
    second, T1 = (None, None) if kind == "kerr" else (options.pop("second"), options.pop("T1"))
    images, common = _options_of(kind, options)
    layouts.check(flags, kind)
    paths = [_from_here(each) for each in file]
    out = out or runs.stamped(f"learn-{Path(readers.split_path(str(paths[0]))[0]).stem}")
    named = {"T0": T0, **common}
    if kind == "kerr":
        source = find("your_images")
        if len(paths) > 1:
            raise BookError(f"--kind kerr takes one folder, not {len(paths)} names")
        named |= {"folder": paths[0], "save": Path.cwd() / out / "spins.npz", "block": "0"} | images
    else:
        if (second is None) != (T1 is None):
            raise BookError("--second FILE and --T1 T belong together; give both")
        source, text = find("your_configurations"), layouts.written([str(path) for path in paths], flags)
        named |= {"file": text, "kind": kind, "steps": common["steps"] or user_file.STEPS[kind]}
        named |= {} if second is None else {"second": _second(second, flags), "T1": T1}
    given = runs.check_parameters(source, [f"{name}={value}" for name, value in named.items() if value is not None])
    done = runs.carry_out(source, given, out, keep_numbers=True)
    # the other claims of the chapter are about what comes with the book
    told = [each for each in done.results.values() if each.value is not None or each.key.startswith("learned.")]
    runs.tell(done, [each for each in told if each.form != "series"])


def _second(second: str, flags: layouts.Flags) -> str:
    """The second file with its flags, or with those of the first, as one text."""
    here = _from_here(second)
    names, own = ([second], layouts.Flags()) if here.exists() else layouts.parse(second)
    return layouts.written([str(_from_here(each)) for each in names], own if own != layouts.Flags() else flags)


def _options_of(kind: str, options: dict) -> tuple[dict, dict]:
    """Parameters of images alone, those that were given, and those that every kind has. BookError for a wrong kind."""
    common = {name: options.pop(name) for name in ("seed", "n_networks", "steps")}
    given = {name: value for name, value in options.items() if value not in (None, False)}
    if kind != "kerr" and given:
        raise BookError(f"--{next(iter(given)).replace('_', '-')} is for --kind kerr, not for {kind}; leave it out")
    if kind == "kerr" and "pixel_um" not in given:
        raise BookError("--kind kerr needs --pixel-um, the side of a pixel in micrometres")
    for name in ("reference", "second"):
        if name in given:
            given[name] = _from_here(given[name])
    if given.pop("apart", False):
        given["together"] = False
    return given, common


def _from_here(path: str) -> Path:
    return (Path.cwd() / Path(path).expanduser()).resolve()
