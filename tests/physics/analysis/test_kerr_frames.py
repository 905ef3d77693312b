"""Reading of frames: every format and kind of stack, what a microscope draws into them, and files that are no use."""

import io
import time
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw
from scipy import ndimage

from lib import paths
from lib.analysis import kerr
from lib.analysis.kerr.banner import find_banner
from lib.errors import BookError
from lib.systems.camera import Camera, render

KERR = paths.ROOT.parent / "shared" / "kerr"
RNG = np.random.default_rng


def film(seed, h=96, w=128, noise=12.0):
    """A frame of an 8-bit camera, uint8 [h, w]: soft domains, light from one side, noise."""
    rng = RNG(seed)
    domains = np.sign(ndimage.gaussian_filter(rng.normal(size=(h, w)), 5, mode="wrap"))
    light = 110 * (1 - 0.3 * np.linspace(0, 1, w))
    return (light * (1 + 0.1 * domains) + noise * rng.normal(size=(h, w))).clip(0, 255).astype(np.uint8)


def save(path, image, **options):
    Image.fromarray(image).save(path, **options)


def read(folder, **options):
    """`read_folder`, where nothing may be skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return kerr.read_folder(folder, **options)


def same(frames, expected, atol=1e-6):
    assert len(frames.images) == len(expected)
    for image, mask, grey in zip(frames.images, frames.masks, expected, strict=True):
        assert image.dtype == np.float32 and mask.dtype == bool and image.shape == mask.shape
        np.testing.assert_allclose(image, grey, atol=atol)
        assert not mask.any()


# Files ----------------------------------------------------------------------------------------------------


def deep(image):
    """12 of 16 bits."""
    return image.astype(np.uint16) * 16 + 3


def unsigned(path, image):
    """LZW by Pillow, which calls all integers of 32 bits signed."""
    save(path, image, compression="tiff_lzw")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags[339].overwrite(1)


FORMATS = {
    "grey.png": lambda p, x: save(p, x),
    "GREY.PNG": lambda p, x: save(p, x),
    "colour.png": lambda p, x: save(p, np.dstack([x] * 3)),
    "alpha.png": lambda p, x: save(p, np.dstack([x, x, x, 255 - x])),
    "grey_alpha.png": lambda p, x: Image.fromarray(np.dstack([x, 255 - x]), "LA").save(p),
    "palette.png": lambda p, x: Image.fromarray(x).convert("P").save(p),
    "sixteen.png": lambda p, x: save(p, x.astype(np.uint16) * 257),
    "grey.bmp": lambda p, x: save(p, x),
    "colour.bmp": lambda p, x: save(p, np.dstack([x] * 3)),
    "fine.jpg": lambda p, x: save(p, x, quality=100),
    "colour.JPEG": lambda p, x: save(p, np.dstack([x] * 3), quality=100, subsampling=0),
    "raw.tif": lambda p, x: save(p, x),
    "lzw.TIFF": lambda p, x: save(p, x, compression="tiff_lzw"),
    "deflate.tif": lambda p, x: save(p, x, compression="tiff_adobe_deflate"),
    "packbits.tif": lambda p, x: save(p, x, compression="packbits"),
    "jpeg.tif": lambda p, x: save(p, x, compression="jpeg", quality=100),
    "colour_lzw.tif": lambda p, x: save(p, np.dstack([x] * 3), compression="tiff_lzw"),
    "colour_jpeg.tif": lambda p, x: save(p, np.dstack([x] * 3), compression="jpeg", quality=100),
    "predictor.tif": lambda p, x: tifffile.imwrite(p, x, compression="zlib", predictor=True),
    "planar.tif": lambda p, x: tifffile.imwrite(p, np.stack([x] * 3), photometric="rgb", planarconfig="separate"),
    "palette.tif": lambda p, x: Image.fromarray(x).convert("P").save(p),
    "negative.tif": lambda p, x: tifffile.imwrite(p, 255 - x, photometric="miniswhite"),
    "alpha.tif": lambda p, x: tifffile.imwrite(
        p, np.dstack([x, 255 - x]), photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]
    ),
    "rgb16.tif": lambda p, x: tifffile.imwrite(p, np.dstack([x.astype(np.uint16) * 257] * 3), photometric="rgb"),
    "bigendian.tif": lambda p, x: tifffile.imwrite(p, x.astype(np.uint16) * 257, byteorder=">"),
    "sixteen.tif": lambda p, x: tifffile.imwrite(p, x.astype(np.uint16) * 257),
    "sixteen_lzw.tif": lambda p, x: save(p, x.astype(np.uint16) * 257, compression="tiff_lzw"),
    "negative_lzw.tif": lambda p, x: save(
        p, 65535 - x.astype(np.uint16) * 257, compression="tiff_lzw", tiffinfo={262: 0}
    ),
    "int16.tif": lambda p, x: tifffile.imwrite(p, x.astype(np.int16) * 128),
    "int32.tif": lambda p, x: tifffile.imwrite(p, x.astype(np.int32) * (2**31 // 255)),
    "uint32.tif": lambda p, x: tifffile.imwrite(p, x.astype(np.uint32) * (2**32 // 255)),
    "uint32_lzw.tif": lambda p, x: unsigned(p, x.astype(np.uint32) * (2**32 // 255)),
    "float.tif": lambda p, x: tifffile.imwrite(p, (x / 255).astype(np.float32)),
    "double.tif": lambda p, x: tifffile.imwrite(p, x / 255),
    "float_lzw.tif": lambda p, x: save(p, (x / 255).astype(np.float32), compression="tiff_lzw"),
    "png_inside.tif": lambda p, x: save(p, x, format="PNG"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_grey_values(tmp_path, name):
    grey = film(1)
    FORMATS[name](tmp_path / name, grey)
    lossy = {"int16.tif": 0.004, "palette.png": 0.001, "palette.tif": 0.003}.get(
        name, 0.02 if "jp" in name.lower() else 1e-6
    )
    frames = read(tmp_path)
    assert frames.names == (name,)
    same(frames, [grey / 255], lossy)


def test_colours_are_weighted_and_ratios_of_twelve_bits_kept(tmp_path):
    a, b = film(1), film(2)
    save(tmp_path / "1.png", np.dstack([a, b, a // 2]))
    tifffile.imwrite(tmp_path / "2.tif", deep(a))
    Image.fromarray(np.stack([a, b, a // 2], -1)).quantize(256).save(tmp_path / "3.png")
    frames = read(tmp_path)
    luma = (0.2125 * a + 0.7154 * b + 0.0721 * (a // 2)) / 255
    np.testing.assert_allclose(frames.images[0], luma, atol=1e-6)
    np.testing.assert_allclose(frames.images[1], deep(a) / 65535, rtol=1e-6)
    assert np.corrcoef(frames.images[2].ravel(), luma.ravel())[0, 1] > 0.95  # palette of 256 colours


def stack_by_pillow(path, pages, **options):
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest, **options)


def stack_by_imageio(path, pages):
    imageio = pytest.importorskip("imageio.v3")
    imageio.imwrite(path, pages, photometric="minisblack")


STACKS = {
    "tifffile": lambda p, x: tifffile.imwrite(p, x, photometric="minisblack"),
    "compressed": lambda p, x: tifffile.imwrite(p, x, photometric="minisblack", compression="zlib"),
    "one header": lambda p, x: tifffile.imwrite(p, x, photometric="minisblack", metadata=None, contiguous=True),
    "planes": lambda p, x: tifffile.imwrite(p, x, photometric="minisblack", planarconfig="separate"),
    "truncate": lambda p, x: tifffile.TiffWriter(p, shaped=True).write(x, photometric="minisblack"),
    "OME": lambda p, x: tifffile.imwrite(p, x, photometric="minisblack", ome=True, metadata={"axes": "TYX"}),
    "ImageJ": lambda p, x: tifffile.imwrite(p, x, imagej=True),
    "ImageJ one header": lambda p, x: one_header(p, x),
    "Pillow": stack_by_pillow,
    "Pillow LZW": lambda p, x: stack_by_pillow(p, x, compression="tiff_lzw"),
    "imageio": stack_by_imageio,
}


def one_header(path, pages):
    """As ImageJ writes large stacks: the header of the first frame, then the others' pixels."""
    tifffile.imwrite(path, pages, imagej=True)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        at = page.offset + 2 + 12 * len(page.tags)  # where the next header's address is
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("writer", STACKS)
def test_pages_are_frames_three_and_four_of_them_too(tmp_path, writer, n):
    pages = np.stack([film(k) for k in range(n)])
    STACKS[writer](tmp_path / "s.tif", pages)
    frames = read(tmp_path)
    assert frames.names == tuple(f"s.tif[{k}]" for k in range(n))
    same(frames, pages / 255)


