"""What to distrust: the warnings of the honesty box of a folder of images, with the conditions under which they apply.

They are generators of `Warned` from `Findings` f. The two that hold for every folder have the names that
`lib.studies.own.honesty.ALWAYS` has for every file.
"""

import numpy as np

from lib.analysis.kerr import SEPARATED
from lib.analysis.kerr.series import PINNED
from lib.studies.film_images.drift import ALIKE
from lib.studies.film_images.findings import SATURATED
from lib.studies.own.honesty import Warned

FROZEN = 0.2  # overlap of successive frames
FEW = 100  # effective patches
STUCK = 0.05  # part of the blocks
MOVED = 1.0  # pixels
MASKED = 0.2  # part of the area
CLOSE = 1.5  # times SEPARATED
NOISY = 0.001  # part of the blocks
ONE_SIGN = 0.9  # |magnetisation|
FEW_FLIPPED = 1000  # blocks of the rarer sign
FAINT = 0.5  # depth of lone blocks, 1 for a domain's and 0 halfway; blur loses them at 0.3
ERRORS = 4.0
P_VALUE = 0.001


def of_all_images(f):
    """What no such images can say."""
    known = f" ({f.readings.alone.value:.4g})" if f.readings else ""
    yield Warned(
        "scale",
        f.readings.alone.value if f.readings else float("nan"),
        f"only J / T0 is in the images{known}; T0 = {f.T0:g} K is your word. T_C = 2.2692 J assumes that a block is a "
        "spin of an Ising film with nearest neighbours: stray fields, larger domains or other blocks make it wrong",
    )
    yield Warned(
        "extrapolation",
        f.t_c.value - f.T0 if f.t_c else float("nan"),
        "H = -T0 ln p needs equilibrium at T0, and domain patterns are often metastable: what hysteresis and pinning "
        "have left there is read as a Hamiltonian. T_C assumes besides that H does not change with temperature",
    )


def of_the_frames(f):
    """What is wrong with the frames."""
    imaged = f.imaged
    if imaged.skipped:
        name, reason = imaged.skipped[0]
        yield Warned(
            "skipped", len(imaged.skipped), f"{len(imaged.skipped)} not used; the first is {name}: it {reason}"
        )
    if not imaged.found:
        yield Warned("saturated", 0.0, f"{SATURATED}; nothing can be learned from them")
        return
    if imaged.separation < CLOSE * SEPARATED:
        yield Warned(
            "close_classes",
            imaged.separation,
            f"the two classes lie {imaged.separation:.1f} widths of one apart (contrast {imaged.depth / 2:.2g}), and "
            f"below {SEPARATED} they are one: some spins are the noise's",
        )
    masked = float(np.mean(imaged.mask))
    if masked > MASKED:
        yield Warned("masked", masked, f"{100 * masked:.0f} % of the area is masked: banners, edges, defects, drift")
    if imaged.in_mean > PINNED:
        yield Warned(
            "in_mean",
            imaged.in_mean,
            f"the mean over the frames shows domains ({imaged.in_mean:.2f} of the contrast): they hardly move, by "
            "pinning or because the frames follow too fast on each other. Pinning sites are part of H then, and no "
            "nearest-neighbour coupling",
        )
    drift = imaged.drift
    if drift.largest > MOVED:
        what = "moved back by whole pixels" if drift.corrected else "not moved back"
        yield Warned(
            "drift",
            drift.largest,
            f"the film moves by up to {drift.largest:.1f} pixels ({drift.largest * f.pixel_um:.2g} micrometres) from "
            f"the first frame: {what}",
        )


def of_independence(f):
    """How many pictures the frames are worth."""
    worth = f.independence
    if worth.overlap > FROZEN:
        alike = "the same pattern over and over" if worth.overlap > ALIKE else "much the same pattern"
        yield Warned(
            "frozen",
            worth.overlap,
            f"successive frames overlap by {worth.overlap:.2f}: {alike}. {worth.n} pictures count as "
            f"{worth.n_effective:.0f}; of a frozen pattern there is one configuration, however many pictures",
        )
    if worth.stuck > STUCK:
        yield Warned(
            "stuck", worth.stuck, f"{100 * worth.stuck:.0f} % of the blocks have one sign in all frames: pinned"
        )
    per_frame = len(f.patches.spins) / worth.n
    if worth.n_effective * per_frame < FEW:
        yield Warned(
            "few_frames",
            worth.n_effective,
            f"{worth.n} frames count as {worth.n_effective:.0f} independent ones, {worth.n_effective * per_frame:.0f} "
            f"patches in all, fewer than {FEW}: networks learn accidents of them",
        )


