"""`python -m lib demo`: the idea of the book in half a minute, with trained networks that come with it.

For a lecture: what networks that saw one temperature say about the others, in a few lines and one figure.
"""

from pathlib import Path

import numpy as np

from lib.errors import BookError
from lib.paths import BOOK
from lib.studies import shipped

FRONT = "one_temperature.png"  # of the first page
AROUND = (1.5, 1.75, 2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.8, 3.0, 3.25, 3.5)
TEMPERATURES = (1.5, 1.75, 2.0, 2.1, 2.2, 2.27, 2.35, 2.5, 2.75, 3.0, 3.5)
SHOWN = (1.8, 2.27, 3.0)  # temperatures of the configurations whose energies are compared


def show(out: Path, train: bool) -> None:
    """`lib demo`."""
    if train:
        print(f"training the networks of {shipped.FILE}: some minutes, of which nothing is shown", flush=True)
        print(f"{shipped.train()}: written")
        print(f"{front(BOOK / FRONT)}: written")
        return
    if out.suffix not in (".png", ".pdf", ".svg"):
        raise BookError(f"--out {out}: the name of a picture, .png, .pdf or .svg")
    if not out.parent.is_dir():
        raise BookError(f"--out {out}: no folder {out.parent}")
    how, networks = shipped.load()
    say(
        f"{len(networks)} trained networks: 2D Ising model, L = {how['source']['L']}, "
        f"{how['n_train']} configurations at T0 = {how['source']['T']}"
    )
    J = shipped.read_couplings(networks)
    value, error = J.pop("nn")
    say(f"read off the networks: J = {value:.4f} +- {error:.4f} (true: 1)")
    name, (value, error) = max(J.items(), key=lambda item: abs(item[1][0]))
    say(f"the largest of {len(J)} other couplings: {name} = {value:.4f} +- {error:.4f} (true: 0)")
    energies = shipped.energies(networks[0], SHOWN)
    curves = shipped.curves(networks, TEMPERATURES)
    energy, errors = curves.values["energy"], curves.errors["energy"]
    exact = shipped.exact(how, TEMPERATURES).energy
    say("   T    energy per site         exact   off by")
    for T, e, d, true in zip(TEMPERATURES, energy, errors, exact, strict=True):
        seen = "  T0, the only one they saw" if T == how["source"]["T"] else ""
        off = f"{100 * (e / true - 1):+.2f} %, {(e - true) / d:+.1f} errors"
        say(f"{T:5.2f}  {e:8.4f} +- {d:.4f}  {true:8.4f}  {off}{seen}")
    draw(how, energies, curves, out)
    say(f"{out}: the figure")


def say(line: str) -> None:
    print(line, flush=True)  # as it is found, also into a pipe


def draw(how: dict, energies: dict, curves, out: Path) -> None:
    """Learned against true energies, and the energy against the temperature beside the exact one."""
    import matplotlib.pyplot as plt

    from lib.page import plotting

    with plotting.style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
        for T, role in zip(SHOWN, (plotting.cold, plotting.warm, plotting.hot), strict=True):
            learned, true = energies[T]
            left.plot(true, learned, linestyle="", marker=".", color=role.colour, label=f"T = {T}")
        ends = np.array([min(t.min() for _, t in energies.values()), max(t.max() for _, t in energies.values())])
        left.plot(ends, ends, **plotting.exact.line, zorder=0)
        left.set(xlabel="true energy per site", ylabel="learned", title="Configurations of three temperatures")
        left.legend()
        fine = np.linspace(curves.T[0], curves.T[-1], 201)
        right.plot(fine, shipped.exact(how, fine).energy, **plotting.exact.line, label="exact (Kaufman)")
        plotting.curve(right, curves, "energy", role=plotting.symmetrised, label="networks that saw T0 only")
        right.axvline(how["source"]["T"], **plotting.guide)
        right.set(xlabel="temperature", ylabel="energy per site", title="Other temperatures")
        right.legend(loc="lower right")
        figure.savefig(out, dpi=150)
        plt.close(figure)


def front(out: Path) -> Path:
    """The figure of the first page: the specific heat at all temperatures, from networks that saw one."""
    import matplotlib.pyplot as plt

    from lib.page import plotting

    how, networks = shipped.load()
    curves, T0 = shipped.curves(networks, AROUND, n=1000), how["source"]["T"]
    fine = np.linspace(curves.T[0], curves.T[-1], 301)
    with plotting.style():
        figure, axis = plt.subplots(figsize=(6.8, 3.6))
        axis.plot(fine, shipped.exact(how, fine).specific_heat, **plotting.exact.line, label="exact")
        plotting.curve(axis, curves, "specific_heat", role=plotting.symmetrised, label="read from the networks")
        axis.axvline(T0, **plotting.guide)
        note = {"xytext": (24, 0), "textcoords": "offset points", "arrowprops": {"arrowstyle": "->"}, "va": "center"}
        axis.annotate("the only temperature\nthat the networks saw", (T0, 0.12), **note)
        axis.set(xlabel="temperature", ylabel="specific heat per site", ylim=(0, None))
        axis.legend(loc="upper right")
        figure.savefig(out, dpi=130)
        plt.close(figure)
    return out
