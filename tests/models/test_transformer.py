"""The transformer: against one written out in plain steps, and by what it promises about time and packing."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.models.transformer import Transformer, TransformerConfig, gpt2, llama, qwen3
from groundup.nn.cache import KVCache

SIZE = {"vocab_size": 17, "context_len": 12, "n_layer": 2, "n_head": 4, "n_embd": 16}
SHAPES = {
    "default": TransformerConfig(**SIZE),
    "gpt2": gpt2(**SIZE),
    "llama": llama(**SIZE, n_kv_head=2, qkv_bias=True),
    "qwen3": qwen3(**SIZE, n_kv_head=1, head_dim=6, tie=True),
    "plain": TransformerConfig(**SIZE, position="none", mlp="relu2", norm="layer", qk_norm=False),
    "layer_scale": llama(**SIZE, layer_scale=0.1),
}
every_shape = pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())


def lively(config: TransformerConfig) -> Transformer:
    """A model none of whose parameters is at a value (0 or 1) that would hide a mistake."""
    model = Transformer(config)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def plain_logits(model: Transformer, tokens: list[int]) -> torch.Tensor:
    """The same function, one text at a time in float64, from the weights alone: no shared code."""
    c, weights = model.config, {name: p.detach().double() for name, p in model.named_parameters()}

    def norm(name, x):
        if c.norm == "rms":
            return x / (x.pow(2).mean(-1, keepdim=True) + c.norm_eps).sqrt() * weights[f"{name}.weight"]
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / (centred.pow(2).mean(-1, keepdim=True) + c.norm_eps).sqrt()
        return unit * weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0)

    def linear(name, x):
        return torch.einsum("tc,dc->td", x, weights[f"{name}.weight"]) + weights.get(f"{name}.bias", 0)

    def turned(x):
        T, D = x.shape
        out = x.clone()
        for t in range(T):
            for i in range(D // 2):
                angle = t * c.rope_theta ** (-2 * i / D)
                a, b = x[t, i], x[t, i + D // 2]
                out[t, i] = a * math.cos(angle) - b * math.sin(angle)
                out[t, i + D // 2] = b * math.cos(angle) + a * math.sin(angle)
        return out

    def head_of(name, x, position):
        if c.qk_norm and name:
            unit = x / (x.pow(2).mean(-1, keepdim=True) + c.norm_eps).sqrt()
            x = unit * weights[f"{name}.weight"]
        return turned(x) if position == "rotary" and name else x

    T, H, G, D = len(tokens), c.n_head, c.kv_heads, c.head_width
    x = weights["embedding.weight"][tokens]
    if c.position == "learned":
        x = x + weights["positions.weight"][:T]
    for layer in range(c.n_layer):
        at = f"blocks.{layer}"
        parts = linear(f"{at}.attention.qkv", norm(f"{at}.attention_norm", x)).view(T, H + 2 * G, D)
        mixed = []
        for h in range(H):
            g = h // (H // G)
            q = head_of(f"{at}.attention.q_norm", parts[:, h], c.position)
            k = head_of(f"{at}.attention.k_norm", parts[:, H + g], c.position)
            scores = q @ k.T / math.sqrt(D) + torch.full((T, T), -torch.inf).triu(1)
            mixed.append(scores.softmax(-1) @ parts[:, H + G + g])
        x = x + linear(f"{at}.attention.out", torch.cat(mixed, -1)) * weights.get(f"{at}.attention_scale", 1)
        h = norm(f"{at}.mlp_norm", x)
        if c.mlp == "swiglu":
            gate, up = linear(f"{at}.mlp.gate_up", h).split(c.mlp_hidden, -1)
            h = gate * torch.sigmoid(gate) * up
        elif c.mlp in ("gelu", "gelu_erf"):
            form = "tanh" if c.mlp == "gelu" else "none"
            h = F.gelu(linear(f"{at}.mlp.up", h), approximate=form)
        else:
            h = linear(f"{at}.mlp.up", h).clamp(min=0) ** 2
        x = x + linear(f"{at}.mlp.down", h) * weights.get(f"{at}.mlp_scale", 1)
    scorer = "embedding" if c.tie else "unembedding"
    return norm("norm", x) @ weights[f"{scorer}.weight"].T


@every_shape
def test_equals_the_plain_model(config):
    model, tokens = lively(config), torch.randint(17, (2, 9))
    expected = torch.stack([plain_logits(model, row) for row in tokens.tolist()]).float()
    assert_close(model(tokens), expected, rtol=1e-4, atol=1e-4)


@every_shape
def test_gradients_reach_every_parameter_and_agree_with_finite_differences(config):
    model, tokens = lively(config).double(), torch.randint(17, (2, 6))
    loss = lambda: F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())  # noqa: E731
    loss().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        step = 1e-5 * torch.randn_like(parameter)
        with torch.no_grad():
            parameter += step
            above = loss().item()
            parameter -= 2 * step
            below = loss().item()
            parameter += step
        slope = float((parameter.grad * step).sum())
        assert above - below == pytest.approx(2 * slope, rel=1e-3, abs=1e-10), name


@every_shape
def test_the_future_cannot_change_the_past(config):
    model, tokens = lively(config), torch.randint(17, (1, 10))
    before = model(tokens)
    tokens[:, 6:] = (tokens[:, 6:] + 1) % 17
    after = model(tokens)
    assert_close(after[:, :6], before[:, :6])
    assert not torch.allclose(after[:, 6:], before[:, 6:])


@every_shape
@settings(max_examples=12)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_packed_equals_alone(config, lengths):
    torch.manual_seed(1)
    model = lively(config)
    lengths = [n for i, n in enumerate(lengths) if sum(lengths[: i + 1]) <= 12]
    texts = [torch.randint(17, (n,)) for n in lengths]
    segments = torch.cat([torch.full((n,), 7 - i) for i, n in enumerate(lengths)])[None]
    packed = model(torch.cat(texts)[None], segments_BT=segments)[0]
    for text, found in zip(texts, packed.split(lengths), strict=True):
        assert_close(found, model(text[None])[0], rtol=1e-4, atol=1e-4)


@every_shape
def test_another_segment_changes_nothing_and_its_own_does(config):
    model, tokens = lively(config), torch.randint(17, (1, 9))
    segments = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1]])
    before = model(tokens, segments_BT=segments)
    tokens[0, 1] = (tokens[0, 1] + 1) % 17
    after = model(tokens, segments_BT=segments)
    assert_close(after[:, 4:], before[:, 4:])
    assert not torch.allclose(after[:, 1:4], before[:, 1:4])
    assert not torch.allclose(model(tokens)[:, 4:], before[:, 4:], atol=1e-3)  # unpacked, it does see them


def cache_for(c: TransformerConfig, batch: int, capacity: int = 12) -> KVCache:
    return KVCache(
        n_layer=c.n_layer, batch=batch, n_kv_head=c.kv_heads, head_dim=c.head_width, capacity=capacity
    )


@every_shape
@pytest.mark.parametrize("pieces", [(9,), (4, 1, 1, 3), (1, 8)])
def test_cached_equals_uncached(config, pieces):
    model, tokens = lively(config).eval(), torch.randint(17, (2, 9))
    cache, found = cache_for(config, 2), []
    with torch.no_grad():
        for piece in tokens.split(pieces, 1):
            found.append(model(piece, cache))
            cache.advance(piece.size(1))
        assert_close(torch.cat(found, 1), model(tokens), rtol=1e-4, atol=1e-4)


@every_shape
def test_padded_prompts_in_a_cache_equal_each_text_alone(config):
    model = lively(config).eval()
    texts = [torch.randint(17, (n,)) for n in (7, 3, 5)]
    first = [4, 1, 2]  # tokens of each text in the padded prefill; then two ragged pieces; then one at a time
    pieces = [[t[:n] for t, n in zip(texts, first, strict=True)]]
    pieces += [[t[n : n + k] for t, n, k in zip(texts, first, (2, 1, 0), strict=True)]]
    pieces += [[t[n + k : n + k + 1] for t, n, k in zip(texts, first, (2, 1, 0), strict=True)]]
    cache, found = cache_for(config, 3), [[], [], []]
    with torch.no_grad():
        for piece in pieces:
            T = max(len(p) for p in piece)
            padded = torch.stack([F.pad(p, (0, T - len(p)), value=9) for p in piece])
            logits = model(padded, cache)
            cache.advance(T, [len(p) for p in piece])
            for row, p in enumerate(piece):
                found[row].append(logits[row, : len(p)])
        for text, got in zip(texts, map(torch.cat, found), strict=True):
            assert_close(got, model(text[None])[0, : len(got)], rtol=1e-4, atol=1e-4)
    assert cache.has_holes  # or the test would prove nothing


def test_asked_places_are_those_of_the_whole():
    """Values and gradients; and what is not asked for never reaches the last feed-forward."""
    torch.manual_seed(3)
    model = Transformer(qwen3(vocab_size=11, context_len=16, n_layer=2, n_head=2, n_embd=8)).double()
    tokens_BT, asked_BT = torch.randint(0, 11, (3, 9)), torch.rand(3, 9) < 0.4
    segments_BT = torch.tensor([[0] * 5 + [1] * 4] * 3)
    rows = []
    model.blocks[-1].mlp.register_forward_hook(lambda module, given, out: rows.append(out.shape))
    for segments in (None, segments_BT):
        some_NC = model.hidden(tokens_BT, segments_BT=segments, asked_BT=asked_BT)
        whole_NC = model.hidden(tokens_BT, segments_BT=segments)[asked_BT]
        assert_close(some_NC, whole_NC)
        for ours, theirs in zip(
            torch.autograd.grad(some_NC.square().sum(), model.blocks.parameters()),
            torch.autograd.grad(whole_NC.square().sum(), model.blocks.parameters()),
            strict=True,
        ):
            assert_close(ours, theirs)
    assert rows[0] == (int(asked_BT.sum()), 8) and rows[1] == (3, 9, 8)


def test_too_many_tokens_are_refused():
    model = Transformer(SHAPES["default"])
    with pytest.raises(ValueError, match="13 tokens do not fit context_len=12"):
        model(torch.zeros(1, 13, dtype=torch.long))
    cache = cache_for(model.config, 1, capacity=30)
    cache.advance(10)
    with pytest.raises(ValueError, match="13 tokens do not fit context_len=12"):
        model(torch.zeros(1, 3, dtype=torch.long), cache)
    with pytest.raises(ValueError, match="cannot be combined"):
        model(torch.zeros(1, 1, dtype=torch.long), cache, torch.zeros(1, 1, dtype=torch.long))


def test_fresh_models_start_at_the_loss_of_guessing():
    for config in (qwen3(**SIZE), qwen3(**SIZE, zero_init_out=True), gpt2(**SIZE)):
        model, tokens = Transformer(config), torch.randint(17, (8, 12))
        loss = F.cross_entropy(model(tokens).flatten(0, 1), torch.randint(17, (96,)))
        assert loss.item() == pytest.approx(math.log(17), abs=0.15)


def test_zero_init_out_makes_every_block_the_identity():
    tokens = torch.randint(17, (1, 5))
    for zero in (True, False):
        model = Transformer(qwen3(**SIZE, zero_init_out=zero))
        assert torch.allclose(model.hidden(tokens), model.norm(model.embedding(tokens))) == zero


def test_a_batch_can_be_overfitted():
    model, tokens = Transformer(qwen3(**SIZE)), torch.randint(17, (4, 12))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # only the first token of each row is a guess among four


def test_dropout_acts_in_training_only():
    model, tokens = Transformer(qwen3(**SIZE, dropout=0.3)), torch.randint(17, (1, 5))
    assert not torch.allclose(model(tokens), model(tokens))
    model.eval()
    assert_close(model(tokens), model(tokens))


def test_fused_rows_name_what_lies_above_each_other():
    model = Transformer(SHAPES["llama"])
    fused, parameters = model.fused_rows(), dict(model.named_parameters())
    assert fused["blocks.1.attention.qkv.weight"] == (16, 8, 8) == fused["blocks.1.attention.qkv.bias"]
    assert fused["blocks.0.mlp.gate_up.weight"] == (64, 64)
    assert all(sum(rows) == parameters[name].size(0) for name, rows in fused.items())


def test_tables_are_no_weights():
    assert not [
        name for name in Transformer(SHAPES["default"]).state_dict() if "cos" in name or "sin" in name
    ]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"n_head": 5}, r"n_embd=16 is not divisible by n_head=5\. Choose n_head from \[1, 2, 4, 8, 16\]"),
        ({"n_kv_head": 3}, r"n_head=4 is not divisible by n_kv_head=3.*\[1, 2, 4\]"),
        ({"head_dim": 3}, "head_dim=3 is odd"),
        ({"dropout": 1.0}, "dropout=1.0 is not a probability"),
        ({"layer_scale": 0.0}, "layer_scale=0.0 would add nothing"),
        ({"n_layer": 0}, "n_layer=0 is not allowed. Choose 1 or more"),
        ({"n_head": 0}, "n_head=0 is not allowed"),
        ({"mlp_width": 0}, "mlp_hidden=0 is not allowed"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        TransformerConfig(**{**SIZE, **wrong})


def test_layer_scale_begins_near_the_identity():
    """A block adds `layer_scale` times what it would add: with 1e-6 next to nothing, with 1 all of it."""
    tokens = torch.randint(17, (2, 9))
    models = {}
    for scale in (None, 1.0, 1e-6):
        torch.manual_seed(0)
        models[scale] = Transformer(llama(**SIZE, layer_scale=scale))
    assert torch.equal(models[None](tokens), models[1.0](tokens))
    quiet = models[1e-6]
    assert_close(quiet.hidden(tokens), quiet.norm(quiet.embedding(tokens)), atol=1e-4, rtol=0)
    assert not torch.allclose(models[1.0].hidden(tokens), quiet.hidden(tokens), atol=0.1)
