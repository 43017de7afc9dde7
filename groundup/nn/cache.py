"""Keys and values of the past, kept so that a new token costs one step and not a whole pass.

Letters: B batch, T query time (new tokens), S key time (past and new), G key/value heads, D head width.
Source:  Shazeer 2019, arXiv 1911.02150, section 2.4 (incremental decoding).
Rows may be of different lengths: prompts are padded on the right, and `advance(counts)` says how many of the new
tokens of each row were real. What a padded token wrote is masked, and overwritten by the next real one.
Not here: growing, paging, sharing between requests.
Next:    mlp.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KVCache:
    """Preallocated keys and values of every layer, with a length for each row.

    In one forward pass the model asks for `positions_BT(T)` and `allowed(T)`, calls `append` once in each layer, and
    ends with nothing: the caller then says `advance(T)`, because only it knows which tokens were padding.
    While all rows are equally long, everything is a slice; otherwise keys are scattered to their row's own length.
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
        self.keys_LBGSD = torch.zeros(shape, device=device, dtype=dtype)
        self.values_LBGSD = torch.zeros(shape, device=device, dtype=dtype)
        self.lengths_B = torch.zeros(batch, dtype=torch.long, device=device)
        self.longest = 0
        self.ragged = False  # do the rows differ in length?

    def positions_BT(self, T: int) -> Tensor:
        """Positions of T new tokens in every row; [1, T] while all rows are equally long. Raises when they do not fit."""
        if self.longest + T > self.capacity:
            raise ValueError(
                f"{T} new tokens after {self.longest} do not fit: the cache holds {self.capacity} tokens a row. "
                "Build it with a larger capacity, or stop generating."
            )
        new_T = torch.arange(T, device=self.lengths_B.device)
        return self.lengths_B[:, None] + new_T if self.ragged else (self.longest + new_T)[None]

    def append(self, layer: int, k_BGTD: Tensor, v_BGTD: Tensor) -> tuple[Tensor, Tensor]:
        """Stores the new keys and values of one layer; returns all of them, [B, G, S, D], S = longest row + T."""
        T, start = k_BGTD.size(2), self.longest
        positions_BT = self.positions_BT(T)
        keys_BGSD, values_BGSD = self.keys_LBGSD[layer], self.values_LBGSD[layer]
        if self.ragged:
            rows_B1 = torch.arange(k_BGTD.size(0), device=k_BGTD.device)[:, None]
            keys_BGSD[rows_B1, :, positions_BT] = k_BGTD.transpose(1, 2)
            values_BGSD[rows_B1, :, positions_BT] = v_BGTD.transpose(1, 2)
        else:
            keys_BGSD[:, :, start : start + T] = k_BGTD
            values_BGSD[:, :, start : start + T] = v_BGTD
        return keys_BGSD[:, :, : start + T], values_BGSD[:, :, : start + T]

    def allowed(self, T: int) -> Tensor | str:
        """What T new queries may look at: "causal" while all rows are equally long, else allowed_BTS."""
        if not self.ragged:
            return "causal"
        key_S = torch.arange(self.longest + T, device=self.lengths_B.device)
        return key_S <= self.positions_BT(T)[:, :, None]

    def advance(self, counts_B: int | Sequence[int]) -> None:
        """Makes the last appended tokens part of the past: so many in every row, or counts_B[b] in row b."""
        if isinstance(counts_B, int):
            self.lengths_B += counts_B
            self.longest += counts_B
            return
        self.lengths_B += torch.tensor(counts_B, device=self.lengths_B.device)
        lengths = self.lengths_B.tolist()
        self.longest, self.ragged = max(lengths), min(lengths) < max(lengths)

    def select(self, rows: Tensor) -> KVCache:
        """A new cache of the named rows, in that order: drops finished rows, or repeats one prompt many times."""
        chosen = object.__new__(KVCache)
        chosen.capacity = self.capacity
        chosen.keys_LBGSD = self.keys_LBGSD.index_select(1, rows)
        chosen.values_LBGSD = self.values_LBGSD.index_select(1, rows)
        chosen.lengths_B = self.lengths_B.index_select(0, rows)
        lengths = chosen.lengths_B.tolist()
        chosen.longest, chosen.ragged = max(lengths), min(lengths) < max(lengths)
        return chosen