def test_a_stack_of_colours_and_one_that_breaks_off(tmp_path):
    pages = np.stack([film(k) for k in range(3)])
    tifffile.imwrite(tmp_path / "colours.tif", np.stack([pages] * 3, -1), photometric="rgb")
    same(read(tmp_path), pages / 255)
    tifffile.imwrite(tmp_path / "colours.tif", np.stack([pages] * 3, -1), imagej=True)
    same(read(tmp_path), pages / 255)
    one_header(tmp_path / "cut.tif", pages)
    whole = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:-20000])
    with pytest.warns(UserWarning, match="skipped cut.tif: it cannot be read"):
        assert len(kerr.read_folder(tmp_path).names) == 3


# Banners --------------------------------------------------------------------------------------------------


def drawn(where, ground, ink, bits=8, height=40, seed=3, h=256, w=320):
    """(frame with a banner, where it is): text and a bar on one grey."""
    image = Image.fromarray(film(seed, h, w))
    draw = ImageDraw.Draw(image)
    top = 0 if where == "top" else h - height
    draw.rectangle([0, top, w, top + height - 1], fill=ground)
    draw.text((6, top + 6), "Kerr 20x  T = 296 K  H = 12 mT", fill=ink)
    draw.text((6, top + 22), "2024-05-17 14:03:22 exposure 20 ms", fill=ink)
    draw.rectangle([w - 80, top + 14, w - 20, top + 18], fill=ink)
    mask = np.zeros((h, w), bool)
    mask[top : top + height] = True
    image = np.asarray(image)
    return (image.astype(np.uint16) * 257 if bits == 16 else image), mask


