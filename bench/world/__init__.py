"""A world of processes that do everything at random, and the laws that must hold in it.

`book` writes down what was done, `laws` look whether the sums are right; `actor` is a
process that acts, `actions/` is what it can do, `services` is what it finds in its
world, and `round` lets a world live and end.
"""
