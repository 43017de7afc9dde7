"""Floor 9: batches to better weights.

One `fit()` for every kind of training: accumulate, clip, refuse a non-finite step, step, log, evaluate, save,
resume. What differs between trainings is the data, the objective and which weights move, and all three are
arguments.
"""
