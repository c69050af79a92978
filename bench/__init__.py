"""The figures of docs/benchmarks.md, each beside what it is compared with: `python -m bench`."""
