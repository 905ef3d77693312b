"""The drawings of the networks. `python book/_static/networks/draw.py` writes them beside itself and prints alt texts.

One language: the site that is drawn now is dark blue, what its conditional sees light blue, what was drawn and is not
seen grey, what is not drawn yet empty. The colours are those of `lib.page.plotting`; their greys differ. Every picture
is a white card 480 wide with letters of 16, so that it can be read at 390 pixels, on a light page and on a dark one.
"""

import math
from html import escape
from pathlib import Path

WIDTH = 480
INK, NOW, SEEN, DRAWN, EMPTY = "#222222", "#004488", "#9DBFE0", "#C8C8C8", "#FFFFFF"
ROSE = "#BB5566"


class Drawing:
    """An SVG picture, put together shape by shape. Places are (x, y), y downwards."""

    def __init__(self, name: str, height: int, alt: str):
        self.name, self.height, self.alt, self.shapes = name, height, alt, []

    def line(self, start, end, colour=INK, width=1.5, dashes="", arrow=False):
        """A line; with an arrow its head is at `end`."""
        (x, y), (u, v) = start, end
        extra = f' stroke-dasharray="{dashes}"' if dashes else ""
        if arrow:
            extra += f' marker-end="url(#{"now" if colour == NOW else "rose" if colour == ROSE else "ink"})"'
        self.shapes.append(
            f'<line x1="{x:g}" y1="{y:g}" x2="{u:g}" y2="{v:g}" stroke="{colour}" stroke-width="{width:g}"{extra}/>'
        )

    def curve(self, points, colour=INK, width=2.0, dashes="", closed=False):
        path = " ".join(f"{'L' if k else 'M'}{x:.1f},{y:.1f}" for k, (x, y) in enumerate(points))
        extra = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.shapes.append(
            f'<path d="{path}{"Z" * closed}" fill="none" stroke="{colour}" stroke-width="{width:g}"{extra}/>'
        )

    def circle(self, place, radius, fill=EMPTY, label=""):
        x, y = place
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{INK}"/>')
        self.text(place, label, colour="#FFFFFF" if fill == NOW else INK, anchor="middle")

    def box(self, corner, size, fill=EMPTY, label=""):
        (x, y), (w, h) = corner, size
        self.shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="3" fill="{fill}" stroke="{INK}"/>'
        )
        self.text((x + w / 2, y + h / 2), label, colour="#FFFFFF" if fill == NOW else INK, anchor="middle")

    def text(self, place, text, colour=INK, anchor="start", size=16):
        """Text at half its height; `_x` and `^x` (or `_{xy}`) are set low and high."""
        if text:
            x, y = place
            self.shapes.append(
                f'<text x="{x:g}" y="{y + 0.34 * size:g}" fill="{colour}" text-anchor="{anchor}" '
                f'font-size="{size}">{_scripts(text, size)}</text>'
            )

    def legend(self, x, y, entries, step=26):
        """entries: (fill, text), one below the other."""
        for k, (fill, text) in enumerate(entries):
            self.circle((x, y + k * step), 8, fill)
            self.text((x + 16, y + k * step), text)

    def svg(self) -> str:
        heads = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0,0L10,5L0,10Z" fill="{colour}"/></marker>'
            for name, colour in (("ink", INK), ("now", NOW), ("rose", ROSE))
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                f'height="{self.height}" font-family="DejaVu Sans, Verdana, sans-serif" role="img">',
                f"<title>{escape(self.alt)}</title>",
                f"<defs>{heads}</defs>",
                f'<rect width="{WIDTH}" height="{self.height}" rx="6" fill="#FFFFFF"/>',
                *self.shapes,
                "</svg>\n",
            ]
        )


def _scripts(text: str, size: int) -> str:
    done, k = "", 0
    while k < len(text):
        if text[k] not in "_^":
            done, k = done + escape(text[k]), k + 1
            continue
        down = 0.25 * size * (1 if text[k] == "_" else -1.4)
        if text[k + 1] == "{":
            end = text.index("}", k)
            script, k = text[k + 2 : end], end + 1
        else:
            script, k = text[k + 1], k + 2
        done += f'<tspan dy="{down:.1f}" font-size="{0.75 * size:g}">{escape(script)}</tspan>'
        done += f'<tspan dy="{-down:.1f}">\u200b</tspan>'  # back on the line
    return done


# The networks ----------------------------------------------------------------------------------------------


