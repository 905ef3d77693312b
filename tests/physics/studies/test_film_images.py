"""A reader's Kerr images: SIMULATED frames on disk to T_C, drift, frozen and saturated films, the box, the command."""

import json
import subprocess
import sys
from dataclasses import replace

import nbformat
import numpy as np
import pytest
from tifffile import imwrite

from lib.analysis.premise import Premise
from lib.book import execute, runs
from lib.paths import ROOT
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies.film_images import couplings, drift, findings, frames, honesty, independence, report
from lib.studies.imaged_film import Film
from lib.systems import ising
from lib.systems.camera import Camera, illumination, render
from tests.conftest import environment, refusal, refused

pytestmark = pytest.mark.xdist_group("film_images")
T0, T_C, SIDE = 350.0, 427.4, 16
HOW = {"pixel_um": 0.5, "block": 4, "L": 8, "n_networks": 2, "steps": 300, "seed": 1}
RNG = np.random.default_rng(7)


def folder_of(images, folder):
    folder.mkdir(exist_ok=True)
    imwrite(folder / "frames.tif", images, photometric="minisblack")
    return folder


def film_frames(n, seed, **more):
    """True spins and frames of 64 x 64 pixels."""
    return Film(Camera(), SIDE, T0, T_C, **more).images(n, seed)


