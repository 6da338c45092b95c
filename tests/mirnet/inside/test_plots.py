"""Look inside: maps and figures show the records, and words name their source."""

import re

import numpy as np
import pytest

from mirnet.inside import plots
from mirnet.inside.trace import Feature, mean_energy, trace
from tests.support.small_networks import photo, small_v1, small_v2


def a_map(values, name="energy", box=None):
    box = box or (slice(0, values.shape[0]), slice(0, values.shape[1]))
    return Feature(name, 1, 1, 1, values.astype(np.float32), box)


def test_a_map_is_drawn_square_by_square():
    values = np.arange(12.0).reshape(3, 4)
    drawn = plots.map_picture(a_map(values, box=(slice(1, 3), slice(0, 4))))
    times = plots.MAP_PX // 4
    assert drawn.pixels.shape == (2 * times, 4 * times, 3)
    assert drawn.pixels.dtype == np.uint8
    blocks = drawn.pixels.reshape(2, times, 4, times, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    luma = blocks[:, 0, :, 0].astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(luma.ravel()) > 0).all()  # larger is brighter
    assert 4 <= drawn.low < 4.1 and 10.9 < drawn.high <= 11  # the first row is padding
    assert drawn.pixels[0, 0].tolist() == [68, 1, 84]  # viridis begins in violet: RGB, not BGR


def test_a_flat_map_and_a_single_value_are_drawn():
    flat = plots.map_picture(a_map(np.full((2, 2), 0.3)))
    assert (flat.pixels == flat.pixels[0, 0]).all()
    assert plots.map_picture(a_map(np.ones((1, 1)))).pixels.shape == (640, 640, 3)


def test_context_is_drawn_in_even_shares():
    values = np.full((2, 4), 1 / 8)
    drawn = plots.map_picture(a_map(values, "context attention", (slice(0, 1), slice(0, 2))))
    assert drawn.low == drawn.high == pytest.approx(1)


@pytest.fixture(scope="module")
def looks():
    return [trace(photo(), weights=net) for net in (small_v1(), small_v2(2))]


def figures(found):
    for feature in found.features:
        if feature.name == "fusion":
            yield plots.fusion_bars(feature)
        elif feature.name in ("channel attention", "context channels"):
            yield plots.channel_bars(feature)
    yield plots.energies(mean_energy(found), 1, 2)
    yield plots.exposure_curve(np.zeros((8, 3)), None)
    yield plots.colour_matrix(np.eye(3))


def test_figures_say_what_they_show(looks):
    for found in looks:
        for figure in figures(found):
            assert figure.layout.title.text
            assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
            assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"  # light and dark alike


def test_bars_hold_the_weights(looks):
    v1, v2 = looks
    for feature in (v1.find("channel attention", 1, 2, 1), v2.find("context channels", 2, 1, 2)):
        bars = plots.channel_bars(feature).data[0]
        assert list(bars.y) == sorted(feature.values, reverse=True)
        assert np.array_equal(feature.values[np.asarray(bars.customdata)], bars.y)
    for feature, names in (
        (v1.find("fusion", 1, 1, 1), ["Half", "Full", "Quarter"]),
        (v1.find("fusion", 2, 0, 2), ["Full", "Half", "Quarter"]),
        (v2.find("fusion", 1, 0, 1), ["Full", "Half"]),
        (v2.find("fusion", 4, 1, 2), ["Half", "Quarter"]),
    ):
        bars = plots.fusion_bars(feature).data
        assert [bar.name.split()[0] for bar in bars] == names  # its own share lies at the bottom
        assert [bar.marker.color for bar in bars] == [
            plots.COLOURS[plots.STREAMS.index(name)] for name in names
        ]
        np.testing.assert_allclose(sum(np.asarray(bar.y) for bar in bars), 1, rtol=1e-5)
        own = feature.values[feature.sources.index(feature.stream)]
        assert list(bars[0].y) == sorted(own, reverse=True)
        assert bars[0].name.endswith(f"{100 * own.mean():.0f} %")


def test_the_energy_figure_holds_the_table(looks):
    table = mean_energy(looks[0])
    lines = plots.energies(table, 2, 1).data
    assert [line.name for line in lines] == list(plots.STREAMS)
    assert len({line.marker.symbol for line in lines}) == 3  # colour is not the only difference
    for line, rows in zip(lines, table, strict=True):
        assert list(line.y) == [*rows[0], *rows[1]]
        assert np.argmax(line.marker.size) == 2  # block 2, turn 1
        assert [list(way) for way in line.x] == [
            ["Block 1", "Block 1", "Block 2", "Block 2"],
            ["1st", "2nd", "1st", "2nd"],
        ]


def test_words_name_their_source():
    for words in plots.WORDS.values():
        assert words.title and words.unit
        assert re.search(r"MIRNet(-v2)?, section \d", words.sentence) or "MIRNet" in words.sentence
        assert words.sentence.endswith(".") and "“" in words.sentence  # the paper's term
