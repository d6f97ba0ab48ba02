"""Lines of figures differ in color and style, without red against green."""

import colorsys

from sklearn_diffake.utils._colors import LINE_COLORS, LINE_STYLES, line_style, rgb


def test_many_lines_differ():
    styles = [tuple(line_style(place).values()) for place in range(20)]
    assert len(set(styles)) == 20


def test_neighbors_differ_in_color_and_style():
    for place in range(20):
        before, after = line_style(place), line_style(place + 1)
        assert before["color"] != after["color"]
        assert before["linestyle"] != after["linestyle"]


def test_no_line_is_green():
    for color in LINE_COLORS:
        hue, _, saturation = colorsys.rgb_to_hls(*(value / 255 for value in rgb(color)))
        assert saturation < 0.1 or not 80 < 360 * hue < 170, color
    assert len(LINE_STYLES) == len(set(LINE_STYLES))
