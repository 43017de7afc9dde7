"""Floor 2: a scalar that knows its gradient, then an array that does.

Backpropagation is derived and written here from nothing but the standard library and NumPy; PyTorch appears
only in the tests, as the oracle. Everything above uses torch's autograd, which is this idea, made fast.

Scalars first (value.py, nn.py), then a recorded graph of them that Numba compiles (program.py, replay.py),
then whole arrays (array.py). Importing any of it imports neither torch nor Numba.
"""
