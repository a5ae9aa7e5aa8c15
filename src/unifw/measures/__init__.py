"""How good the outputs are: losses and metrics in NumPy, the same numbers for every backend."""
