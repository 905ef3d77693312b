"""A picture that moves under the reader's hand: several frames and a slider, one piece of static HTML.

No server, no library, nothing from the network: the frames are embedded, the slider is the browser's own, and without
scripts the first frame stays.
"""

import base64
import html
import io


def frame(figure) -> bytes:
    """A matplotlib figure as PNG; the same figure gives the same bytes. Closes it."""
    import matplotlib.pyplot as plt

    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()


def text(frames, labels, alt, name):
    """The HTML of a slider. frames: PNG bytes; labels: what each shows; alt: description; name: unique on the page."""
    if not frames or len(frames) != len(labels):
        raise ValueError(f"{len(frames)} frames and {len(labels)} labels: one label for each of at least one frame")
    images = "".join(
        f'<img class="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}" '
        f'alt="{html.escape(f"{alt} {label}", quote=True)}" style="max-width:100%{"" if k == 0 else ";display:none"}">'
        for k, (png, label) in enumerate(zip(frames, labels, strict=True))
    )
    captions = html.escape(repr([str(label) for label in labels]), quote=True)
    show = (
        f"const k=+this.value;document.querySelectorAll('img.{name}').forEach((x,j)=>x.style.display=j==k?'':'none');"
        f"this.nextElementSibling.textContent={captions}[k]"
    )
    return (
        f'<div><div>{images}</div><input type="range" min="0" max="{len(frames) - 1}" value="0" step="1" '
        f'aria-label="{html.escape(alt, quote=True)}" style="width:60%" oninput="{show}">'
        f" <output>{html.escape(str(labels[0]))}</output></div>"
    )


def show(frames, labels, alt, name):
    """Display the slider in a notebook. Arguments as in `text`."""
    from IPython.display import HTML, display

    display(HTML(text(frames, labels, alt, name)))
