"""The starter code of Tsinghua University, Deep Learning, homework 3: folders `ebm flow vae gan`."""
