"""Times models: an entry beside a reference model, on one core, by the parent's clock (docs/timing.md).

`measure.timed` does all of it for one entry; `protocol` has the numbers that a rule is made of. Times are of calls to a
sandboxed worker, so nothing that an entry does to clocks of its own matters, and every answer that was timed is scored
as a graded one is.
"""