@pytest.mark.parametrize("quality", [None, 95, 75])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("ground, ink", [(0, 255), (128, 255), (128, 0), (255, 0)])
@pytest.mark.parametrize("where", ["top", "bottom"])
def test_banners_are_masked(where, ground, ink, bits, quality):
    if quality and bits == 16:
        pytest.skip("JPEG has 8 bits")
    image, banner = drawn(where, ground, ink, bits)
    if quality:
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="JPEG", quality=quality)
        image = np.asarray(Image.open(file))
    found = find_banner(image.astype(np.float32) / np.iinfo(image.dtype).max)
    rim = ndimage.binary_dilation(banner, iterations=8)
    assert not (found & ~rim).any()
    if quality and ground == 128:  # as bright as the film: eight rows of ripples at the rim cannot be told
        banner = ndimage.binary_erosion(banner, iterations=8, border_value=1)
    assert found[banner].all()


def test_rows_of_a_banner_may_be_mostly_ink():
    image, banner = drawn("bottom", 0, 255)
    image = image.astype(np.float32) / 255
    image[-30:-12, 20:240] = 1  # wider than half of the frame
    assert find_banner(image)[banner].all()


def test_rows_without_data_after_a_registration_are_masked():
    image = film(4).astype(np.float32) / 255
    image[:5], image[:, -3:] = 0, 0
    found = find_banner(image)
    assert found[:5].all() and found[:, -3:].all() and not found[7:, :-5].any()


@pytest.mark.parametrize("quality", [None, 95, 75])
@pytest.mark.parametrize("ink", [255, 0])
@pytest.mark.parametrize("length, height", [(20, 2), (60, 4), (100, 10), (150, 20)])
def test_scale_bars_are_masked(length, height, ink, quality):
    image = Image.fromarray(film(5, 256, 320))
    draw = ImageDraw.Draw(image)
    draw.rectangle([140, 220, 140 + length - 1, 220 + height - 1], fill=ink)
    draw.text((150, 200), "50 um", fill=ink)
    clean = np.asarray(image) != film(5, 256, 320)
    if quality:
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=quality)
        image = Image.open(file)
    if quality == 75 and height == 2:
        pytest.skip("ripples as high as the bar itself: it is not found")
    found = find_banner(np.asarray(image).astype(np.float32) / 255)
    bar = np.zeros(clean.shape, bool)
    bar[220 : 220 + height, 140 : 140 + length] = True
    assert found[bar].all() and found[clean].mean() > 0.9  # of bar and text, smooth as it is
    assert not (found & ~ndimage.binary_dilation(clean | bar, np.ones((3, 3)), iterations=8)).any()


def test_a_yellow_bar_is_masked_and_bright_parts_of_the_sample_are_not():
    image = film(6, 256, 320).astype(np.float32) / 255
    bar = image.copy()
    bar[200:206, 40:100] = 0.886
    assert find_banner(bar)[200:206, 40:100].all()
    bar[20, 20] = 1  # a hot pixel is brighter
    assert find_banner(bar)[200:206, 40:100].all() and not find_banner(bar)[20, 20]
    sample = image.copy()
    y, x = np.mgrid[:256, :320]
    sample += 3 * np.exp(-(((y - 100) / 8) ** 2 + ((x - 150) / 40) ** 2))  # saturated, and blurred as optics do
    assert (sample > 1).sum() > 500 and not find_banner(sample.clip(0, 1)).any()
    assert not find_banner(1 - sample.clip(0, 1)).any()
    line = np.zeros(image.shape, np.float32)
    line[100:110, 60:160] = 1.3
    sample = (image + ndimage.gaussian_filter(line, 2)).clip(0, 1)
    assert (sample == 1).sum() > 500 and not find_banner(sample).any()


