"""groundup: from a scalar that knows its gradient to a chat model that you can serve.

Read it from the ground up: base, autograd, tokenizer, data, nn, models, weights, parallel, train, infer,
agent, evals, posttrain, recipes, serve, cli. A file imports its own folder or one below it, never one above.
Importing this package imports nothing else.
"""

__version__ = "0.1.0"
