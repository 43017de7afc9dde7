"""Floor 5: the parts of a model, one idea a file, torch only.

Attention written out beside the fused call that it must equal, positions, norms, feed-forward blocks, the
key-value cache. Every tensor's name ends in its shape letters, and each file begins with their legend.
"""
