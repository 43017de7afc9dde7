"""Floor 10: weights to tokens.

Sampling is one pure function of logits, parameters and a generator. Generation with the key-value cache
equals generation without it token for token, and a prompt generates the same alone as in a batch. A sibling
of `train`: neither imports the other.
"""
