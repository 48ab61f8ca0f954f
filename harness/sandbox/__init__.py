"""The border between the trusted parent and the untrusted worker.

`outside` is the parent's side: it starts, asks, limits and kills workers. `inside` is the worker's side: it puts up
fences around itself, opens a model and answers. `wire` is the protocol that both speak.
"""
