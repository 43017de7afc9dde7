"""Keys and values of the past, kept so that a new token costs one step and not a whole pass.

Letters: B batch, T query time (new tokens), S key time (slots), H query heads, G key/value heads, D head
         width.
Source:  Shazeer 2019, arXiv 1911.02150, section 2.4 (incremental decoding).
Rows of different lengths: prompts are padded on the right, and `advance(T, counts)` says how many of the new
         tokens of each row were real. Padding leaves holes: slots that no later query may look at. All rows
         write to the same slots, so storing is a slice; positions are counted per row, so a hole takes none.
Not here: growing; paging and sharing between requests (infer/paged_cache.py).
Next:    mlp.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from groundup.nn.attention import Allowed, attend


class Cache(Protocol):
    """What a model asks of any cache in one forward pass. It cannot tell which kind it has."""

    def positions_BT(self, T: int) -> Tensor:
        """Positions of T new tokens, [B, T] or [1, T]."""

    def allowed(self, T: int) -> Allowed:
        """What T new queries may look at; passed on to `attend`."""

    def length_after(self, T: int) -> int:
        """Tokens of the longest text, T new ones included."""

    def attend(self, layer: int, q_BHTD: Tensor, k_BGTD: Tensor, v_BGTD: Tensor, allowed: Allowed) -> Tensor:
        """Stores the new keys and values; y_BHTD, over all that the queries may see."""


class KVCache:
    """Preallocated keys and values of every layer, `capacity` slots a row, and the length of each row.

    In one forward pass the model asks for `positions_BT(T)` and `allowed(T)` and calls `attend` once in every
    layer. Then the caller says `advance`, because only it knows which of the new tokens were padding.
    """

    def __init__(
        self,
        *,
        n_layer: int,
        batch: int,
        n_kv_head: int,
        head_dim: int,
        capacity: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        shape = (n_layer, batch, n_kv_head, capacity, head_dim)
        self.capacity = capacity
        self.keys_LBGSD = torch.empty(
            shape, device=device, dtype=dtype
        )  # a slot is written before it is read
        self.values_LBGSD = torch.empty(shape, device=device, dtype=dtype)
        self.real_BS = torch.ones(batch, capacity, device=device, dtype=torch.bool)  # False: a hole
        self.lengths_B = torch.zeros(batch, device=device, dtype=torch.long)  # real tokens in each row
        self.longest = 0  # max of lengths_B, known without asking the device
        self.used = 0  # slots written in every row
        self.has_holes = False

    def positions_BT(self, T: int) -> Tensor:
        """Positions of T new tokens: [1, T] while there are no holes, else [B, T]. Raises if too many."""
        if self.used + T > self.capacity:
            raise ValueError(
                f"{T} new tokens after {self.used} do not fit: the cache holds {self.capacity} a row. "
                "Build it with a larger capacity, or stop generating."
            )
        new_T = torch.arange(T, device=self.lengths_B.device)
        return self.lengths_B[:, None] + new_T if self.has_holes else (self.longest + new_T)[None]

    def allowed(self, T: int) -> Tensor | str:
        """What T new queries may look at: "causal" while there are no holes, else allowed_BTS."""
        if not self.has_holes:
            return "causal"
        S, device = self.used + T, self.lengths_B.device
        if T == 1:
            return self.real_BS[:, None, :S]
        new_query_T, slot_S = torch.arange(self.used, S, device=device), torch.arange(S, device=device)
        return self.real_BS[:, None, :S] & (slot_S <= new_query_T[:, None])

    def append(self, layer: int, k_BGTD: Tensor, v_BGTD: Tensor) -> tuple[Tensor, Tensor]:
        """Stores the new keys and values of one layer; returns all of them so far, [B, G, S, D]."""
        S = self.used + k_BGTD.size(2)
        self.keys_LBGSD[layer, :, :, self.used : S] = k_BGTD
        self.values_LBGSD[layer, :, :, self.used : S] = v_BGTD
        return self.keys_LBGSD[layer, :, :, :S], self.values_LBGSD[layer, :, :, :S]

    def attend(self, layer: int, q_BHTD: Tensor, k_BGTD: Tensor, v_BGTD: Tensor, allowed: Allowed) -> Tensor:
        """`append`, and then y_BHTD: each new query's mix of all the values that it may see."""
        k_BGSD, v_BGSD = self.append(layer, k_BGTD, v_BGTD)
        return attend(q_BHTD, k_BGSD, v_BGSD, allowed)

    def length_after(self, T: int) -> int:
        """Tokens of the longest row, T new ones included."""
        return self.longest + T

    def advance(self, T: int, counts_B: Sequence[int] | None = None) -> None:
        """Makes the T appended tokens the past; in row b only the first counts_B[b] of them were real."""
        start, self.used = self.used, self.used + T
        if counts_B is None or min(counts_B) == T:
            self.lengths_B += T
            self.longest += T
            return
        if min(counts_B) < 0 or max(counts_B) > T:
            raise ValueError(
                f"counts {list(counts_B)} do not fit {T} new tokens. Pass 0 to {T} for each row."
            )
        counts = torch.tensor(counts_B, device=self.lengths_B.device)
        self.real_BS[:, start : self.used] = torch.arange(T, device=counts.device) < counts[:, None]
        self.lengths_B += counts
        self.longest, self.has_holes = int(self.lengths_B.max()), True

    def rewind(self, length: int) -> None:
        """Forgets all but the first tokens, of every row. Raises ValueError where padding left holes."""
        if self.has_holes or not 0 <= length <= self.used:
            raise ValueError(
                f"cannot go back to {length} of {self.used} tokens{' with holes' if self.has_holes else ''}. "
                f"Choose 0 to {self.used}, in a cache whose rows were never padded."
            )
        self.used = self.longest = length
        self.lengths_B.fill_(length)

    def select(self, rows: Tensor) -> KVCache:
        """A new cache of these rows, in this order: drops finished rows, or repeats one prompt many times."""
        L, _, G, S, D = self.keys_LBGSD.shape
        chosen = KVCache(
            n_layer=L,
            batch=len(rows),
            n_kv_head=G,
            head_dim=D,
            capacity=S,
            device=self.keys_LBGSD.device,
            dtype=self.keys_LBGSD.dtype,
        )
        for layer in range(L):
            chosen.keys_LBGSD[layer, :, :, : self.used] = self.keys_LBGSD[layer, rows, :, : self.used]
            chosen.values_LBGSD[layer, :, :, : self.used] = self.values_LBGSD[layer, rows, :, : self.used]
        chosen.real_BS, chosen.lengths_B = self.real_BS[rows], self.lengths_B[rows]
        chosen.longest = int(chosen.lengths_B.max())
        chosen.used, chosen.has_holes = self.used, self.has_holes
        return chosen
