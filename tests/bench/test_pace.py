"""What bench/pace.py measures, in small: a pace that knows of days ends them more even than one that does not."""

from pathlib import Path

import numpy as np

import pace
from seasons.bank import bank
from seasons.world import DAYS


def test_days_end_more_even_where_the_pace_knows_of_them(tmp_path: Path) -> None:
    prompts = bank(tmp_path, each=60)
    loose, even = (pace.lived(prompts, pace.Way("", 20, daily=daily, limited=daily), 0) for daily in (False, True))
    assert len(loose[0]) == len(even[0]) == DAYS - pace.FIRST
    assert np.std(even[0]) < 0.7 * np.std(loose[0])
    text, day, month = pace.line(pace.Way("shipped"), [even])
    assert text.startswith("| shipped | ")
    assert 0 < month < day
