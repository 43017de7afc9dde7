"""Floor 15: HTTP.

An OpenAI-compatible API, a chat page and the visual lab stand here, on the engine of `infer`. Empty until the
issue that builds it; the floor is here so that the order of floors is whole.
"""
