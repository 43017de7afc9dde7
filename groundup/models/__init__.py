"""Floor 6: whole models, each file readable alone.

`transformer.py` is one decoder-only model whose few closed choices make it GPT-2, Llama or Qwen3 shaped. A
model maps ids to logits: it never computes a loss, samples, builds an optimizer or reads the environment.
"""