@pytest.mark.parametrize(
    "camera",
    [Camera(), Camera(photons=200), Camera(blur=3), Camera(blur=0, photons=10000, contrast=0.5, uneven=0, pattern=0)],
)
def test_simulated_frames_have_no_banner(camera):
    rng = RNG(7)
    spins = (2 * rng.integers(2, size=(12, 32, 32)) - 1).astype(np.int8)
    spins[:4], spins[4:8, :16] = 1, -1
    for frame in render(spins, camera, rng):
        assert not find_banner((frame / 65535).astype(np.float32)).any()
        assert not find_banner((np.rint(frame / frame.max() * 255) / 255).astype(np.float32)).any()


def test_real_frames_have_no_banner():
    if not KERR.is_dir():
        pytest.skip("no ../shared/kerr: the real frames are not part of the repository")
    frames = read(KERR / "images")
    assert len(frames.names) == 12 and not np.any(frames.masks)


# Which frames ---------------------------------------------------------------------------------------------


def test_bad_frames_are_named_and_skipped(tmp_path):
    good = film(1, 192, 256)
    save(tmp_path / "good.png", good)
    save(tmp_path / "later.png", film(2, 192, 256))
    save(tmp_path / "copy.tif", film(2, 192, 256).astype(np.uint16) * 257)
    save(tmp_path / "constant.png", np.full((100, 100), 7, np.uint8))
    dim = np.zeros((100, 100), np.uint8)
    dim[:3, :3] = np.arange(9).reshape(3, 3) + 40
    save(tmp_path / "dim.png", dim)
    save(tmp_path / "small.png", good[:40])
    save(tmp_path / "crop.png", good[:100])
    save(tmp_path / "minus.tif", good.astype(np.float32) - 100)
    save(tmp_path / "nan.tif", np.where(good > 100, np.nan, good).astype(np.float32))
    save(tmp_path / "label.png", (good // 64 * 64).clip(64, 128))
    Image.fromarray(good > 100).save(tmp_path / "binary.png")
    Image.fromarray(good > 100).save(tmp_path / "fax.tif", compression="group4")
    save(tmp_path / "complex.tif", good)
    tifffile.imwrite(tmp_path / "complex.tif", good.astype(np.complex64))
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "corrupt.png").write_bytes(whole[: len(whole) // 2])
    save(tmp_path / "broken.tif", good, compression="tiff_lzw")
    whole = (tmp_path / "broken.tif").read_bytes()
    (tmp_path / "broken.tif").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "nothing.png").write_bytes(b"")
    for ignored in (".DS_Store", "._good.png", "Thumbs.db", "notes.txt"):
        (tmp_path / ignored).write_bytes(b"\0\1")
    (tmp_path / "sub.png").mkdir()
    with pytest.warns(UserWarning) as caught:
        frames = kerr.read_folder(tmp_path)
    assert frames.names == ("copy.tif", "good.png")
    expected = {
        "later.png": "is the same picture as copy.tif",
        "constant.png": "constant",
        "dim.png": "one grey value in 100% of its pixels",
        "small.png": "too small, 256 x 40 pixels",
        "crop.png": "is 256 x 100 pixels, the others 256 x 192",
        "minus.tif": "negative",
        "nan.tif": "no numbers",
        "label.png": "looks like labels: only 2 grey values",
        "binary.png": "looks like labels: one bit",
        "fax.tif": "looks like labels: one bit",
        "complex.tif": "cannot be read",
        "corrupt.png": "cannot be read",
        "broken.tif": "cannot be read",
        "text.jpg": "cannot be read",
        "nothing.png": "empty",
    }
    reasons = dict(frames.skipped)
    assert set(reasons) == set(expected)
    for name, word in expected.items():
        assert word in reasons[name], name
        assert len([w for w in caught if str(w.message) == f"skipped {name}: it {reasons[name]}"]) == 1
    assert len(caught) == len(expected)


def test_names_are_in_natural_order(tmp_path):
    names = ["frame1.png", "frame2.png", "Frame9b.png", "frame9c.png", "frame10.png", "frame010a.png", "x.png"]
    for k, name in enumerate(names):
        save(tmp_path / name, film(k))
    assert read(tmp_path).names == tuple(names)


def test_sizes_of_frames(tmp_path):
    save(tmp_path / "a.png", film(1))
    save(tmp_path / "b.png", film(2, 70, 80))
    with pytest.warns(UserWarning, match="skipped b.png: it is 80 x 70 pixels, the others 128 x 96"):
        assert kerr.read_folder(tmp_path).names == ("a.png",)  # of two, the larger
    save(tmp_path / "c.png", film(3, 70, 80))
    with pytest.warns(UserWarning, match="skipped a.png: it is 128 x 96 pixels, the others 80 x 70"):
        assert kerr.read_folder(tmp_path).names == ("b.png", "c.png")  # more of them
    save(tmp_path / "d.png", film(4))
    with pytest.raises(BookError, match="no size .* the most common: 2 of 128 x 96, 2 of 80 x 70 pixels") as problem:
        kerr.read_folder(tmp_path)
    assert str(problem.value).startswith(f"{tmp_path}: ") and "\n" not in str(problem.value)


def test_two_frames_turned_against_each_other_are_refused(tmp_path):
    save(tmp_path / "a.png", film(1))
    save(tmp_path / "b.png", film(2).T.copy())
    with pytest.raises(BookError, match="1 of 128 x 96, 1 of 96 x 128"):
        kerr.read_folder(tmp_path)


def test_no_usable_frame_is_an_error(tmp_path):
    def refused(folder, message):
        with pytest.raises(BookError, match=message) as problem:
            kerr.read_folder(folder)
        assert str(problem.value).startswith(f"{folder}: ") and "\n" not in str(problem.value)

    refused(tmp_path / "none", "no such folder; give")
    refused(tmp_path, "no PNG, TIFF, JPEG or BMP file in it; give")
    (tmp_path / "sub").mkdir()
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "no PNG, TIFF, JPEG or BMP file in it; give")
    save(tmp_path / "sub" / "a.png", film(1))
    refused(tmp_path, r"no image in it, but in its subfolders sub \(1\); give one of them")
    refused(tmp_path / "sub" / "a.png", "a file, no folder; give")
    save(tmp_path / "constant.png", np.zeros((100, 100), np.uint8))
    with pytest.warns(UserWarning, match="skipped constant.png"):
        refused(tmp_path, "none of 1 frames is usable; constant.png is constant")


def test_frame_under_a_banner_is_judged_without_it(tmp_path):
    image, banner = drawn("bottom", 0, 255)
    save(tmp_path / "good.png", image)
    save(
        tmp_path / "label.png", np.where(banner, image, 60 + 30 * RNG(8).integers(4, size=image.shape)).astype(np.uint8)
    )
    with pytest.warns(UserWarning, match="label.png: it looks like labels: only 4 grey values"):
        frames = kerr.read_folder(tmp_path)
    assert frames.names == ("good.png",) and frames.masks[0][banner].all()


# Reference ------------------------------------------------------------------------------------------------


def test_reference_is_one_frame_or_the_mean_of_a_stack(tmp_path):
    pages = np.stack([film(k) for k in range(4)])
    tifffile.imwrite(tmp_path / "r.tif", pages, photometric="minisblack")
    found = kerr.read_reference(tmp_path / "r.tif", (96, 128))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pages.mean(0) / 255, atol=1e-6)
    save(tmp_path / "r.png", pages[0])
    np.testing.assert_allclose(kerr.read_reference(tmp_path / "r.png", [96, 128]), pages[0] / 255, atol=1e-6)


def test_references_that_cannot_be_used(tmp_path):
    save(tmp_path / "small.png", film(1, 70, 80))
    save(tmp_path / "dark.png", np.zeros((96, 128), np.uint8))
    save(tmp_path / "minus.tif", film(1).astype(np.float32) - 100)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "nothing.png").write_bytes(b"")
    for name, message in {
        "none.png": "no such file",
        "small.png": "is 80 x 70 pixels where the frames are 128 x 96",
        "dark.png": "has no light",
        "minus.tif": "negative",
        "text.png": "cannot be read",
        "nothing.png": "is empty",
    }.items():
        with pytest.raises(BookError, match=message) as problem:
            kerr.read_reference(tmp_path / name, (96, 128))
        assert str(problem.value).startswith(f"{tmp_path / name}: ") and "\n" not in str(problem.value)


def test_a_thousand_small_frames_take_seconds(tmp_path):
    frame = film(1, 128, 128)
    for k in range(300):
        save(tmp_path / f"{k}.png", np.roll(frame, (k % 100, k // 100), (0, 1)), compress_level=1)
    start = time.process_time()
    assert len(read(tmp_path).names) == 300
    assert time.process_time() - start < 6  # 1 on this machine
