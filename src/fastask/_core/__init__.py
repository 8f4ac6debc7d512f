"""The compiled core; its sources are in src/_core."""
