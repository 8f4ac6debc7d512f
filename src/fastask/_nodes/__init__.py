"""Nodes: other programs, here or elsewhere, whose processes can be reached."""
