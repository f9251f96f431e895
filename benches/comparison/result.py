"""From slices to ratios, and from ratios to a table and a picture.

Noise on a shared machine only adds, so each figure is the lower quartile of its slices, and what counts is the ratio within
one run. Beside each ratio stands the middle half of the ratios of the rounds one by one: how far it can be trusted.
"""

from dataclasses import dataclass
from html import escape
from math import log

OURS = "portcullis"


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of a load, smaller being better."""

    title: str
    load: str
    figure: str
    target: float
    # The proxy to compare with; the best of the others when none is named, ourselves for how a cost grows.
    against: str = None


@dataclass(frozen=True)
class Ratio:
    row: Row
    figures: dict
    best: str
    value: float
    low: float
    high: float

    @property
    def met(self):
        return self.value <= self.row.target


def quartile(values, quarter):
    return sorted(values)[(len(values) - 1) * quarter // 4]


def judge(row, slices):
    """The ratio of a row, or nothing when a proxy it needs was not measured. `slices`: load, figure and proxy to values."""
    rounds = {proxy: values for (load, figure, proxy), values in slices.items() if (load, figure) == (row.load, row.figure)}
    figures = {proxy: quartile(values, 1) for proxy, values in rounds.items()}
    if OURS not in figures:
        return None
    if row.against == OURS:
        return Ratio(row, figures, OURS, figures[OURS], quartile(rounds[OURS], 1), quartile(rounds[OURS], 3))
    peers = {proxy: value for proxy, value in figures.items() if proxy != OURS and row.against in (None, proxy)}
    if not peers:
        return None
    best = min(peers, key=peers.get)
    by_round = [ours / theirs for ours, theirs in zip(rounds[OURS], rounds[best])]
    return Ratio(row, figures, best, figures[OURS] / peers[best], quartile(by_round, 1), quartile(by_round, 3))


def table(ratios, proxies):
    """One line for each row, in Markdown, which reads as text too."""
    head = ["", *proxies, "ratio", "middle half", "to", "target", "met"]
    lines = [head, ["---"] * len(head)]
    for ratio in ratios:
        cells = [f"{ratio.figures[proxy]:.3g}" if proxy in ratio.figures else "-" for proxy in proxies]
        spread = f"{ratio.low:.2f}-{ratio.high:.2f}"
        growth = ratio.row.against == OURS
        versus = "itself" if growth else ratio.best
        lines.append(
            [ratio.row.title, *cells, f"{ratio.value:.2f}", spread, versus, f"{ratio.row.target:.2f}", "yes" if ratio.met else "no"]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


WIDTH, LEFT, RIGHT, LINE, TOP = 860, 300, 200, 30, 74
LEAST, MOST = 0.1, 2.0
MARKS = (0.1, 0.25, 0.5, 1.0, 2.0)


def picture(ratios, caption):
    """An SVG of the ratios on a logarithmic scale: to the left of the line is better."""
    height = TOP + LINE * len(ratios) + 44
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(caption)}">',
        "<style>"
        "svg{--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--good:#1a7f37;--bad:#bc4c00;--paper:#fff}"
        "@media(prefers-color-scheme:dark){svg{--ink:#f0f6fc;--soft:#9198a1;--rule:#3d444d;--good:#3fb950;--bad:#f0883e;--paper:#0d1117}}"
        "text{font:13px system-ui,sans-serif;fill:var(--ink)}.soft{fill:var(--soft);font-size:12px}"
        ".good{fill:var(--good);stroke:var(--good)}.bad{fill:var(--bad);stroke:var(--bad)}.rule{stroke:var(--rule)}"
        "</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="var(--paper)"/>',
        '<text x="16" y="24" font-weight="600">Cost beside the best of the others, in one run</text>',
        f'<text x="16" y="42" class="soft">{escape(caption)}</text>',
    ]
    bottom = TOP + LINE * len(ratios)
    for mark in MARKS:
        x = _place(mark)
        dash = "" if mark == 1 else ' stroke-dasharray="2 4"'
        out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 12}" y2="{bottom}" class="rule"{dash}/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" class="soft">{mark:g}×</text>')
    for index, ratio in enumerate(ratios):
        y = TOP + LINE * index + LINE / 2 - 4
        kind = "good" if ratio.met else "bad"
        target = _place(ratio.row.target)
        out += [
            f'<text x="16" y="{y + 4:.1f}">{escape(ratio.row.title)}</text>',
            f'<line x1="{_place(ratio.low):.1f}" x2="{_place(ratio.high):.1f}" y1="{y:.1f}" y2="{y:.1f}" class="{kind}" stroke-width="3"/>',
            f'<line x1="{target:.1f}" x2="{target:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}" stroke="var(--ink)"/>',
            f'<circle cx="{_place(ratio.value):.1f}" cy="{y:.1f}" r="5" class="{kind}"/>',
            f'<text x="{WIDTH - 16}" y="{y + 4:.1f}" text-anchor="end">{ratio.value:.2f}'
            f'<tspan class="soft"> {escape(_versus(ratio))}</tspan></text>',
        ]
    out.append(
        f'<text x="16" y="{bottom + 36}" class="soft">dot: lower quartiles; bar: middle half of the rounds; tick: target</text>'
    )
    return "\n".join([*out, "</svg>", ""])


def _versus(ratio):
    return "× itself" if ratio.row.against == OURS else f"× {ratio.best}"


def _place(value):
    share = log(min(max(value, LEAST), MOST) / LEAST) / log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)
