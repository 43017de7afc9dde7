"""Floor 3: text to ids and back.

Characters first, then byte-pair encoding from scratch with the split patterns and special tokens of the GPT family,
the one chat template, and streaming decode that never emits half a character. Works without torch. What a user types
can never become a control token: `encode` yields no special id, `special(name)` is the only way to one.
"""
