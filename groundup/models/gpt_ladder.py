"""The rungs from one head of attention to a small GPT, as the lecture climbs them: one model with switches.

    one head         listen                                          7,553 weights
    several heads    listen to H questions at once                   7,553
    think            and a layer for each place alone                8,609
    deeper           three such blocks: worse, nothing gets through  16,865
    residual         blocks add instead of replace; wider thinking   41,921
    norm             LayerNorm before each half                      42,369
    the same, larger (4 layers, 4 heads, 64 channels, context 32)    209,729

Each rung differs from the one before in one thing, so that its worth can be measured. What comes after the
last is transformer.py; what comes before the first is bigram.py.

Letters: B batch, T time, C channels, H heads, V vocabulary.
Source:  Karpathy 2023, "Let's build GPT", and its ng-video-lecture/gpt.py. Its losses: reference/08.toml.
Next:    transformer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError
from groundup.nn.attention import attend

RUNGS: dict[str, dict[str, Any]] = {
    "head": {},
    "heads": {"n_head": 4},
    "think": {"n_head": 4, "think": True},
    "bare": {"n_head": 4, "think": True, "n_layer": 3},
    "residual": {"n_head": 4, "think": True, "n_layer": 3, "residual": True},
    "norm": {"n_head": 4, "think": True, "n_layer": 3, "residual": True, "norm": True},
    "small": {
        "n_head": 4, "think": True, "n_layer": 4, "residual": True, "norm": True, "n_embd": 64,
        "context_len": 32,
    },
}  # fmt: skip


@dataclass(frozen=True)
class GPTLadderConfig:
    """A rung. `rung("norm", vocab_size=65)` gives the lecture's settings by name."""

    vocab_size: int
    context_len: int = 8
    n_layer: int = 1
    n_head: int = 1
    n_embd: int = 32
    think: bool = False
    residual: bool = False
    norm: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context_len", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 1 or more.")
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}. Choose a divisor."
            )
        if self.norm and not self.residual:
            raise ConfigError("norm=True normalises what a residual block reads. Set residual=True as well.")


def rung(name: str, vocab_size: int) -> GPTLadderConfig:
    """The lecture's settings of that rung, one of RUNGS.

    >>> rung("small", 65).context_len
    32
    """
    if name not in RUNGS:
        raise ConfigError(f"rung {name!r} is unknown. Choose one of {', '.join(RUNGS)}.")
    return GPTLadderConfig(vocab_size, **RUNGS[name])


class Block(nn.Module):
    """Listen, then think; replacing its input, or adding to it."""

    def __init__(self, config: GPTLadderConfig):
        super().__init__()
        C, self.config = config.n_embd, config
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.out = nn.Linear(C, C) if config.residual else nn.Identity()
        if config.residual:  # four times as wide, and a second layer back onto the residual stream
            layers: list[nn.Module] = [nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C)]
        else:
            layers = [nn.Linear(C, C), nn.ReLU()]
        self.think = nn.Sequential(*(layers if config.think else []))
        self.norm_1 = nn.LayerNorm(C) if config.norm else nn.Identity()
        self.norm_2 = nn.LayerNorm(C) if config.norm else nn.Identity()

    def forward(self, x_BTC: Tensor) -> Tensor:
        if not self.config.residual:
            return self.think(self._listen(x_BTC))
        x_BTC = x_BTC + self._listen(self.norm_1(x_BTC))
        return x_BTC + self.think(self.norm_2(x_BTC)) if len(self.think) else x_BTC

    def _listen(self, x_BTC: Tensor) -> Tensor:
        B, T, C = x_BTC.shape
        H = self.config.n_head
        # `attend` divides the scores by sqrt(C/H): a sum of that many products of variance 1 has that
        # variance, and a softmax over such numbers would point at one place only.
        q, k, v = self.qkv(x_BTC).view(B, T, 3, H, C // H).permute(2, 0, 3, 1, 4)
        return self.out(attend(q, k, v, "causal").transpose(1, 2).reshape(B, T, C))


class GPTLadder(nn.Module):
    """Ids to logits of the next id at every place."""

    reads: ClassVar[Literal["windows", "prefixes"]] = "prefixes"

    def __init__(self, config: GPTLadderConfig):
        super().__init__()
        self.config = c = config
        # torch's defaults, as in the lecture's notebook: tables of variance 1, matrices uniform in
        # 1/sqrt(fan-in), so of variance 1/(3 fan-in). Token and place add up to variance 2, and the head of
        # C weights of that size gives logits of variance about 2/3: a first loss near log V + 1/3, which
        # the lecture prints as 4.41 for log 65 = 4.17.
        self.embedding = nn.Embedding(c.vocab_size, c.n_embd)
        self.positions = nn.Embedding(c.context_len, c.n_embd)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.n_layer))
        self.norm = nn.LayerNorm(c.n_embd) if c.norm else nn.Identity()
        self.unembedding = nn.Linear(c.n_embd, c.vocab_size)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """logits_BTV."""
        return self.head(self.hidden(tokens_BT))

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """x_BTC. Raises ValueError for more than context_len ids."""
        T = tokens_BT.size(1)
        if self.config.context_len < T:
            raise ValueError(
                f"{T} tokens do not fit context_len={self.config.context_len}. "
                "Shorten the text, or train a model with a longer context."
            )
        x_BTC = self.embedding(tokens_BT) + self.positions.weight[:T]
        for block in self.blocks:
            x_BTC = block(x_BTC)
        return self.norm(x_BTC)

    def head(self, x_BTC: Tensor) -> Tensor:
        """logits_BTV."""
        return F.linear(x_BTC, self.unembedding.weight, self.unembedding.bias)
