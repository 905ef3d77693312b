r"""From Kerr images to spins: flat-field, denoise, threshold, mask, coarse-grain; every step by scikit-image.

A polar Kerr image shows the out-of-plane magnetisation as a small change of brightness, I = I_0(r) [1 + c s(r)] +
noise with s = +-1, an uneven illumination I_0 and a camera's noise. One set of `Settings` for all frames:

    frames          files -> grey images
    flat_field      the illumination I_0 of one frame, the noise, and a denoised contrast x = 1 - I / I_0
    classes         two classes of x, common or rare, and the threshold between them
    segmentation    one frame on its own: spins, and a mask where they mean nothing
    series          many frames of one place: one light and one threshold for all of them
    patches         the length scale of the domains; majority spins of blocks, cut into patches of L x L blocks

Dark domains are s = -1, the rest +1 (with `Settings.bright`, bright ones are -1). Nothing here has seen a hand label:
`iou` compares with one afterwards. The blocks must be small against the domains: a block of more than a quarter of
the domain period aliases the pattern (`check_block` warns), and neighbours in a stripe pattern then look
antiferromagnetic.
"""

from lib.analysis.kerr.classes import SEPARATED, Threshold, two_classes
from lib.analysis.kerr.flat_field import DEFAULT, Settings, denoise, noise
from lib.analysis.kerr.frames import Frames, heard, read_folder, read_reference
from lib.analysis.kerr.patches import Patches, check_block, coarse_grain, domain_period
from lib.analysis.kerr.segmentation import Steps, iou, remove_specks, segment
from lib.analysis.kerr.series import Series, for_blocks, segment_series

__all__ = [
    "DEFAULT", "SEPARATED", "Frames", "Patches", "Series", "Settings", "Steps", "Threshold", "check_block",
    "coarse_grain", "denoise", "domain_period", "for_blocks", "heard", "iou", "noise", "read_folder", "read_reference",
    "remove_specks", "segment", "segment_series", "two_classes",
]  # fmt: skip
