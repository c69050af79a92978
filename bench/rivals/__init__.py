"""Programs that do the worker's job without its guarantees, each as its authors would write it; see `bench.beside`."""
