"""How strongly a picture was compressed as JPEG, from its pixels alone. numpy only.

JPEG rounds the cosine coefficients of each 8×8 block to multiples of a step, so their histogram is a comb. The comb
shows only where blocks are cut as the encoder cut them; a crop moves that grid, so it is found first: across a block's
border, brightness steps a little more than beside it. Where a picture was resized after compression, no comb is left,
but the steps still come at equal distances along both axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.pixels.cosines import BLOCK, blocks_of, cosine_matrix

# Steps of quality 50 for luma (JPEG's Annex K), of the coefficients looked at; other encoders' tables are similar.
STEPS = {
    (0, 1): 11, (1, 0): 12, (1, 1): 12, (0, 2): 10, (2, 0): 14, (1, 2): 14, (2, 1): 13, (0, 3): 16, (3, 0): 14,
    (2, 2): 16, (1, 3): 19, (3, 1): 17, (2, 3): 24, (3, 2): 22, (0, 4): 24, (4, 0): 18,
}  # fmt: skip
CANDIDATES = np.arange(2, 61)  # steps
BIN = 0.25  # width of a histogram's bins
LARGEST = 64.0  # coefficients beyond this are left out
CLEAR_COMB = 0.5  # least mean of cos(2π·coefficient / step): 1 for a perfect comb, 0 for none
STRONGEST = 300.0  # per cent, about quality 17; beyond it a drawing's own squares look alike
WIDEST = 0.35  # between the quartiles of the percentages, as a share of their median; in drawings they fall anywhere
NEARLY_BEST = 0.85  # of the best step's score: a comb of step 6 also fits 3 and 2, of which the largest is meant
MANY = 32  # pieces; of more, every second has coefficients enough
FEWEST = 16  # coefficients that a comb is judged by
FEWEST_COMBS = 4
AGREEING = 0.5  # share of the coefficients that must show a comb, of those that are not all 0
CALM, STEP_LIMIT = 12.0, 24.0  # of 255: neighbouring differences and steps beyond these are the picture's own edges
EQUAL = 0.5  # of 255: neighbours that differ by less are equal
LONGEST_PERIOD, SHORTEST_PERIOD = 20, 5  # pixels between steps in a picture resized after compression
SPECTRUM = 8192  # frequencies, more than a profile has pixels in most pictures
LEAST_CALM = 0.35  # share of calm pixels; halftone has fewer
MOST_EQUAL = 0.6  # equal neighbours, as a share of the calm pixels; pixel art and halftone have more
NOISE_FLOOR = 0.01  # of 255


@dataclass(frozen=True)
class Compression:
    """What was found."""

    # the encoder's steps as a percentage of those of quality 50: about 20 for quality 90, 50 for 75, 80 for 60; 0
    # where no comb was found
    quantisation: float
    # how far steps at equal distances stand out in a picture resized after compression, as a multiple of what the
    # rest of the spectrum has: about 1 without any
    blocking: float


@dataclass(frozen=True)
class _Steps:
    """How much more brightness steps between two neighbours than beside them, by place along one axis."""

    profile: NDArray[np.float64]  # of 255, index p for the step between p - 1 and p; 0 where nothing was measured
    weight: NDArray[np.float64]  # how many calm pixels each was measured on
    calm: float  # share of pixels that were calm, 0…1
    equal: float  # share of neighbours that are equal, 0…1

    @property
    def is_trusted(self) -> bool:
        """Whether steps at equal distances can only come from compression, not from a drawing's own pattern."""
        return self.calm >= LEAST_CALM and self.equal <= MOST_EQUAL * self.calm


def measure_compression(luma: NDArray[np.float32], corners: list[tuple[int, int]]) -> Compression:
    """Measure samples of one picture.

    Args:
        luma: (N, H, W), 0…255, pieces of the picture.
        corners: column and row of each piece's first pixel, multiples of 8.

    Returns:
        The measures; nothing found in pieces smaller than three blocks.
    """
    if min(luma.shape[1:]) < 3 * BLOCK:
        return Compression(0.0, 0.0)
    along_rows = _steps(luma, 1, [top for _, top in corners])
    along_columns = _steps(luma, 2, [left for left, _ in corners])
    some = luma if len(luma) <= MANY else luma[::2]
    quantisation = max(
        _quantisation_at(some, top, left)
        for top in _likely_phases(along_rows)
        for left in _likely_phases(along_columns)
    )
    blocking = 0.0
    if along_rows.is_trusted and along_columns.is_trusted:
        blocking = float(np.minimum(_spectrum(along_rows), _spectrum(along_columns)).max())
    return Compression(quantisation, blocking)


