"""Rendered faces, genuine and manipulated: a dataset that is computed instead of read."""