def made() -> Drawing:
    alt = (
        "MADE with four sites. Each hidden unit carries a degree d and is joined to the sites 1 to d; output k is"
        " joined to hidden units of degree below k. The paths of the third conditional start at sites 1 and 2 "
        "only."
    )
    picture = Drawing("made", 330, alt)
    x_site = [75, 185, 295, 405]
    degrees = [1, 1, 2, 2, 3, 3]
    x_unit = [65 + 70 * k for k in range(6)]
    sites, first, second, outputs = 272, 205, 130, 62
    joined = [
        (x_site[j], sites - 15, x_unit[u], first + 15, j + 1 <= d, d <= 2)
        for u, d in enumerate(degrees)
        for j in range(4)
    ]
    joined += [
        (x_unit[u], first - 15, x_unit[v], second + 15, degrees[u] <= d, d <= 2)
        for v, d in enumerate(degrees)
        for u in range(6)
    ]
    joined += [
        (x_unit[u], second - 15, x_site[k], outputs + 14, d < k + 1, k == 2)
        for k in range(4)
        for u, d in enumerate(degrees)
    ]
    joined.sort(key=lambda each: each[5])  # what is highlighted lies on top
    for x, y, u, v, there, highlighted in joined:
        if there:
            picture.line((x, y), (u, v), NOW if highlighted else DRAWN, 1.6 if highlighted else 1)
    for k, x in enumerate(x_site):
        picture.circle((x, sites), 16, SEEN if k < 2 else EMPTY, f"s_{k + 1}")
    for y in (first, second):
        for x, degree in zip(x_unit, degrees, strict=True):
            picture.circle((x, y), 15, SEEN if degree <= 2 else EMPTY, str(degree))
    names = ["p(s_1)", "p(s_2|s_1)", "p(s_3|s_1,s_2)", "p(s_4|...)"]
    for k, (x, name) in enumerate(zip(x_site, names, strict=True)):
        picture.box((x - 52, outputs - 14), (104, 28), NOW if k == 2 else EMPTY, name)
    picture.text((WIDTH / 2, 22), "output k: hidden units of degree below k", anchor="middle")
    picture.text((WIDTH / 2, 310), "hidden unit of degree d: sites 1 ... d", anchor="middle")
    return picture


def lattice(picture, corner, step, side, fill, label=lambda row, column: "", bonds=True):
    """A square lattice of circles. fill, label: functions of row and column."""
    x, y = corner
    for row in range(side):
        for column in range(side):
            place = (x + column * step, y + row * step)
            if bonds and column + 1 < side:
                picture.line(place, (place[0] + step, place[1]), DRAWN)
            if bonds and row + 1 < side:
                picture.line(place, (place[0], place[1] + step), DRAWN)
    for row in range(side):
        for column in range(side):
            place = (x + column * step, y + row * step)
            picture.circle(place, 0.34 * step, fill(row, column), label(row, column))


def frontier(side, now):
    """The colours of a Markov lattice at site `now`, a function of row and column."""

    def fill(row, column):
        site = side * row + column
        if site == now:
            return NOW
        return EMPTY if site > now else SEEN if row == 0 or site >= now - side else DRAWN

    return fill


def markov_lattice() -> Drawing:
    alt = (
        "A six by six torus drawn row by row, at the third site of the fourth row. Its conditional sees the last "
        "six sites and the first row; the other sites above are drawn but not seen, those below are not drawn "
        "yet."
    )
    picture = Drawing("markov_lattice", 330, alt)
    side, now = 6, 3 * 6 + 2

    step, corner = 44, (36, 52)
    for column in range(side):  # bonds across the boundary
        x = corner[0] + column * step
        picture.line((x, corner[1] - 30), (x, corner[1]), DRAWN, dashes="3 3")
        picture.line((x, corner[1] + 5 * step), (x, corner[1] + 5 * step + 30), DRAWN, dashes="3 3")
    lattice(
        picture, corner, step, side, frontier(side, now), lambda row, column: "i" if side * row + column == now else ""
    )
    picture.legend(308, 62, [(NOW, "drawn now"), (EMPTY, "not drawn"), (DRAWN, "not seen"), (SEEN, "seen: last L")], 32)
    picture.text((324, 180), "and first row")
    picture.text((300, 226), "the lattice not drawn")
    picture.text((300, 248), "touches only these,")
    picture.text((300, 270), "so nothing is lost")
    return picture


