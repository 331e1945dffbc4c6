"""Durations as people read them."""


def duration(seconds: float) -> str:
    """`12 s`, `7 min`, `3.5 h`: the unit that keeps the number short; less than 1 s is 1 s."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