def of_the_blocks(f):
    """What is wrong with the blocks."""
    blocks = f.blocks
    for line in blocks.aliased:
        yield Warned("aliased", blocks.side, f"{line}; neighbours in a stripe pattern then look antiferromagnetic")
    if abs(blocks.magnetisation) > ONE_SIGN or blocks.flipped < FEW_FLIPPED:
        yield Warned(
            "one_sign",
            blocks.flipped,
            f"{blocks.flipped} blocks of all frames have the rarer sign (magnetisation {blocks.magnetisation:.3f}), "
            f"{blocks.lone} of them alone: how they interact beyond nearest neighbours is hardly in the images",
        )
    if blocks.wrong > NOISY:
        yield Warned(
            "noise",
            blocks.wrong,
            f"noise alone decides the sign of about {100 * blocks.wrong:.2g} % of the blocks; what blur does is not "
            "in this number",
        )
    if blocks.lone_contrast < FAINT:
        yield Warned(
            "faint",
            blocks.lone_contrast,
            f"the middle of lone blocks is {blocks.lone_contrast:.2f} deep (1: as a domain, 0: halfway); blur loses "
            "them at about 0.3, and the film then looks colder than it is",
        )


def of_the_reading(f):
    """What is wrong with the couplings."""
    r = f.readings
    if r.recipe == "film_field":
        yield Warned(
            "field",
            r.field.value,
            f"up and down are not alike: a field of {r.field.value:.3g} T0, {abs(r.field.value) / r.field.error:.0f} "
            "errors from zero, or a threshold between the classes that is off; the couplings are read with the field",
        )
    missing = [name for name, j in (r.networks | {"nn alone": r.alone}).items() if not np.isfinite(j.value)]
    if missing:
        yield Warned(
            "not_identified", len(missing), f"{', '.join(missing)} cannot be told apart: too few flipped blocks"
        )
    further = {name: _pull(j) for name, j in r.networks.items() if name not in ("nn", "field")}
    worst = max(further, key=further.get)
    if further[worst] > ERRORS:
        yield Warned(
            "beyond_neighbours",
            further[worst],
            f"there is more than nearest neighbours ({worst} = {r.networks[worst].value:.3g} T0, {further[worst]:.1f} "
            "errors from zero), and T_C knows of these only",
        )
    pull = _pull(r.alone, r.classical_alone)
    if pull > ERRORS:
        yield Warned(
            "classical_differs",
            pull,
            f"pseudolikelihood has another nearest-neighbour coupling, {r.classical_alone.value:.3g} T0, by {pull:.1f} "
            "errors; it is the safer of the two",
        )
    if f.premise is not None and f.premise.p_value < P_VALUE:
        yield Warned(
            "premise",
            f.premise.sigmas,
            f"one Hamiltonian at {f.T0:g} and {f.T1:g} K is refuted ({f.premise.sigmas:.1f} sigmas): it changes by "
            f"{100 * f.premise.slope.value:.0f} %. The blocks are not the microscopic spins, or no equilibrium",
        )


def _pull(a, b=None):
    value, error = (a.value, a.error) if b is None else (a.value - b.value, np.hypot(a.error, b.error))
    return abs(value) / error if error > 0 and np.isfinite(value) else 0.0


PARTS = (of_all_images, of_the_frames)
OF_DOMAINS = (of_independence, of_the_blocks, of_the_reading)


def box(f):
    """list of `Warned`: the warnings that apply to these `Findings`."""
    parts = PARTS + (OF_DOMAINS if f.readings else ())
    return [warned._replace(value=float(warned.value)) for part in parts for warned in part(f)]
