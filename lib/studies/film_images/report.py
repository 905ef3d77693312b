"""Tables and machine-readable records of what `learn_images` found."""

import math
from dataclasses import replace

from lib.page.records import record
from lib.studies.film_images.findings import SATURATED
from lib.studies.own.honesty import ALWAYS

CHAPTER = "your_images"


def frame_rows(f):
    """Rows (what, value) of frames and blocks."""
    imaged, um = f.imaged, f.pixel_um
    h, w = imaged.frame.shape
    rows = [
        ["frames used", f"{len(imaged.names)} of {w} x {h} pixels"],
        ["files and pages not used", len(imaged.skipped)],
        ["light from", imaged.source],
        ["contrast, half the distance of the classes", f"{imaged.depth / 2:.3g}"],
        ["distance of the classes, in widths of one", f"{imaged.separation:.1f}"],
        ["contrast in the mean over the frames, of all", f"{imaged.in_mean:.2f}"],
        ["masked area", f"{100 * imaged.mask.mean():.1f} %"],
        ["drift, at most", _length(imaged.drift.largest, um, "not known")],
        ["domain period", _length(imaged.period, um, "none")],
    ]
    if f.readings:
        rows += [
            ["block", f"{f.blocks.side} pixels, {f.blocks.side * um:.3g} micrometres"],
            ["patches", f"{len(f.patches.spins)} of {f.L} x {f.L} blocks, {f.patches.dropped} dropped"],
            ["magnetisation of the blocks", f"{f.blocks.magnetisation:.4f}"],
            ["blocks of the rarer sign, and lone ones among them", f"{f.blocks.flipped}, {f.blocks.lone}"],
            ["depth of lone blocks, 1 as a domain, 0 halfway", f"{f.blocks.lone_contrast:.2f}"],
            ["blocks whose sign is the noise's, estimated", f"{f.blocks.wrong:.1e}"],
        ]
    return rows


def _length(pixels, um, nothing):
    """`2.1 micrometres`, or `nothing` where it is not finite."""
    return f"{pixels * um:.3g} micrometres" if math.isfinite(pixels) else nothing


def coupling_rows(f):
    """Rows (coupling, networks, pseudolikelihood), in units of T0; the last is T_C in K."""
    if not f.readings:
        return [[SATURATED, "", ""]]
    r = f.readings
    rows = [[f"{name}, J / T0", tuple(j), tuple(r.classical[name])] for name, j in r.networks.items()]
    if "field" not in r.networks:
        rows.append(["field / T0", "none imposed", tuple(r.field)])
    rows.append(["nn, read alone, J / T0", tuple(r.alone), tuple(r.classical_alone)])
    return [*rows, ["T_C (K)", tuple(f.t_c), tuple(f.t_c_classical)]]


def premise_rows(f):
    """Rows (what, value) of the test of two temperatures."""
    if f.premise is None:
        return [["no second folder", "-"]]
    return [
        [f"change of H from {f.T0:g} to {f.T1:g} K, of H", tuple(f.premise.slope)],
        ["p-value of one Hamiltonian at both", f"{f.premise.p_value:.2g}"],
        ["the same in sigmas", f"{f.premise.sigmas:.1f}"],
    ]


def records(f, warned):
    """`Findings` and the box as records for `lib.page.records.store`; `not applicable` without domains."""
    extra = sum(w.name not in ALWAYS for w in warned)
    made = [
        *_of_frames(f),
        *(_of_domains(f) if f.readings else _nothing()),
        record("learned.n_warnings", extra, None, "beyond those that hold for every folder"),
        *[record(f"learned.warning.{w.name}", w.value, None, w.text, form="text") for w in warned],
    ]
    return [replace(each, chapter=CHAPTER) for each in made]


def _of_frames(f):
    imaged, um = f.imaged, f.pixel_um
    return [
        record("learned.n_frames", len(imaged.names), None, "frames used"),
        record("learned.n_skipped", len(imaged.skipped), None, "files and pages that were not"),
        record("learned.contrast", imaged.depth / 2, None, "half the distance of the two classes"),
        record("learned.separation", imaged.separation, None, "distance of the two classes, in widths of one"),
        record("learned.in_mean", imaged.in_mean, None, "contrast in the mean over the frames, of all"),
        record("learned.masked", float(imaged.mask.mean()), None, "part of the area"),
        record("learned.period_um", imaged.period * um, None, "period of the domains", "um"),
        record("learned.drift_um", imaged.drift.largest * um, None, "largest displacement", "um"),
    ]


def _of_domains(f):
    r, worth, at = f.readings, f.independence, f"J / T0 at T0 = {f.T0:g} K"
    made = [
        record("learned.t_c", *f.t_c, "from the nearest-neighbour coupling alone, by networks", "K"),
        record("learned.pseudolikelihood.t_c", *f.t_c_classical, "by pseudolikelihood, from the same patches", "K"),
        *[record(f"learned.coupling.{name}", *j, at) for name, j in r.networks.items()],
        record("learned.coupling.nn_alone", *r.alone, f"{at}, the only coupling that is read"),
        *[record(f"learned.pseudolikelihood.{name}", *j, at) for name, j in r.classical.items()],
        record("learned.pseudolikelihood.nn_alone", *r.classical_alone, f"{at}, the only coupling that is read"),
        record("learned.field", *r.field, "h / T0, by pseudolikelihood beside the three shells"),
        record("learned.block_um", f.blocks.side * f.pixel_um, None, "side of a block", "um"),
        record("learned.n_patches", len(f.patches.spins), None, f"of {f.L} x {f.L} blocks"),
        record("learned.n_effective", worth.n_effective, None, "independent frames, n / 2 tau_int"),
        record("learned.tau_int", worth.tau_int, None, "1/2 + sum of rho, in frames"),
        record("learned.overlap", worth.overlap, None, "of successive frames"),
        record("learned.stuck", worth.stuck, None, "part of the blocks that never change, beyond chance"),
        record("learned.magnetisation", f.blocks.magnetisation, None, "of all blocks"),
        record("learned.flipped", f.blocks.flipped, None, "blocks of the rarer sign"),
        record("learned.lone_contrast", f.blocks.lone_contrast, None, "depth of lone blocks: 1 as a domain, 0 halfway"),
        record("learned.wrong", f.blocks.wrong, None, "part of the blocks whose sign is the noise's; not blur"),
    ]
    if f.premise is not None:
        text = f"change of H from {f.T0:g} to {f.T1:g} K, of H; p = {f.premise.p_value:.2g}"
        made.append(record("learned.premise", *f.premise.slope, text))
    return made


def _nothing():
    names = "t_c coupling.nn pseudolikelihood.nn block_um n_patches n_effective wrong overlap field".split()
    return [
        replace(record(f"learned.{name}", None), status="not applicable", reason=SATURATED, statement="no domains")
        for name in names
    ]
