"""A folder of Hugging Face's as a model of ours: config.json, safetensors, tokenizer.json, chat template.

    model_type gpt2     GPT-2                    learned positions, LayerNorm, GELU
    model_type llama    Llama 3, SmolLM2, ...    rotary, RMSNorm, SwiGLU
    model_type qwen2    Qwen2, Qwen2.5           the same, with biases on q, k and v
    model_type qwen3    Qwen3                    the same, with norms on q and k

Every setting in config.json is one of three: it is one of ours; it is known to say nothing about what is
computed; or the model is refused, with its name. A setting that is skipped gives a model that answers, and a
little wrongly. No code comes along: "auto_map", which would ask for it, is refused like any other.

Source: transformers 4.56 to 5, with whose models the tests compare logits.
Next:   hugging_face_export.py, the way back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from groundup.base.errors import CheckpointError, DataError, TokenizerError
from groundup.base.files import read_json
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights.foreign_names import HF_GPT2, HF_LLAMA, Names, filled
from groundup.weights.imported import Imported, config_of, fitting

INDEX = "model.safetensors.index.json"
FLOATS = ("F32", "F16", "BF16")
MOST_HEADER = 100_000_000  # bytes of a safetensors header, as its own reader allows

_LLAMA = {
    "vocab_size": "vocab_size",
    "max_position_embeddings": "context_len",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "num_key_value_heads": "n_kv_head",
    "hidden_size": "n_embd",
    "head_dim": "head_dim",
    "intermediate_size": "mlp_width",
    "rms_norm_eps": "norm_eps",
    "rope_theta": "rope_theta",
    "tie_word_embeddings": "tie",
}
_GPT2 = {
    "vocab_size": "vocab_size",
    "n_positions": "context_len",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
    "n_inner": "mlp_width",
    "layer_norm_epsilon": "norm_eps",
    "tie_word_embeddings": "tie",
}
SETTINGS = {"gpt2": _GPT2, "llama": _LLAMA, "qwen2": _LLAMA, "qwen3": _LLAMA}
NAMES: dict[str, Names] = {"gpt2": HF_GPT2, "llama": HF_LLAMA, "qwen2": HF_LLAMA, "qwen3": HF_LLAMA}
PARTS: dict[str, dict[str, Any]] = {  # what a family is, and transformers' own defaults where ours differ
    "gpt2": {
        "norm": "layer", "position": "learned", "mlp": "gelu", "qk_norm": False, "bias": True,
        "norm_eps": 1e-5, "tie": True, "context_len": 1024,
    },
    "llama": {"qk_norm": False, "context_len": 2048},
    "qwen2": {"qk_norm": False, "qkv_bias": True, "context_len": 32768},
    "qwen3": {"qk_norm": True, "context_len": 32768},
}  # fmt: skip
ONLY = {  # settings that must have one of these values, for nothing else is computed here
    "hidden_act": ("silu",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "rope_scaling": (None,),
    "rope_parameters": (None,),
    "use_sliding_window": (False,),
    "sliding_window": (None,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "reorder_and_upcast_attn": (False, True),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "is_decoder": (False, True),
    "quantization_config": (None,),
    "rope_interleaved": (False,),
    "is_llama_config": (True,),
    "tie_encoder_decoder": (False,),
}  # fmt: skip
SILENT = {  # say nothing about what is computed when a model answers
    "architectures", "model_type", "transformers_version", "torch_dtype", "dtype", "use_cache",
    "initializer_range", "pretraining_tp", "pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id",
    "resid_pdrop", "embd_pdrop", "attn_pdrop", "n_ctx", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj", "task_specific_params", "_name_or_path",
    "output_attentions", "output_hidden_states", "return_dict", "chunk_size_feed_forward", "id2label",
    "label2id", "problem_type", "transformers.js_config", "name_or_path", "max_window_layers", "head_dim",
    "torchscript", "attention_dropout", "use_bfloat16",
}  # fmt: skip


def is_folder(path: str | Path) -> bool:
    """Whether a folder holds such a model."""
    path = Path(path)
    return (path / "config.json").is_file() and not (path / "manifest.json").is_file()


def read_folder(path: str | Path) -> Imported:
    """The model in this folder, in float32. CheckpointError for what is damaged, or computed otherwise."""
    path = Path(path)
    content = _json(path / "config.json")
    config = config_of(settings(content, str(path)), where=str(path))
    kind: str = content["model_type"]
    tokenizer = _tokenizer(path)
    files = weight_files(path)
    with ExitStack() as opened:
        handles = [(file, opened.enter_context(_open(file))) for file in files]
        where_is: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for file, handle in handles:
            for name in handle.keys():  # noqa: SIM118  (a safetensors handle is no dict)
                ours = plain(name, kind)
                if ours is None or (config.tie and ours == NAMES[kind].head + ".weight"):
                    continue
                if ours in where_is:
                    raise CheckpointError(f"{path}: the tensor {name} is in two files. Fetch it again.")
                part = handle.get_slice(name)
                if part.get_dtype() not in FLOATS:
                    raise CheckpointError(
                        f"{file}: the tensor {name} is {part.get_dtype()}; {', '.join(FLOATS)} are read."
                    )
                where_is[ours], shapes[ours] = (handle, name), tuple(part.get_shape())

        def read(name: str, out: Tensor) -> None:
            handle, written = where_is[name]
            out.copy_(handle.get_tensor(written))

        model = filled(config, NAMES[kind], shapes, read, where=str(path))
    about = {**content, **_json(path / "generation_config.json", optional=True)}
    return Imported(
        model,
        fitting(tokenizer, config.vocab_size, where=str(path)),
        source=f"Hugging Face {kind}, {path.name}",
        template=_template(path),
        bos=_bos(path, tokenizer),
        stop=tuple(sorted(_ids(about.get("eos_token_id"), config.vocab_size))),
    )


def settings(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Our settings of a config.json. CheckpointError names the first one that cannot be kept."""
    kind = content.get("model_type")
    if kind not in SETTINGS:
        raise CheckpointError(
            f"{where} holds a model of the type {kind!r}. {', '.join(SETTINGS)} can be read."
        )
    flat = {**content, **_rope(content, where)}
    found = dict(PARTS[kind])
    for name, value in flat.items():
        ours = SETTINGS[kind].get(name)
        if ours is not None:
            if value is not None:
                found[ours] = value
        elif not _harmless(name, value, kind, found):
            raise CheckpointError(
                f"{where} sets {name} to {value!r}, which is not done here: the answers would differ."
            )
    return found


