"""The numbers of the timing protocol; docs/timing.md explains each of them to students."""

from __future__ import annotations

VERSION = 1
"""Version of the protocol; a change of what is timed or when it counts bumps it."""

ROUNDS = 6
"""Rounds of three fresh processes: the entry's and two of the reference's, in each of their six orders once."""
SECONDS = 30.0
"""Time of an entry, starts of processes included, as far as the first calls let it be foreseen."""
LONGEST_START = 20.0
"""Seconds until a model is open and has answered once, beyond which it is not timed."""
LEAST_CALLS, MOST_CALLS = 3, 15
"""Timed calls of a process with the task's batch; fewer rows are asked at a time where there is no time for so many."""
LEAST_SINGLES, MOST_SINGLES = 3, 10
"""Timed calls of a process with a single row."""
SINGLES_SHARE = 0.2
"""Share of an entry's time for these."""
WARM_CALLS = 2
"""Calls before the first that is timed, with a single row and with the task's batch, so that what a model prepares once
is prepared, and caches and frequencies settle."""

LEVEL = 0.005
"""Level of the test that tells an entry from the reference: small, since a board has many entries."""
BOARD_LEVEL = 0.05
"""Chance that any two of a board's entries are told apart although all are equal."""
RESAMPLES = 4000

SCORED_ROWS = 6000
"""Rows of timed answers that are scored; which calls these are, is drawn from the secret seed."""
WIRE_CALLS = 15
WIRE_SHARE = 0.5
"""Largest share of a call's time that its cost of transport may be."""
IDLE_SHARE = 0.03
"""Largest processor time between calls, as a share of that within them."""
IDLE_SECONDS = 0.02
"""Processor time between all calls of a process that is never held against it."""
PAUSE = 0.005
"""Mean seconds between two calls, drawn anew each time."""

ASKED_AGAIN = 20
"""Timed questions that are asked again, untimed, in a fresh worker."""
AGAIN_SECONDS = 20.0
"""Time for these, as the timed calls let it be foreseen; two are asked at least."""
RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""Largest difference of a value from the same one of another process."""
AGREEING = 0.9
"""Share of rows that have to agree so: long iterations make a last bit large in some."""
OWN_NOISE, MOST = 2.0, 0.75
"""A timed answer is far from one that is given as in grading where it lies farther than this many times the distance
within which this share of the rows lie that are given so twice."""
WORSE_LEVEL = 1e-4
"""Level of the test that timed answers are worse than graded ones; honest entries are hardly ever accused."""

PEAK_MARGIN = 1.25
"""Factor by which a machine may be faster than its measured peak at another moment, as its frequency changes."""
