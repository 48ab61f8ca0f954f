"""Runs untrusted submissions in worker processes, apart from the trusted parent.

`outside` is the parent's side: it starts, asks, limits and kills workers. `inside` is the worker's side: it confines
itself, opens a model and answers questions. `wire` is the protocol between the two.
"""