def frozen_frames(n, seed=3, L=SIDE, p=4):
    """One configuration with domains, seen n times: spins [L, L] and frames."""
    spins = mcmc.sample(chains.Ising(L, 2.2), 1, np.random.default_rng(seed)).configurations
    return spins[0], render(np.repeat(spins, n, axis=0), Camera(pixels_per_spin=p), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """(true spins, folder, `Findings`) of 200 frames of a film of fixed magnetisation."""
    spins, images = film_frames(200, 1)
    folder = folder_of(images, tmp_path_factory.mktemp("film") / "frames")
    return spins, folder, findings.learn_images(frames.image_folder(folder, block=4), T0, **HOW)


# From frames to T_C ----------------------------------------------------------------------------------------


def test_the_curie_temperature_comes_back(film):
    """Put in: 427.4 K. Networks of 300 steps and pseudolikelihood, within 3 errors and 5 %."""
    spins, _, f = film
    assert np.array_equal(f.blocks.spins, spins) and f.imaged.source == "mean" and len(f.patches.spins) == 800
    for t_c in (f.t_c, f.t_c_classical):
        assert abs(t_c.value - T_C) < 3 * t_c.error and abs(t_c.value / T_C - 1) < 0.05
    assert f.readings.recipe == "film" and set(f.readings.networks) == {"nn", "nnn", "third"}
    assert f.independence.overlap < 0.05 and 100 < f.independence.n_effective <= 200
    assert f.t_c.error > f.t_c_classical.error > 0


def test_the_box_of_a_good_film_has_what_holds_for_all(film):
    names = [w.name for w in honesty.box(film[2])]
    assert names[:2] == ["scale", "extrapolation"] and not {"frozen", "field", "drift", "in_mean", "noise"} & set(names)


def test_records_have_the_chapter_and_the_keys(film):
    box = honesty.box(film[2])
    made = {each.key: each for each in report.records(film[2], box)}
    assert {each.chapter for each in made.values()} == {"your_images"}
    names = "t_c coupling.nn coupling.nnn pseudolikelihood.nn period_um block_um n_frames n_effective n_patches wrong"
    for name in (names + " in_mean overlap drift_um separation contrast field n_warnings warning.scale").split():
        assert f"learned.{name}" in made
    assert made["learned.block_um"].value == 2.0 and made["learned.t_c"].units == "K"


def test_a_reference_is_used(tmp_path):
    """A frozen film whose mean shows its domains: with an image of the saturated film no spin is lost."""
    spins, images = frozen_frames(20)
    rng = np.random.default_rng(3)
    light = render(np.ones((50, SIDE, SIDE), np.int8), Camera(), rng).mean(0)  # the same illumination
    folder = folder_of(images, tmp_path / "frames")
    imwrite(tmp_path / "reference.tif", light.astype(np.uint16))
    imaged = frames.image_folder(folder, tmp_path / "reference.tif", block=4)
    blocks, _ = findings.look(imaged, 4)
    assert imaged.source == "reference" and (blocks.spins == spins).all()
    imwrite(tmp_path / "other.tif", light[:-1].astype(np.uint16))
    with refused("the reference is 64 x 63 pixels where the frames are 64 x 64"):
        frames.image_folder(folder, tmp_path / "other.tif", block=4)


def test_frames_of_different_places_are_segmented_each(tmp_path):
    images = np.concatenate([frozen_frames(1, seed, L=12, p=8)[1] for seed in range(3)])
    imaged = frames.image_folder(folder_of(images, tmp_path / "frames"), block=8, together=False)
    blocks, worth = findings.look(imaged, 8)
    assert imaged.source == "each frame" and blocks.spins.shape == (3, 12, 12)
    assert worth.tau_int == 0.5 and np.isnan(worth.overlap) and worth.n_effective == 3


def test_the_estimate_of_wrong_blocks_is_theirs(tmp_path):
    """Noise alone, no blur: half a percent, and a tenth of that, of 40 000 blocks of 2 x 2 pixels, within a third."""
    rng = np.random.default_rng(7)
    for photons in (25.0, 40.0):
        spins = np.where(rng.random((40, 32, 32)) < 0.3, -1, 1).astype(np.int8)
        camera = Camera(pixels_per_spin=2, photons=photons, blur=0.0, contrast=0.3)
        images = render(spins, camera, np.random.default_rng(1))
        blocks, _ = findings.look(frames.image_folder(folder_of(images, tmp_path / str(photons)), block=2), 2)
        true = (blocks.spins != spins).mean()
        assert abs(blocks.wrong - true) < true / 3 and true > 0


# What is no series of independent frames -------------------------------------------------------------------


def test_a_saturated_film_says_so(tmp_path):
    images = render(np.ones((20, SIDE, SIDE), np.int8), Camera(), np.random.default_rng(1))
    f = findings.learn_images(frames.image_folder(folder_of(images, tmp_path / "frames"), block=4), T0, **HOW)
    box = honesty.box(f)
    assert f.readings is None and [w.name for w in box] == ["scale", "extrapolation", "saturated"]
    made = {each.key: each for each in report.records(f, box)}
    assert made["learned.t_c"].status == "not applicable" and "saturated" in made["learned.t_c"].reason
    assert report.coupling_rows(f) == [[findings.SATURATED, "", ""]]
    assert (f.imaged.spins == 1).all() and f.blocks.flipped == 0


def test_a_frozen_series_is_one_picture(tmp_path):
    _, images = frozen_frames(24)
    imaged = frames.image_folder(folder_of(images, tmp_path / "frames"), block=4)
    _, worth = findings.look(imaged, 4)
    assert worth.overlap > 0.95 and worth.n_effective == 1 and imaged.in_mean > 0.4
    f = findings.learn_images(imaged, T0, **HOW | {"steps": 10})
    assert {"frozen", "in_mean", "few_frames"} <= {w.name for w in honesty.box(f)}


def test_pictures_of_one_configuration_do_not_shrink_errors():
    """The error of 30 pictures is not below what the sites of a single configuration allow."""
    one = mcmc.sample(chains.Ising(16, 2.5), 20, np.random.default_rng(1)).configurations
    many, frame = np.tile(one, (30, 1, 1)), np.repeat(np.arange(30), 20)
    worth = independence.independence(many[::20])
    read = couplings.pseudolikelihood(many, frame, ("nn",), 1, np.sqrt(2 * worth.tau_int))["nn"]
    alone = couplings.pseudolikelihood(one, np.zeros(20), ("nn",), 1)["nn"]
    assert read.value == pytest.approx(alone.value) and read.error > 0.5 * alone.error


def test_patches_of_one_frame_belong_together():
    s = mcmc.sample(chains.Ising(8, 2.5), 200, np.random.default_rng(2)).configurations
    once = couplings.pseudolikelihood(s, np.arange(200), ("nn",), 1)["nn"]
    four = couplings.pseudolikelihood(np.repeat(s, 4, axis=0), np.repeat(np.arange(200), 4), ("nn",), 1)["nn"]
    assert four.value == pytest.approx(once.value) and four.error == pytest.approx(once.error, rel=0.02)
    assert abs(once.value - 1 / 2.5) < 4 * once.error


def test_pinned_blocks_are_seen(tmp_path):
    spins, images = film_frames(100, 2, pinned=0.2)
    blocks, worth = findings.look(frames.image_folder(folder_of(images, tmp_path / "frames"), block=4), 4)
    true = (np.abs(spins.mean(0)) == 1).mean()
    assert 0.05 < worth.stuck <= true
    free = independence.independence(np.where(RNG.random((100, 16, 16)) < 0.9, 1, -1))
    assert abs(free.stuck) < 0.01 and free.tau_int < 1.5
    few = independence.independence(np.where(RNG.random((16, 32, 32)) < 0.9, 1, -1))
    assert abs(few.stuck) < 0.05 < 0.9**16  # by chance alone a fifth of the blocks never changes


def drifting_frames(n, step):
    """A frozen pattern that moves by `step` pixels (rows, columns) a frame under light that stays."""
    spins = mcmc.sample(chains.Ising(32, 2.2), 1, np.random.default_rng(5)).configurations
    rng = np.random.default_rng(5)
    whole = render(spins, Camera(pixels_per_spin=6, photons=1e6, uneven=0, pattern=0), rng)[0].astype(float)
    light = illumination((128, 128), Camera(), rng)
    starts = [np.rint(32 - k * np.array(step)).astype(int) for k in range(n)]
    cut = np.stack([whole[a : a + 128, b : b + 128] for a, b in starts])
    images = cut * light * (1 + 0.02 * rng.standard_normal(cut.shape))
    return np.rint(images).astype(np.uint16), np.array([starts[0] - s for s in starts])


def test_a_drifting_pattern_is_moved_back(tmp_path):
    images, true = drifting_frames(20, (0.7, -0.4))
    imaged = frames.image_folder(folder_of(images, tmp_path / "frames"), block=6)
    assert imaged.drift.corrected and np.abs(imaged.drift.position - true).max() < 1
    assert not imaged.mask[0].any()  # the wall of a domain that moves is no defect
    inside = ~(imaged.mask[0] | imaged.mask[-1])
    assert drift.overlap(imaged.spins[0], imaged.spins[-1], inside) > 0.9
    assert imaged.mask[-1].mean() > 0.1 and imaged.drift.largest == pytest.approx(np.hypot(*true[-1]), abs=1)


def test_large_drift_is_reported_only(tmp_path):
    images, true = drifting_frames(17, (2.0, 0.0))
    assert not (moved := frames.image_folder(folder_of(images, tmp_path / "frames"), block=6)).mask.all()
    assert moved.drift.corrected  # 32 of 128 pixels: just allowed
    spins, mask = moved.spins, np.zeros(moved.spins.shape, bool)
    far = drift.registered(replace(moved, spins=np.stack([np.roll(spins[0], 4 * k, 0) for k in range(17)]), mask=mask))
    assert not far.drift.corrected and far.drift.largest == pytest.approx(64, abs=2)


def test_independent_frames_have_no_drift(film):
    imaged = film[2].imaged
    assert np.isnan(imaged.drift.largest) and not imaged.drift.corrected
    spins = imaged.spins.copy()  # two frames that happen to be alike do not tell either
    spins[:2] = 1
    spins[0, 20:24, 20:24] = spins[1, 30:34, 20:24] = -1
    assert drift.displacements(spins, imaged.mask)[0] == pytest.approx([10, 0], abs=0.5)
    assert np.isnan(drift.registered(replace(imaged, spins=spins)).drift.largest)


# Field, and two temperatures -------------------------------------------------------------------------------


def test_a_field_is_found_and_read_with_the_couplings():
    """Independent sites, 70 % of them up: h / T0 = ln(7/3) / 2, no couplings."""
    s = np.where(RNG.random((400, 8, 8)) < 0.7, 1, -1).astype(np.int8)
    read = couplings.read_patches(s, np.arange(400), n_networks=2, n_steps=150, seed=1)
    h = np.log(7 / 3) / 2
    assert read.recipe == "film_field" and abs(read.field.value - h) < 4 * read.field.error
    assert abs(read.networks["field"].value - h) < max(0.1, 4 * read.networks["field"].error)
    assert abs(read.alone.value) < max(0.05, 4 * read.alone.error)


class Exact:
    """ising.energy with coupling J, in units of T."""

    T0 = 1.0

    def __init__(self, J, T):
        self.J, self.T = J, T

    def energy(self, s):
        return self.J * ising.energy(s) / self.T


def test_two_temperatures_agree_for_one_hamiltonian_only():
    s = [mcmc.sample(chains.Ising(8, T), 50, np.random.default_rng(1)).configurations for T in (2.5, 2.8)]
    same = couplings.temperatures_agree([Exact(1, 2.5)] * 2, [Exact(1, 2.8)] * 2, 2.5, 2.8, s)
    other = couplings.temperatures_agree([Exact(1, 2.5)] * 2, [Exact(0.9, 2.8)] * 2, 2.5, 2.8, s)
    assert abs(same.slope.value) < 1e-9
    assert other.slope.value == pytest.approx(-0.1 / 0.95)


# The box ---------------------------------------------------------------------------------------------------


def changes(f):
    """name of a warning -> `Findings` that deserve it."""
    r, zero = f.readings, np.zeros((200, 2))
    moved = drift.Drift(zero + [0.0, 3.0] * np.arange(200)[:, None] / 199, True)

    def imaged(**new):
        return replace(f, imaged=replace(f.imaged, **new))

    def blocks(**new):
        return replace(f, blocks=replace(f.blocks, **new))

    def worth(**new):
        return replace(f, independence=replace(f.independence, **new))

    def readings(**new):
        return replace(f, readings=replace(r, **new))

    return {
        "skipped": imaged(skipped=(("a.png", "is empty"),)),
        "close_classes": imaged(separation=3.0),
        "masked": imaged(mask=np.ones((1, 1, 1), bool)),
        "in_mean": imaged(in_mean=0.5),
        "drift": imaged(drift=moved),
        "frozen": worth(overlap=0.6),
        "stuck": worth(stuck=0.1),
        "few_frames": worth(tau_int=50.0),
        "aliased": blocks(aliased=("too large",)),
        "one_sign": blocks(flipped=10),
        "noise": blocks(wrong=0.01),
        "faint": blocks(lone_contrast=0.3),
        "field": readings(recipe="film_field"),
        "not_identified": readings(networks=r.networks | {"nnn": Estimate(np.nan, np.nan)}),
        "beyond_neighbours": readings(networks=r.networks | {"third": Estimate(1.0, 0.1)}),
        "classical_differs": readings(classical_alone=Estimate(1.0, 0.01)),
        "premise": replace(f, T1=380.0, premise=Premise(Estimate(-0.2, 0.01), 1e-6, 5.0, 0.1)),
    }


def test_every_warning_has_its_condition(film):
    quiet = replace(
        film[2],
        blocks=replace(film[2].blocks, flipped=5000, magnetisation=0.5, lone_contrast=0.8),
        readings=replace(film[2].readings, alone=film[2].readings.classical_alone),
    )
    assert [w.name for w in honesty.box(quiet)] == ["scale", "extrapolation"]
    for name, f in changes(quiet).items():
        (warned,) = [w for w in honesty.box(f) if w.name not in ("scale", "extrapolation")]
        assert warned.name == name and warned.text and "nan" not in warned.text


# What is refused -------------------------------------------------------------------------------------------


def test_too_few_patches_and_no_period(film):
    imaged = film[2].imaged
    few = replace(imaged, votes=imaged.votes[:3], mask=imaged.mask[:3])
    with refused("12 patches of 8 x 8 blocks of 4 pixels, fewer than 20", "take more frames, or smaller L than 8"):
        frames.cut(few, 4, 8)
    with refused("32 blocks of 4 pixels do not fit into 64 x 64 pixels", "smaller L than 32"):
        frames.cut(imaged, 4, 32)
    with refused("no period found: give --block PIXELS"):
        frames.block_side(replace(imaged, period=np.inf))
    assert frames.block_side(replace(imaged, period=18.0)) == 4 and frames.block_side(imaged, 7) == 7


def test_the_command_refuses_before_anything_runs(film, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("something ran"))
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    spins, images = film_frames(4, 3)
    folder_of(images, tmp_path / "few")
    (tmp_path / "empty").mkdir()
    np.save("mine.npy", spins)
    before = sorted(tmp_path.rglob("*"))
    kerr = ["--kind", "kerr", "--T0", 350, "--pixel-um", 0.5]
    good = [film[1], *kerr, "--block", 4, "--L", 8]
    for arguments, text in (
        (["few", "--kind", "kerr", "--T0", 350], "needs --pixel-um"),
        (["mine.npy", "--kind", "ising", "--T0", 2, "--block", 4], "--block is for --kind kerr, not for ising"),
        (["mine.npy", "--kind", "ising", "--T0", 2, "--apart"], "--apart is for --kind kerr"),
        (["nowhere", *kerr], "no such folder"),
        (["mine.npy", *kerr], "a file, no folder"),
        (["empty", *kerr], "no PNG, TIFF, JPEG or BMP file in it"),
        (["few", *kerr, "--block", 4, "--L", 8], "16 patches of 8 x 8 blocks of 4 pixels, fewer than 20"),
        ([*good, "--L", 7], "L=7 is not possible"),
        ([*good, "--T0", "cold"], "T0='cold' is not possible"),
        ([*good, "--pixel-um", 0], "pixel_um=0.0 is not possible"),
        ([*good, "--reference", "none.tif"], "none.tif: no such file"),
        ([*good, "--second", "few"], "give second and T1"),
        ([*good, "--second", "few", "--T1", 350], "must differ from T0"),
        ([*good, "--out", tmp_path], "exists already"),
    ):
        assert text in refusal(["learn", *arguments], capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_cannot_be_simulated_is_refused():
    given = {"folder": "", "reference": "", "L": 16, "second": "", "T1": 0.0, "bright": False, "together": True}
    for T, block, save, text in (
        (296.0, 0, "", "no domain period; give 2 pixels or more"),
        (430.0, 4, "", "must be ordered"),
        (296.0, 4, __file__, "exists already"),
    ):
        with refused(text):
            findings.check_parameters(T0=T, block=block, save=save, **given)


def test_spins_are_never_written_over_a_file(film, tmp_path):
    findings.save_spins(film[2].imaged, tmp_path / "spins.npz")
    before = (tmp_path / "spins.npz").read_bytes()
    with refused("exists already; name a new file"):
        findings.save_spins(film[2].imaged, tmp_path / "spins.npz")
    with refused("cannot write", "give the path of a new file"):
        findings.save_spins(film[2].imaged, tmp_path / "no" / "spins.npz")
    findings.save_spins(film[2].imaged, "")
    assert (tmp_path / "spins.npz").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_images_of_ones_own_from_end_to_end(tmp_path):
    folder_of(film_frames(30, 4)[1], tmp_path / "frames")
    arguments = ["learn", "frames", "--kind", "kerr", "--T0", "350", "--pixel-um", "0.5", "--block", "4", "--L", "8"]
    result = subprocess.run(
        [sys.executable, "-m", "lib", *arguments, "--steps", "10", "--out", "out"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0 and result.stderr == "", result.stdout + result.stderr
    out = tmp_path / "out"
    names = ["params.json", "results.json", "spins.npz", "your_images.ipynb"]
    assert sorted(p.name for p in out.iterdir()) == names
    found = {each["key"]: each for each in json.loads((out / "results.json").read_text())}
    assert found["images.t_c"]["verdict"].startswith("not applicable")
    assert found["learned.n_frames"]["value"] == 30 and found["learned.n_patches"]["value"] == 120
    assert found["learned.t_c"]["units"] == "K" and found["learned.t_c"]["error"] > 0
    assert found["learned.period_um"]["value"] is None or found["learned.period_um"]["value"] > 0
    assert "learned.warning.scale: only J / T0 is in the images" in result.stdout
    with np.load(out / "spins.npz") as saved:
        assert saved["names"][3] == "frames.tif[3]" and saved["spins"].dtype == np.int8
        assert saved["spins"].shape == saved["mask"].shape == (30, 64, 64)
    made = nbformat.read(out / "your_images.ipynb", 4)
    assert not [o for cell in made.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