def field_lattice() -> Drawing:
    alt = (
        "A six by six lattice of field values drawn row by row, at the third site of the fourth row. Its conditional "
        "sees the last six sites and the first row. It is a density on the real line with two bumps, the exponential "
        "of a polynomial."
    )
    picture = Drawing("field_lattice", 330, alt)
    side, now = 6, 3 * 6 + 2

    lattice(
        picture,
        (36, 52),
        44,
        side,
        frontier(side, now),
        lambda row, column: "φ_i" if side * row + column == now else "",
    )
    x, y, width, height = 308.0, 150.0, 150.0, 90.0
    density = []
    for k in range(61):
        phi = -1.9 + 3.8 * k / 60
        density.append((x + width * k / 60, y - height * math.exp(1.3 * phi**2 - 0.5 * phi**4 + 0.25 * phi - 1.2)))
    picture.curve(density, NOW)
    picture.line((x, y), (x + width, y))
    picture.line((36 + 2 * 44 + 16, 52 + 3 * 44 - 6), (x - 8, y - 30), NOW, arrow=True)
    picture.text((x + width, y + 16), "φ_i", anchor="end")
    picture.text((x, 40), "p(φ_i | seen)", NOW)
    picture.text((x, 196), "exp Σ_k c_k φ_i^k,")
    picture.text((x, 220), "c_k: functions of")
    picture.text((x, 244), "what is seen")
    picture.legend(x, 274, [(SEEN, "seen"), (DRAWN, "not seen")], 32)
    return picture


def masked_convolution() -> Drawing:
    alt = (
        "Masked convolution. The first layer's three by three kernel keeps the three sites above and the one to "
        "the left; later layers keep the centre as well. Three layers see a triangle three rows up and three "
        "columns to either side."
    )
    picture = Drawing("masked_convolution", 330, alt)
    kernel = [(-1, -1), (-1, 0), (-1, 1), (0, -1)]
    later = [*kernel, (0, 0)]
    for y, title, kept in ((66, "first layer", kernel), (214, "later layers", later)):
        for row in range(3):
            for column in range(3):
                offset = (row - 1, column - 1)
                centre = offset == (0, 0)
                fill = SEEN if offset in kept else EMPTY
                corner = (30 + 30 * column, y + 30 * row)
                picture.box(corner, (30, 30), NOW if centre and kept is later else fill, "i" if centre else "")
                if offset not in kept:
                    picture.line(corner, (corner[0] + 30, corner[1] + 30), ROSE)
        picture.text((22, y - 20), title)
    seen = {(a + c + e, b + d + f) for a, b in kernel for c, d in later for e, f in later}
    for row in range(7):
        for column in range(7):
            offset = (row - 4, column - 3)
            past = offset < (0, 0)
            fill = NOW if offset == (0, 0) else SEEN if offset in seen else DRAWN if past else EMPTY
            picture.box((196 + 36 * column, 56 + 36 * row), (36, 36), fill, "i" if offset == (0, 0) else "")
    picture.text((196, 34), "what three layers see")
    return picture


def o2_equivariant() -> Drawing:
    alt = (
        "The O(2)-equivariant network. Spins of the context are unit vectors; real weights add them to vectors z;"
        " scalar products of these are invariant and gate the vectors; the result is a Fourier density of the "
        "next angle. Turning all spins turns the density."
    )
    picture = Drawing("o2_equivariant", 360, alt)
    angles = [0.4, 1.1, 0.1, -0.6, 0.7]
    picture.text((20, 26), "spins e^{iθ} that are seen")
    for k, angle in enumerate(angles):
        y = 70 + 54 * k
        picture.circle((46, y), 22, SEEN)
        dx, dy = 17 * math.cos(angle), -17 * math.sin(angle)
        picture.line((46 - dx, y - dy), (46 + dx, y + dy), INK, 2, arrow=True)
        for v in (118, 238):
            picture.line((70, y), (142, v), DRAWN, 1.2)
    picture.text((118, 58), "real weights")
    for y, angle in ((118, 0.55), (238, 0.0)):
        picture.box((144, y - 28), (76, 56), EMPTY)
        dx, dy = 24 * math.cos(angle), -24 * math.sin(angle)
        picture.line((182 - dx, y - dy), (182 + dx, y + dy), NOW, 2.5, arrow=True)
    picture.text((226, 100), "z_a")
    picture.text((226, 256), "z_b")
    picture.box((236, 152), (104, 52), "#FFFFFF", "z_a · z_b")
    picture.line((220, 134), (246, 150), INK, arrow=True)
    picture.line((220, 222), (246, 206), INK, arrow=True)
    picture.text((250, 222), "invariant:")
    picture.text((250, 242), "it gates")
    picture.line((340, 178), (366, 178), INK, arrow=True)
    centre = (404, 178)

    def density(angle):
        return 18 + 12 * math.exp(1.5 * math.cos(angle - 0.4) + 0.25 * math.cos(2 * angle - 1.4) - 0.35)

    points = [(centre[0] + 20 * math.cos(0.1 * k), centre[1] - 20 * math.sin(0.1 * k)) for k in range(63)]
    picture.curve(points, DRAWN, 1.5, closed=True)
    points = [
        (centre[0] + density(0.1 * k) * math.cos(0.1 * k), centre[1] - density(0.1 * k) * math.sin(0.1 * k))
        for k in range(63)
    ]
    picture.curve(points, NOW, 2.5, closed=True)
    picture.text((376, 84), "p(θ_i|...)")
    picture.text((WIDTH / 2, 342), "turn all spins: z and p turn, z_a · z_b stays", anchor="middle")
    return picture


