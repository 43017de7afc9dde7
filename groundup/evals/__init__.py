"""Floor 12: how good is it, with error bars.

A task gives prompts and scores replies in [0, 1]; every score is reported with its n and a 95 % interval;
bits per byte compare models across tokenizers.
"""
