"""Opens a student's Python inside the worker.

Imports the student's modules, replaces absent packages by stand-ins, keeps everything on the CPU, and discards writes.
"""
