"""Opens a student's Python inside the worker: imports, stand-ins for absent packages, CPU only, discarded writes."""
