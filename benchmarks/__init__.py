"""Claims and how to measure them again, one file a family of claims: `python -m benchmarks.NAME`."""
