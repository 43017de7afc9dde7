"""Floor 7: weights at rest.

A checkpoint is one directory: a manifest with checksums, safetensors, the tokenizer, the training state;
written aside, fsynced and renamed, so that it is whole or absent. No pickle, no `strict=False`, no guessing.
"""