def _steps(luma: NDArray[np.float32], axis: int, starts: list[int]) -> _Steps:
    """Collect steps along an axis from all pieces, each at its place in the picture."""
    length = max(starts) + luma.shape[axis]
    profile, weight = np.zeros(length), np.zeros(length)
    equal, pairs = 0, 0
    for start, piece in zip(starts, luma, strict=True):  # one by one, so that all of it stays in the processor's cache
        lines = piece if axis == 1 else piece.T
        difference = np.abs(lines[1:] - lines[:-1])
        before, middle, after = difference[:-2], difference[1:-1], difference[2:]
        calm = (np.maximum(before, after) < CALM) & (middle < STEP_LIMIT)
        excess = (middle - (before + after) * np.float32(0.5)) * calm
        place = slice(start + 2, start + 2 + len(middle))
        profile[place] += excess.sum(axis=1)
        weight[place] += np.count_nonzero(calm, axis=1)
        equal += int(np.count_nonzero(difference < EQUAL))
        pairs += difference.size
    share = float(weight.sum()) / pairs
    return _Steps(profile / np.maximum(weight, 1), weight, share, equal / pairs)


def _likely_phases(steps: _Steps) -> list[int]:
    """Return the two likeliest places of a block's border, 0…7: a picture may have been compressed twice."""
    return [int(phase) for phase in np.argsort(_by_phase(steps))[:-3:-1]]


def _by_phase(steps: _Steps) -> NDArray[np.float64]:
    """Return the mean step at each of a block's eight places."""
    padded = -len(steps.profile) % BLOCK
    totals = np.pad(steps.profile * steps.weight, (0, padded)).reshape(-1, BLOCK).sum(axis=0)
    means: NDArray[np.float64] = totals / np.maximum(
        np.pad(steps.weight, (0, padded)).reshape(-1, BLOCK).sum(axis=0), 1
    )
    return means


_COSINES = cosine_matrix(STEPS)
_VALUES = np.arange(-LARGEST, LARGEST + BIN, BIN)
_COUNTED = (np.abs(_VALUES)[:, None] > CANDIDATES / 2).astype(np.float32)  # what rounds to 0 fits every step
_TEETH = (np.cos(2 * np.pi * _VALUES[:, None] / CANDIDATES) * _COUNTED).astype(np.float32)


def _quantisation_at(luma: NDArray[np.float32], top: int, left: int) -> float:
    """Measure the quantisation of one grid; a drawing of few values shows a comb half a block further as well."""
    found = _quantisation(luma[:, top:, left:])
    half = BLOCK // 2
    if not 0 < found <= STRONGEST or _quantisation(luma[:, (top + half) % BLOCK :, (left + half) % BLOCK :]):
        return 0.0
    return found


def _quantisation(luma: NDArray[np.float32]) -> float:
    """Measure the quantisation of blocks cut from each piece's first pixel on."""
    bins = np.rint((blocks_of(luma) @ _COSINES) / np.float32(BIN)).astype(np.int32) + len(_VALUES) // 2
    np.clip(bins, 0, len(_VALUES) - 1, out=bins)
    bins += np.arange(len(STEPS), dtype=np.int32) * len(_VALUES)
    histograms = np.bincount(bins.ravel(), minlength=len(STEPS) * len(_VALUES)).reshape(len(STEPS), -1)
    histograms = histograms.astype(np.float32)
    histograms[:, [0, -1]] = 0  # what lies beyond
    counts = histograms @ _COUNTED
    combs = histograms @ _TEETH / np.maximum(counts, 1)
    combs[counts < FEWEST] = 0
    best = combs.max(axis=1, keepdims=True)
    largest = np.where((combs > CLEAR_COMB) & (combs >= NEARLY_BEST * best), CANDIDATES, 0).max(axis=1)
    shares = [100 * step / usual for step, usual in zip(largest, STEPS.values(), strict=True) if step]
    if len(shares) < max(FEWEST_COMBS, AGREEING * np.count_nonzero(counts[:, 0] >= FEWEST)):
        return 0.0
    low, middle, high = (float(share) for share in np.quantile(shares, (0.25, 0.5, 0.75)))
    return middle if high - low <= WIDEST * middle else 0.0


def _spectrum(steps: _Steps) -> NDArray[np.float64]:
    """Return how far each period's first two frequencies stand out of the whole spectrum, blocks of 8 left out."""
    heaviest = max(steps.weight.max(), 1)
    profile = np.clip(steps.profile - _by_phase(steps)[np.arange(len(steps.profile)) % BLOCK], -3, 3)
    profile *= steps.weight / heaviest
    length = max(SPECTRUM, len(profile))
    amplitude = np.abs(np.fft.rfft(profile, length)) * 2 / max(steps.weight.sum() / heaviest, 1)
    amplitude = np.maximum(np.maximum(amplitude, np.roll(amplitude, 1)), np.roll(amplitude, -1))
    floor = float(np.median(amplitude[length // LONGEST_PERIOD :])) + NOISE_FLOOR
    first = np.arange(length // LONGEST_PERIOD, length // SHORTEST_PERIOD)
    found: NDArray[np.float64] = np.minimum(amplitude[first], amplitude[2 * first]) / floor
    return found
