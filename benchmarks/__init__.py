"""Measurements of this project, as scripts; each docstring says how to run one.

`speed`: time and memory, as ratios. `quality`: detection. `stress`: kills, hostile files, growth.
`release`: the wheel, coverage, mutants, promises, architecture. `training`: what the package ships.
All write JSON to `results`, of which the documentation makes its tables.
"""