def _harmless(name: str, value: Any, kind: str, found: dict[str, Any]) -> bool:
    """Whether a setting that is none of ours changes nothing. The biases are ours by other names."""
    if name == "attention_bias" and kind in ("llama", "qwen3"):
        found["qkv_bias"], found["bias"] = bool(value), found.get("bias", False) or bool(value)
        return True
    if name == "activation_function" and value == "gelu":
        found["mlp"] = "gelu_erf"
        return True
    if name == "mlp_bias" and kind == "llama":
        return True  # the tensors say it: with one bias and not the other, some are missing or too many
    if name == "layer_types":
        return value is None or set(value) <= {"full_attention"}
    if name == "sliding_window":
        return True  # used only where use_sliding_window or layer_types say so
    return name in SILENT or value in (ONLY.get(name) or ())


def _rope(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """transformers 5 keeps the rotation in "rope_parameters", 4 in "rope_theta" and "rope_scaling"."""
    rope = content.get("rope_parameters")
    if "rope_parameters" not in content or rope is None:
        return {"rope_parameters": None} if "rope_parameters" in content else {}
    if not isinstance(rope, Mapping) or rope.get("rope_type", "default") != "default" or set(rope) - {
        "rope_type", "rope_theta", "partial_rotary_factor", "type"
    } or rope.get("partial_rotary_factor", 1.0) != 1.0:  # fmt: skip
        raise CheckpointError(f"{where} stretches its rotary positions ({rope!r}), which is not done here.")
    return {"rope_theta": rope.get("rope_theta"), "rope_parameters": None}


# ---- Files ---------------------------------------------------------------------------------------


def weight_files(folder: str | Path) -> list[Path]:
    """The safetensors of a folder: one, or the shards of its index. CheckpointError if one is missing."""
    folder = Path(folder)
    if (folder / INDEX).is_file():
        where = _json(folder / INDEX).get("weight_map")
        names = set(where.values()) if isinstance(where, Mapping) else set()
        if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise CheckpointError(f"{folder / INDEX} names no files of this folder. Fetch it again.")
        files = [folder / name for name in sorted(names)]
    else:
        files = [folder / "model.safetensors"]
    if missing := [file.name for file in files if not file.is_file()]:
        pickles = sorted(file.name for file in folder.glob("*.bin"))
        instead = f" {pickles[0]} is a pickle, which could run code, and is not read." if pickles else ""
        raise CheckpointError(f"{folder} lacks {', '.join(missing)}.{instead} Fetch the safetensors.")
    return files


def _open(file: Path) -> Any:
    """The open file, its header checked: no key twice (safetensors lets the last one win)."""
    try:
        with open(file, "rb") as raw:
            length = int.from_bytes(raw.read(8), "little")
            if length > min(MOST_HEADER, file.stat().st_size):
                raise CheckpointError(
                    f"{file} announces a header of {length:,} bytes: it is truncated or damaged."
                )
            json.loads(raw.read(length), object_pairs_hook=_once)
        return safe_open(file, framework="pt")
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise CheckpointError(f"{file} is no safetensors file that can be read: {error}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name in its header is there twice")
    return found


def _json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if optional and not path.is_file():
        return {}
    try:
        content = read_json(path)
    except (DataError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no settings. Fetch it again.")
    return content


def plain(name: str, kind: Any) -> str | None:
    """The tensor's name in full, or None for tables that the model makes itself."""
    if name.endswith((".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")):
        return None
    if kind == "gpt2" and name.startswith(("wte.", "wpe.", "h.", "ln_f.")):
        return f"transformer.{name}"
    return name


# ---- Tokenizer and template ----------------------------------------------------------------------


def _tokenizer(path: Path) -> Tokenizer:
    if not (path / "tokenizer.json").is_file():
        raise CheckpointError(f"{path} has no tokenizer.json, so its ids mean nothing. Fetch it whole.")
    try:
        return load_tokenizer(path / "tokenizer.json")
    except (TokenizerError, DataError) as error:
        raise CheckpointError(f"{error}") from None


def _template(path: Path) -> str:
    if (path / "chat_template.jinja").is_file():
        return (path / "chat_template.jinja").read_text(encoding="utf-8")
    template = _json(path / "tokenizer_config.json", optional=True).get("chat_template")
    return template if isinstance(template, str) else ""


def _bos(path: Path, tokenizer: Tokenizer) -> int | None:
    """The id that stands before every text, if the tokenizer puts one there."""
    about = _json(path / "tokenizer_config.json", optional=True)
    post = _json(path / "tokenizer.json").get("post_processor")
    token = about.get("bos_token")
    name = token.get("content") if isinstance(token, Mapping) else token
    puts_it = about.get("add_bos_token") or f'"{name}"' in json.dumps(post, ensure_ascii=False)
    return tokenizer.special(name) if puts_it and name in tokenizer.specials else None


def _ids(value: Any, size: int) -> Iterator[int]:
    for id in value if isinstance(value, list) else [value]:
        if type(id) is int and 0 <= id < size:
            yield id
