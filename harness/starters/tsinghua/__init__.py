"""Starter code of Tsinghua University, Deep Learning, homework 3: the folders `ebm`, `flow`, `vae` and `gan`."""
