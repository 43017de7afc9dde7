"""Keys and values in pages, and one forward pass over tokens of many texts.

All new tokens of a step, whoever they belong to, are one row (B = 1, T = all of them): norms, projections and
feed-forwards do not care. Attention does: `PagedStep` knows which token belongs to whom, writes its key and
value to its slot, and lets each text look at its own past only.

Letters: B rows that add one token, T new tokens of all, S key time (slots of one text), N slots of the cache,
         H query heads, G key/value heads, D head width, L layers.
Source:  Kwon et al. 2023, arXiv 2309.06180, section 4.1.
Next:    backend.py, who hands it to a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundup.infer.fast_attention import attend_pages
from groundup.nn.attention import Allowed, attend, causal_mask

Slots = Tensor | slice  # where the tokens of a text lie: anywhere, or side by side


@dataclass(frozen=True, slots=True)
class Chunk:
    """New tokens of one text: `ids` stand at `start` and on; of the last `asked` logits are wanted."""

    ids: list[int]
    start: int
    table: list[int]  # the blocks of all its tokens, these included
    asked: int

    @property
    def end(self) -> int:
        """Tokens of this text after the step."""
        return self.start + len(self.ids)


class PagedCache:
    """`blocks` times `block_len` slots for keys and values, in every layer."""

    def __init__(
        self,
        *,
        n_layer: int,
        n_kv_head: int,
        head_dim: int,
        blocks: int,
        block_len: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        self.blocks, self.block_len, self.device = blocks, block_len, torch.device(device or "cpu")
        shape = (n_layer, blocks * block_len, n_kv_head, head_dim)
        self.keys_LNGD = torch.empty(shape, device=device, dtype=dtype)  # a slot is written before it is read
        self.values_LNGD = torch.empty(shape, device=device, dtype=dtype)
        # Is attention computed where the pages lie (fast_attention.py), or are they gathered first?
        self.compiled = self.device.type == "cpu" and self.keys_LNGD.dtype == torch.float32

    @property
    def bytes_per_token(self) -> int:
        """What one slot costs in all layers."""
        return sum(x[:, 0].numel() * x.element_size() for x in (self.keys_LNGD, self.values_LNGD))

    def write(self, layer: int, slots: Slots, k_TGD: Tensor, v_TGD: Tensor) -> None:
        """Stores the new tokens of one layer."""
        self.keys_LNGD[layer, slots] = k_TGD
        self.values_LNGD[layer, slots] = v_TGD

    def read(self, layer: int, slots: Slots) -> tuple[Tensor, Tensor]:
        """k and v, [..., G, D] for slots of shape [...]; of a slice a view, else gathered."""
        return self.keys_LNGD[layer, slots], self.values_LNGD[layer, slots]

    def slots(self, table: list[int], start: int, end: int) -> np.ndarray:
        """Where tokens start to end of a text lie."""
        L = self.block_len
        blocks = np.asarray(table[start // L : -(-end // L)], dtype=np.int64)
        first = start // L * L
        return (blocks[:, None] * L + np.arange(L)).ravel()[start - first : end - first]


class Int8PagedCache(PagedCache):
    """The same in a quarter of the memory: 8 bits a number, and a scale for each head of each token.

    A key or value x becomes round(127 x / max|x|), over the D numbers of its head: off by at most a 254th of
    the largest. Nothing else changes, so long texts fit where they did not; reading costs a multiplication.
    """

    def __init__(self, *, n_layer: int, n_kv_head: int, head_dim: int, blocks: int, block_len: int,
                 device: torch.device | str | None = None, dtype: torch.dtype | None = None):  # fmt: skip
        super().__init__(
            n_layer=n_layer,
            n_kv_head=n_kv_head,
            head_dim=head_dim,
            blocks=blocks,
            block_len=block_len,
            device=device,
            dtype=torch.int8,
        )
        shape = (2, n_layer, blocks * block_len, n_kv_head, 1)
        self.scales_2LNG1 = torch.empty(shape, device=device, dtype=dtype)

    @property
    def bytes_per_token(self) -> int:
        scales = self.scales_2LNG1[:, :, 0]
        return super().bytes_per_token + scales.numel() * scales.element_size()

    def write(self, layer: int, slots: Slots, k_TGD: Tensor, v_TGD: Tensor) -> None:
        for i, (kept, x_TGD) in enumerate(((self.keys_LNGD, k_TGD), (self.values_LNGD, v_TGD))):
            scale_TG1 = x_TGD.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127
            kept[layer, slots] = (x_TGD / scale_TG1).round().to(torch.int8)
            self.scales_2LNG1[i, layer, slots] = scale_TG1

    def read(self, layer: int, slots: Slots) -> tuple[Tensor, Tensor]:
        keys, values = super().read(layer, slots)
        return keys * self.scales_2LNG1[0, layer, slots], values * self.scales_2LNG1[1, layer, slots]


class PagedStep:
    """What the model takes for its cache in one step: positions, and attention within each text."""

    def __init__(self, cache: PagedCache, chunks: list[Chunk]):
        self.cache = cache
        self._longest = max(chunk.end for chunk in chunks)
        # Texts that add one token are a batch of B rows, padded to the longest; a lone one needs no padding.
        self._singles = 0 if len(chunks) == 1 else next(
            (i for i, chunk in enumerate(chunks) if len(chunk.ids) > 1), len(chunks)
        )  # fmt: skip
        positions, written = [], []
        if self._singles:
            self._tables_BM, self._ends_B = _tables(chunks[: self._singles], cache.block_len)
            last_B = self._ends_B - 1
            block_B = self._tables_BM[np.arange(self._singles), last_B // cache.block_len]
            positions.append(last_B)
            written.append(block_B * cache.block_len + last_B % cache.block_len)
            self._compiled = cache.compiled
            if not self._compiled:
                self._pad()
        self._longer: list[tuple[int, int, Slots, Allowed]] = []
        first = self._singles
        for chunk in chunks[self._singles :]:
            last = first + len(chunk.ids)
            slots = self._slots(cache.slots(chunk.table, 0, chunk.end))
            self._longer.append((first, last, slots, _causal(len(chunk.ids), chunk.end, cache.device)))
            positions.append(np.arange(chunk.start, chunk.end))
            written.append(cache.slots(chunk.table, chunk.start, chunk.end))
            first = last
        self._positions_1T = self._tensor(np.concatenate(positions))[None]
        self._slots_T = self._slots(np.concatenate(written))

    def positions_BT(self, T: int) -> Tensor:
        """The place of each new token in its own text: [1, T]."""
        return self._positions_1T

    def allowed(self, T: int) -> Allowed:
        """Nothing that one mask could say: `attend` knows."""
        return None

    def length_after(self, T: int) -> int:
        """Tokens of the longest text after this step."""
        return self._longest

    def attend(self, layer: int, q_BHTD: Tensor, k_BGTD: Tensor, v_BGTD: Tensor, allowed: Allowed) -> Tensor:
        """Stores the new keys and values; y_BHTD, each token's view of its own text."""
        self.cache.write(layer, self._slots_T, k_BGTD[0].transpose(0, 1), v_BGTD[0].transpose(0, 1))
        parts = []
        if self._singles:
            q_BHD = q_BHTD[0, :, : self._singles].transpose(0, 1)
            y_BHD = (
                self._attend_compiled(layer, q_BHD) if self._compiled else self._attend_padded(layer, q_BHD)
            )
            parts.append(y_BHD.transpose(0, 1)[None])
        for first, last, slots, mask in self._longer:
            k_SGD, v_SGD = self.cache.read(layer, slots)
            k_1GSD, v_1GSD = k_SGD.transpose(0, 1)[None], v_SGD.transpose(0, 1)[None]
            parts.append(attend(q_BHTD[:, :, first:last], k_1GSD, v_1GSD, mask))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def _attend_compiled(self, layer: int, q_BHD: Tensor) -> Tensor:
        shape = (-1, self.cache.block_len, *self.cache.keys_LNGD.shape[2:])
        keys_MLGD = self.cache.keys_LNGD[layer].view(shape)
        values_MLGD = self.cache.values_LNGD[layer].view(shape)
        return attend_pages(q_BHD, keys_MLGD, values_MLGD, self._tables_BM, self._ends_B)

    def _attend_padded(self, layer: int, q_BHD: Tensor) -> Tensor:
        """The same by gathering: on any device, in any precision; and the oracle of the compiled code."""
        k_BSGD, v_BSGD = self.cache.read(layer, self._rows_BS)
        k_BGSD, v_BGSD = k_BSGD.transpose(1, 2), v_BSGD.transpose(1, 2)
        return attend(q_BHD[:, :, None], k_BGSD, v_BGSD, self._allowed_B1S)[:, :, 0]

    def _pad(self) -> None:
        """The slots of B texts as one rectangle; what is beyond the end of a text is its own first slot."""
        L, longest = self.cache.block_len, int(self._ends_B.max())
        slots = (self._tables_BM[:, :, None] * L + np.arange(L)).reshape(self._singles, -1)[:, :longest]
        real = np.arange(longest) < self._ends_B[:, None]
        # Never an unwritten slot, not even where it counts nothing: 0 times a stray infinity is not 0.
        slots = np.where(real, slots, slots[:, :1])
        self._rows_BS = self._tensor(slots)
        self._allowed_B1S = None if real.all() else self._tensor(real)[:, None]

    def _slots(self, slots: np.ndarray) -> Slots:
        if int(slots[-1]) - int(slots[0]) == len(slots) - 1 and bool((np.diff(slots) == 1).all()):
            return slice(int(slots[0]), int(slots[-1]) + 1)
        return self._tensor(slots)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.cache.device)


def _tables(chunks: list[Chunk], block_len: int) -> tuple[np.ndarray, np.ndarray]:
    """(tables_BM, ends_B): the blocks of each text, filled up with its first one; and its tokens."""
    ends = np.array([chunk.end for chunk in chunks])
    tables = np.empty((len(chunks), -(-int(ends.max()) // block_len)), dtype=np.int64)
    for row, chunk in zip(tables, chunks, strict=True):
        used = -(-chunk.end // block_len)
        row[:used] = chunk.table[:used]
        row[used:] = chunk.table[0]
    return tables, ends


def _causal(T: int, S: int, device: torch.device) -> Allowed:
    if T == 1:
        return None
    return "causal" if T == S else causal_mask(T, S, device)