def ring(name: str, alt: str, across: str, along: str, letter: str = "x") -> Drawing:
    """A ring drawn site by site, at site i. across: text at the line from the first site. along: at the last bond."""
    picture = Drawing(name, 330, alt)
    n, now, centre, radius = 12, 6, (150, 168), 112
    places = []
    for k in range(n):
        angle = math.pi / 2 - 2 * math.pi * k / n
        places.append((centre[0] + radius * math.cos(angle), centre[1] - radius * math.sin(angle)))
    for k in range(n):
        hop = k == now - 1
        picture.line(places[k], places[(k + 1) % n], NOW if hop else DRAWN, 3 if hop else 1.5)
    picture.line((places[0][0], places[0][1] + 22), (places[now][0], places[now][1] - 24), NOW, 2, "6 4", arrow=True)
    inside = {0: f"{letter}_0", now: f"{letter}_i"}
    for k, place in enumerate(places):
        fill = NOW if k == now else SEEN if k in (0, now - 1) else EMPTY if k > now else DRAWN
        picture.circle(place, 20, fill, inside.get(k, ""))
    before = places[now - 1]
    picture.text((before[0] + 26, before[1] + 8), f"{letter}_{{i-1}}")
    picture.text((160, 172), across)
    picture.text((before[0] - 2, before[1] + 40), along)
    picture.legend(316, 62, [(NOW, "drawn now"), (SEEN, "seen"), (DRAWN, "not seen"), (EMPTY, "not drawn")], 34)
    return picture


def markov_ring() -> Drawing:
    alt = (
        "Markov ring: twelve sites drawn one after the other, at site i. Its conditional is a function of the site "
        "before it and of the first site, across the boundary; the sites between are drawn but not seen, the rest "
        "is not drawn yet."
    )
    return ring("markov_ring", alt, "", "p(x_i|x_{i-1}, x_0)")


def kinetic_ring() -> Drawing:
    alt = (
        "Kinetic ring: twelve sites drawn one after the other, at site i. The site before it enters through the hop "
        "alone, kappa times the product of the two; the first site, across the boundary, sets the coefficients of a "
        "polynomial in the value at site i."
    )
    return ring("kinetic_ring", alt, "g_k(x_0, i)", "hop κ x_{i-1} x_i")


def rotor_chain() -> Drawing:
    alt = (
        "Rotor chain: twelve angles drawn one after the other around a circle, at angle i. Its conditional is a "
        "density of the step x from the angle before it, and depends on s, how far that one has turned from the "
        "first angle."
    )
    return ring("rotor_chain", alt, "turn s", "p_i(x|s)", "φ")


def conserved_currents() -> Drawing:
    alt = (
        "Conserved currents on a lattice of four columns, drawn slice by slice. Drawn are the time currents of the "
        "first row, then the space currents of every slice; now the third of the third slice. It sees the time "
        "currents that the slice starts from, the space currents to its left, and the heights, sums of all space "
        "currents before; the time currents of later slices follow from conservation."
    )
    picture = Drawing("conserved_currents", 340, alt)
    left, top, step, now = 40, 300, 62, (2, 2)  # time runs upwards
    for row in range(4):
        for column in range(4):
            x, y = left + column * step, top - row * step
            picture.line((x, y), (x + step, y), DRAWN)
            picture.line((x, y), (x, y - step), DRAWN)
    for row in range(4):
        for column in range(4):
            x, y = left + column * step, top - row * step
            if row > 0:
                place = (row, column)
                fill = NOW if place == now else EMPTY if place > now else SEEN if row == now[0] else DRAWN
                picture.circle((x + step / 2, y), 13, fill, "j")
            if row < now[0]:
                picture.circle((x, y - step / 2), 13, SEEN if row == now[0] - 1 else DRAWN, "k")
    legend = [(NOW, "drawn now"), (SEEN, "seen"), (DRAWN, "drawn before"), (EMPTY, "not drawn")]
    picture.legend(318, 66, legend, 30)
    picture.text((306, 200), "heights: sums of j")
    picture.text((306, 222), "in every column")
    picture.text((306, 262), "later k follow from")
    picture.text((306, 284), "conservation")
    return picture


