"""What a transformer costs, from its config alone: parameters, floating-point operations, cache bytes.

Letters: C channels, T tokens in the context, V vocabulary, F feed-forward width, D head width.
Source:  counted as in Kaplan et al. 2020, arXiv 2001.08361, table 1, plus the attention square: one
         multiply-add is 2 operations, a backward pass is 2 forward passes, and norms, activations and softmax
         (a few per cent in small models) are left out. A causal mask saves nothing here: torch's own
         counter, the oracle of the tests, counts the whole square too.
Next:    catalog.py.
"""

from __future__ import annotations

from groundup.models.transformer import TransformerConfig

BACKWARD_PER_FORWARD = 2  # dL/dx and dL/dw cost one matrix product each


def parameters(config: TransformerConfig) -> int:
    """How many numbers the model learns; a tied matrix counts once.

    >>> from groundup.models.transformer import gpt2
    >>> parameters(gpt2(vocab_size=50257, context_len=1024, n_layer=12, n_head=12, n_embd=768))
    124439808
    """
    c = config
    norm = c.n_embd * (2 if c.norm == "layer" and c.bias else 1)
    qkv_bias = c.bias if c.qkv_bias is None else c.qkv_bias
    biases = 0
    if qkv_bias:
        biases += (c.n_head + 2 * c.kv_heads) * c.head_width
    if c.bias:
        biases += c.n_embd + _up_width(c) + c.n_embd  # attention.out, up, mlp.down
    qk_norm = 2 * c.head_width if c.qk_norm else 0
    scales = 2 * c.n_embd if c.layer_scale is not None else 0
    positions = c.context_len * c.n_embd if c.position == "learned" else 0
    head = 0 if c.tie else c.vocab_size * c.n_embd
    embedding = c.vocab_size * c.n_embd + positions
    return embedding + c.n_layer * (_block_matrices(c) + biases + qk_norm + scales + 2 * norm) + norm + head


def forward_flops_per_token(config: TransformerConfig, T: int) -> int:
    """Operations of a forward pass over T tokens, per token: 2 per matrix element, and the attention square.

    >>> from groundup.models.transformer import gpt2
    >>> 1024 * forward_flops_per_token(  # the course's transformer_sizing notebook: 2.9165e11
    ...     gpt2(vocab_size=50257, context_len=1024, n_layer=12, n_head=12, n_embd=768), 1024)
    291648307200
    """
    c = config
    square = 2 * (2 * T * c.n_head * c.head_width)  # q k^T, then weights times v: 2 T D a head
    return c.n_layer * (2 * _block_matrices(c) + square) + 2 * c.vocab_size * c.n_embd


def flops_per_token(config: TransformerConfig, T: int) -> int:
    """Operations of one training step, forward and backward, per token of a context of T tokens."""
    return (1 + BACKWARD_PER_FORWARD) * forward_flops_per_token(config, T)


def kv_bytes(config: TransformerConfig, tokens: int, bytes_per_value: int = 4) -> int:
    """Bytes that the key-value cache needs for so many tokens, all rows together.

    >>> from groundup.models.transformer import qwen3
    >>> kv_bytes(qwen3(vocab_size=512, context_len=128, n_layer=5, n_head=4, n_embd=128), tokens=128)
    655360
    """
    return tokens * config.n_layer * 2 * config.kv_heads * config.head_width * bytes_per_value


def _block_matrices(c: TransformerConfig) -> int:
    """Elements of the matrices of one block: q, k, v, out, and the feed-forward part."""
    attention = c.n_embd * c.head_width * (2 * c.n_head + 2 * c.kv_heads)
    return attention + c.n_embd * _up_width(c) + c.mlp_hidden * c.n_embd


def _up_width(c: TransformerConfig) -> int:
    return c.mlp_hidden * (2 if c.mlp == "swiglu" else 1)
