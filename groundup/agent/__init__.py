"""Floor 11: tokens to actions.

A conversation turn in which the model may ask for a tool, the engine really calls it, and the model reads the
result. A tool's failure is a result that the model sees, not an exception.
"""