def causal_convolution() -> Drawing:
    alt = (
        "Causal convolution with dilations 1, 2 and 4 along a chain of nine sites. Each layer joins a unit to the"
        " one below and to one that is 1, 2 or 4 sites earlier, so the conditional of the ninth site sees the "
        "eight before it."
    )
    picture = Drawing("causal_convolution", 330, alt)
    x = [38 + 50 * k for k in range(9)]
    levels = [262, 196, 130, 64]
    reached = {8}
    for level in (3, 2, 1):
        dilation = 2 ** (level - 1)
        shift = 1 if level == 1 else 0  # the first layer sees the site before
        pairs = [(k - shift - d, k) for k in range(9) for d in (0, dilation) if k - shift - d >= 0]
        for source, k in sorted(pairs, key=lambda pair: pair[1] in reached):  # what is highlighted lies on top
            on = k in reached
            start, end = (x[source], levels[level - 1] - 14), (x[k], levels[level] + 14)
            picture.line(start, end, NOW if on else DRAWN, 2 if on else 1)
        reached = {source for source, k in pairs if k in reached}
        for k in range(9):
            picture.circle((x[k], levels[level]), 14, NOW if level == 3 and k == 8 else EMPTY)
    for k in range(9):
        picture.circle((x[k], levels[0]), 15, SEEN if k < 8 else EMPTY, f"x_{k}")
    picture.text((x[8] + 18, 30), "p(x_8|x_0 ... x_7)", anchor="end")
    picture.text((WIDTH / 2, 306), "dilations 1, 2, 4 from below", anchor="middle")
    return picture


def rbm() -> Drawing:
    alt = (
        "Gaussian restricted Boltzmann machine: six visible field values in a row, four hidden variables above, "
        "every visible one joined to every hidden one by a weight, none joined to its own kind."
    )
    picture = Drawing("rbm", 250, alt)
    visible = [(60 + 72 * k, 180) for k in range(6)]
    hidden = [(96 + 96 * k, 66) for k in range(4)]
    for v in visible:
        for unit in hidden:
            picture.line(v, unit, "#888888", 1.2)
    for k, place in enumerate(visible):
        picture.circle(place, 19, SEEN, f"φ_{k + 1}")
    for k, place in enumerate(hidden):
        picture.circle(place, 19, EMPTY, f"ψ_{k + 1}")
    picture.text((WIDTH / 2, 24), "hidden, Gaussian", anchor="middle")
    picture.text((424, 122), "W")
    picture.text((WIDTH / 2, 228), "field φ with K = μ^2 − σ^2 W W^T", anchor="middle")
    return picture


def linear_gaussian() -> Drawing:
    alt = (
        "Linear autoregressive network: each of five field values is a weighted sum of the values before it, "
        "drawn as arcs from earlier to later sites, plus independent noise from below."
    )
    picture = Drawing("linear_gaussian", 270, alt)
    places = [(56 + 92 * k, 150) for k in range(5)]
    for k in range(5):
        for j in range(k):
            (x, y), (u, _) = places[j], places[k]
            on = k == 3
            top = 27 * (k - j)
            points = [(x + (u - x) * t / 20, y - 18 - top * math.sin(math.pi * t / 20)) for t in range(21)]
            picture.curve(points, NOW if on else DRAWN, 2 if on else 1.2)
    for k, (x, y) in enumerate(places):
        picture.line((x, 204), (x, y + 20), ROSE, 2, arrow=True)
        picture.text((x, 218), f"ε_{k + 1}", colour=ROSE, anchor="middle")
        picture.circle((x, y), 19, NOW if k == 3 else SEEN if k < 3 else EMPTY, f"φ_{k + 1}")
    picture.text((WIDTH / 2, 250), "φ_i = Σ_{j<i} A_{ij} φ_j + √v_i ε_i", anchor="middle")
    return picture


DRAWINGS = (
    made,
    markov_lattice,
    masked_convolution,
    o2_equivariant,
    markov_ring,
    kinetic_ring,
    rotor_chain,
    conserved_currents,
    field_lattice,
    causal_convolution,
    rbm,
    linear_gaussian,
)

if __name__ == "__main__":
    for draw in DRAWINGS:
        drawing = draw()
        Path(__file__).with_name(f"{drawing.name}.svg").write_text(drawing.svg(), encoding="utf-8")
        print(f"{drawing.name}.svg: {drawing.alt}")
