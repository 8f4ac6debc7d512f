"""`python -m fastask demo`: real work on a file tree, and the articles' programs."""
