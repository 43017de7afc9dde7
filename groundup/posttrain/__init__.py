"""Floor 13: from a base model to an assistant.

Supervised fine-tuning with loss on the assistant's tokens only, and reinforcement learning on rewards that
can be verified. Each method is an objective and a source of batches for the one `fit()` of the floor `train`.
"""
