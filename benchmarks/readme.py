"""Figures in the READMEs: copied from benchmarks/results/, never typed.

    python -m benchmarks.readme            fill every block
    python -m benchmarks.readme --check    exit 1 if one differs from the results

A block is what stands between `<!-- figures:NAME -->` and `<!-- /figures -->`; NAME is one of BLOCKS. Where
nothing was measured yet a block is empty. With results of several machines the newest is shown, and it says
which machine.

Next: result.py, for the format of the results.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.result import RESULTS, Claim, Result, published
from groundup.base.errors import DataError
from groundup.base.files import read_text, write_atomic
from groundup.recipes.report_data import duration

HOME = Path(__file__).resolve().parent.parent
Language = Literal["en", "zh"]
PAGES: dict[str, Language] = {"README.md": "en", "README.zh-CN.md": "zh"}
BLOCK = re.compile(r"(<!-- figures:([a-z-]+) -->\n).*?(<!-- /figures -->)", re.S)


@dataclass(frozen=True)
class Labels:
    """What a block says in one language."""

    took: str  # {time} {what} {machine}
    command: str
    stages: str
    head: tuple[str, str, str]
    skills: dict[str, str]
    bits: str  # {ours} {theirs} {peer} {verdict}
    beats: str
    loses: str
    note: str  # {machine} {date} {exam}
    scalars: str  # {eager} {eager_off} {replay} {torch} {gpt}, of the autograd floor
    scalars_note: str  # {machine} {date} {n}
    ratios_head: tuple[str, str, str]
    ratios: dict[str, str]  # claim of the tokenizer floor: what it is about
    behind: str
    ratios_note: str  # {machine} {date} {n}
    learns: str  # {seconds} {theirs} {loss} {far} {speed}, of Tiny Shakespeare beside nanoGPT
    learns_note: str  # {machine} {date} {n}
    ladder_note: str  # {machine} {date} {n}
    fewer_head: tuple[str, str, str, str]
    fewer: dict[str, str]  # a model that was quantized: what it is
    fewer_note: str  # {machine} {date}


LABELS: dict[Language, Labels] = {
    "en": Labels(
        took="Measured: **{time}** ({what}) on {machine}.",
        command="the whole command",
        stages="all stages",
        head=("skill", "trained wording", "untrained wording"),
        skills={
            "calculator": "sums by calculator, up to three digits",
            "spelling": "spelling a word",
            "counting": "counting a letter in a word",
            "famous": "strawberry, mississippi, banana, raspberry",
            "identity": "small talk in English and Chinese",
            "known_facts": "facts that it was taught",
            "false_refusal": "refuses a fact that it was taught (fewer is better)",
            "unknown_refusal": "says so when it does not know",
            "out_of_scope": "asked for anything else: says what it can do",
            "rl_before": "two-digit addition in the head, before reinforcement",
            "rl_after": "the same, after reinforcement",
            "rl_control": "the same, after as many seconds of more fine-tuning",
        },
        bits="Held-out text: **{ours:.3f}** bits per byte, {verdict} the best n-gram that read the same text "
        "({theirs:.3f}).",
        beats="ahead of",
        loses="behind",
        note="Share right with 95 % Wilson interval and n; {exam}; {date}, {machine}. One training run: "
        "another seed moves these too.",
        scalars="On micrograd's own demo (65,000 scalars a step, equal losses) our scalars are "
        "**{eager:.0f}** times as fast as micrograd as shipped, {eager_off:.1f} times with its garbage "
        "collector off; replayed they are **{replay:,.0f}** times as fast, and **{torch:.1f}** times as fast "
        "as the same network in PyTorch tensors. A GPT of 4,192 scalars trains 1,000 steps in "
        "**{gpt:.1f} s**.",
        scalars_note="CPU time in one process, contenders in turns, n={n}; recording is part of the last "
        "figure only; {date}, {machine}.",
        ratios_head=("what", "beside", "times as fast"),
        ratios={
            "encode-cold-vs-tiktoken": "English to an array, first time",
            "encode-warm-vs-tiktoken": "English to an array, pieces known",
            "encode-cold-vs-tiktoken.multilingual": "many languages, first time",
            "encode-warm-vs-tiktoken.multilingual": "many languages, pieces known",
            "encode-english-vs-gigatoken.cold": "English, first time",
            "encode-english-vs-gigatoken": "English, pieces known",
            "encode-multilingual-vs-gigatoken.cold": "many languages, first time",
            "encode-multilingual-vs-gigatoken": "many languages, pieces known",
            "encode-english-vs-gigatoken.lists": "English to Python lists",
            "decode-array-vs-gigatoken": "an array to bytes",
            "prompt-vs-tiktoken": "a short prompt to a list",
            "prompt-vs-gigatoken": "a short prompt to a list",
            "train-32k-vs-rustbpe": "training 32,000 ids",
            "train-32k-vs-gigatoken": "training 32,000 ids",
            "train-32k-vs-hf": "training 32,000 ids",
            "mlp.steps": "Bengio's MLP, 11,897 weights",
            "batchnorm.steps": "the MLP with BatchNorm, 12,097",
            "wavenet.steps": "WaveNet, 76,579",
        },
        behind="{ratio} (behind)",
        ratios_note="CPU time of one thread, contenders in turns in one process, equal ids first, medians, "
        "n={n}; on texts that nothing was tuned on; {date}, {machine}.",
        learns="`shakespeare-char` beside nanoGPT with its README's recipe for a CPU, each a whole command: "
        "nanoGPT's final loss of {loss:.3f} (the whole held-out split) is reached after **{seconds:.0f} s** "
        "where nanoGPT takes {theirs:.0f}; in nanoGPT's time ours comes to **{far:.3f}**. At nanoGPT's own "
        "shape, batch and optimizer we train {speed:.2f} times as many tokens a second: the gain is what a "
        "step learns (Muon, a rate for each kind of weight, RoPE), not how long it takes.",
        learns_note="Wall time, contenders in turns, median of n={n}; {date}, {machine}.",
        ladder_note="Training steps, `fit` with its checks beside the notebook's own cell: the same weights "
        "and rows, equal losses first; CPU time of one thread, contenders in turns in one process, medians, "
        "n={n}; {date}, {machine}.",
        fewer_head=("growth of perplexity", "8 bits", "4 bits, nearest", "4 bits, GPTQ"),
        fewer={
            "chat": "an assistant of 1.2 M parameters, its own replies",
            "larger": "10.7 M parameters, Tiny Shakespeare by characters",
            "smollm2": "SmolLM2-135M, which was in 4 bits before we got it",
        },
        fewer_note="The same held-out text before and after, 95 % limits over its pieces. Our gate, for the "
        "first two: 8 bits at most 0.1 %, GPTQ at most 3 %; {date}, {machine}.",
    ),
    "zh": Labels(
        took="实测：**{time}**（{what}），{machine}。",
        command="整条命令",
        stages="各阶段之和",
        head=("能力", "训练过的说法", "没训练过的说法"),
        skills={
            "calculator": "用计算器算三位以内的加减乘",
            "spelling": "拼写单词",
            "counting": "数单词里的某个字母",
            "famous": "strawberry、mississippi、banana、raspberry",
            "identity": "中英文寒暄",
            "known_facts": "教过的事实",
            "false_refusal": "教过的事实却说不知道（越低越好）",
            "unknown_refusal": "不知道时会说不知道",
            "out_of_scope": "问到别的事：说明自己会什么",
            "rl_before": "心算两位数加法，强化学习之前",
            "rl_after": "同上，强化学习之后",
            "rl_control": "同上，换成同样秒数的继续微调",
        },
        bits="留出的文本：每字节 **{ours:.3f}** 比特，{verdict}读过同样文本的最好的 n-gram（{theirs:.3f}）。",
        beats="优于",
        loses="不及",
        note="正确率，附 95 % Wilson 区间和 n；{exam}；{date}，{machine}。"
        "只训练了一次：换一个种子，数字也会变。",
        scalars="在 micrograd 自己的示例上（每步 65,000 个标量，损失相等），"
        "我们的标量引擎的速度是原版 micrograd 的 **{eager:.0f}** 倍"
        "（关掉它的垃圾回收后是 {eager_off:.1f} 倍）；重放时是 **{replay:,.0f}** 倍，"
        "也是同一网络用 PyTorch 张量的 **{torch:.1f}** 倍。由 4,192 个标量组成的 GPT 训练 1,000 步用 "
        "**{gpt:.1f} 秒**。",
        scalars_note="同一进程内轮流测量的 CPU 时间，n={n}；只有最后一项包含记录的时间；{date}，{machine}。",
        ratios_head=("做什么", "对比", "速度倍数"),
        ratios={
            "encode-cold-vs-tiktoken": "英文编码为数组，第一次",
            "encode-warm-vs-tiktoken": "英文编码为数组，片段已见过",
            "encode-cold-vs-tiktoken.multilingual": "多语言，第一次",
            "encode-warm-vs-tiktoken.multilingual": "多语言，片段已见过",
            "encode-english-vs-gigatoken.cold": "英文，第一次",
            "encode-english-vs-gigatoken": "英文，片段已见过",
            "encode-multilingual-vs-gigatoken.cold": "多语言，第一次",
            "encode-multilingual-vs-gigatoken": "多语言，片段已见过",
            "encode-english-vs-gigatoken.lists": "英文编码为 Python 列表",
            "decode-array-vs-gigatoken": "数组解码为字节",
            "prompt-vs-tiktoken": "一条短提示编码为列表",
            "prompt-vs-gigatoken": "一条短提示编码为列表",
            "train-32k-vs-rustbpe": "训练 32,000 个 id",
            "train-32k-vs-gigatoken": "训练 32,000 个 id",
            "train-32k-vs-hf": "训练 32,000 个 id",
            "mlp.steps": "Bengio 的 MLP，11,897 个权重",
            "batchnorm.steps": "带 BatchNorm 的 MLP，12,097 个权重",
            "wavenet.steps": "WaveNet，76,579 个权重",
        },
        behind="{ratio}（落后）",
        ratios_note="单线程 CPU 时间，同一进程内轮流测量，先确认 id 相同，取中位数，n={n}；"
        "所用文本没有参与过调优；{date}，{machine}。",
        learns="`shakespeare-char` 与按其 README 的 CPU 配方运行的 nanoGPT 相比（都是整条命令）："
        "nanoGPT 的最终损失 {loss:.3f}（整个留出部分），我们用 **{seconds:.0f} 秒**达到，"
        "它用 {theirs:.0f} 秒；"
        "用它那么长的时间，我们达到 **{far:.3f}**。用它自己的形状、批大小和优化器，"
        "我们每秒训练的 token 是它的 {speed:.2f} 倍：快在每一步学到的更多"
        "（Muon、各类权重各自的学习率、RoPE），而不是每一步更省时间。",
        learns_note="实际时间，轮流测量，n={n}，取中位数；{date}，{machine}。",
        ladder_note="训练步数之比：带全部检查的 `fit` 对比课程笔记本自己的单元格；权重和数据相同，"
        "先确认损失相等；单线程 CPU 时间，同一进程内轮流测量，取中位数，n={n}；{date}，{machine}。",
        fewer_head=("困惑度的增长", "8 位", "4 位，就近取整", "4 位，GPTQ"),
        fewer={
            "chat": "120 万参数的助手，只算它自己的回答",
            "larger": "1070 万参数，按字符读的 Tiny Shakespeare",
            "smollm2": "SmolLM2-135M，到我们手里时已是 4 位",
        },
        fewer_note="量化前后用同一段留出的文本，95 % 区间取自各文本片段。前两个模型的门槛："
        "8 位至多 0.1 %，GPTQ 至多 3 %；{date}，{machine}。",
    ),
}


def time_block(found: list[Result], say: Labels) -> str:
    """How long the main job took."""
    result = found[0]
    claim = result.claim("wall_clock") or result.claim("seconds")
    if claim is None:
        return ""
    what = say.command if claim.id == "wall_clock" else say.stages
    return say.took.format(time=duration(claim.ours), what=what, machine=result.machine)


def scores_block(found: list[Result], say: Labels) -> str:
    """The score table and the bits per byte."""
    result = found[0]
    rows = []
    for skill, words in say.skills.items():
        cells = [cell(result, skill, wording) for wording in ("trained", "untrained")]
        if any(cells):
            rows.append(f"| {words} | {cells[0] or '–'} | {cells[1] or '–'} |")
    exam = next((claim.note.split("; ")[-1] for claim in result.claims if claim.unit == "share"), "")
    lines = [f"| {' | '.join(say.head)} |", "|---|---|---|", *rows, ""]
    if (bits := result.claim("bits_per_byte")) and bits.theirs is not None:
        verdict = say.beats if bits.ours < bits.theirs else say.loses
        lines += [say.bits.format(ours=bits.ours, theirs=bits.theirs, verdict=verdict), ""]
    return "\n".join([*lines, say.note.format(machine=result.machine, date=result.date, exam=exam)])


def scalars_block(found: list[Result], say: Labels) -> str:
    """How fast the scalar engine is, beside micrograd and PyTorch; nothing unless all of it was measured."""
    result = found[0]
    ids = {
        "eager": "moons-eager-vs-micrograd",
        "eager_off": "moons-eager-vs-micrograd.gc-off",
        "replay": "moons-replay-vs-micrograd",
        "torch": "moons-replay-vs-torch",
    }
    ratios = {name: claim.ratio for name, id in ids.items() if (claim := result.claim(id))}
    gpt = result.claim("scalar-gpt")
    if gpt is None or len(ratios) < len(ids):
        return ""
    note = say.scalars_note.format(n=gpt.n, date=result.date, machine=result.machine)
    return "\n\n".join([say.scalars.format(**ratios, gpt=gpt.ours), note])


def learns_block(found: list[Result], say: Labels) -> str:
    """How soon `shakespeare-char` is where nanoGPT ends; nothing unless all of it was measured."""
    result = found[0]
    soon = result.claim("time-to-peer-loss")
    far, speed = result.claim("val-loss-in-peer-time"), result.claim("tokens-per-second-same-shape")
    if soon is None or far is None or speed is None:
        return ""
    told = say.learns.format(
        seconds=soon.ours, theirs=soon.theirs, loss=far.theirs, far=far.ours, speed=speed.ratio
    )
    note = say.learns_note.format(n=soon.n, date=result.date, machine=result.machine)
    return "\n\n".join([told, note])


def ratios_block(found: list[Result], say: Labels) -> str:
    """How fast something is beside each peer, also where the peer is ahead."""
    result = found[0]
    claims = [claim for id in say.ratios if (claim := result.claim(id)) and claim.ratio is not None]
    rows = []
    for claim in claims:
        ratio = f"{claim.ratio:.2f}" if claim.ratio < 10 else f"{claim.ratio:.0f}"
        told = f"**{ratio}**" if claim.ratio >= 1 else say.behind.format(ratio=ratio)
        rows.append(f"| {say.ratios[claim.id]} | {claim.peer} | {told} |")
    if not rows:
        return ""
    counts = sorted({claim.n for claim in claims if claim.n})
    n = ", ".join(map(str, counts))
    how = say.ladder_note if result.name == "ladder" else say.ratios_note
    note = how.format(n=n, date=result.date, machine=result.machine)
    return "\n".join([f"| {' | '.join(say.ratios_head)} |", "|---|---|---|", *rows, "", note])


def fewer_bits_block(found: list[Result], say: Labels) -> str:
    """What fewer bits cost each model; nothing of a model of which not every way was measured."""
    result, rows = found[0], []
    for model, words in say.fewer.items():
        ways = ("int8", "int4-nearest", "int4-gptq")
        claims = [claim for way in ways if (claim := result.claim(f"{model}.{way}.perplexity"))]
        if len(claims) == len(ways):
            rows.append(f"| {words} | {' | '.join(map(growth, claims))} |")
    if not rows:
        return ""
    note = say.fewer_note.format(date=result.date, machine=result.machine)
    return "\n".join([f"| {' | '.join(say.fewer_head)} |", "|---|---|---|---|", *rows, "", note])


def growth(claim: Claim) -> str:
    """A share that may be below 0, with its limits: `+0.12 % [+0.03, +0.21]`."""
    limits = f" [{100 * claim.spread[0]:+.2f}, {100 * claim.spread[1]:+.2f}]" if claim.spread else ""
    return f"**{100 * claim.ours:+.2f} %**{limits}"


def cell(result: Result, skill: str, wording: str) -> str:
    """A score as `97.3 % [94.8, 98.6] n=300`."""
    claim = result.claim(f"{skill}.{wording}")
    return "" if claim is None else f"**{100 * claim.ours:.1f} %** {margin(claim)}".rstrip()


def margin(claim: Claim) -> str:
    """How sure a claim is."""
    spread = f"[{100 * claim.spread[0]:.1f}, {100 * claim.spread[1]:.1f}]" if claim.spread else ""
    return f"{spread} n={claim.n:,}".strip() if claim.n else spread


Tell = Callable[[list[Result], Labels], str]
BLOCKS: dict[str, tuple[str, Tell]] = {  # name: the benchmark, and how it is told
    "time": ("zero-to-chat", time_block),
    "scores": ("zero-to-chat", scores_block),
    "scalars": ("autograd", scalars_block),
    "learning": ("shakespeare-char", learns_block),
    "encoding": ("tokenizer", ratios_block),
    "tokenizer-training": ("tokenizer-train", ratios_block),
    "ladder": ("ladder", ratios_block),
    "fewer-bits": ("quantization", fewer_bits_block),
}


def fill(page: str, language: Language, results: Path = RESULTS) -> str:
    """The page with every block as the results have it. Raises DataError for a block that nobody knows."""

    def block(match: re.Match[str]) -> str:
        name = match[2]
        if name not in BLOCKS:
            raise DataError(f"There is no block of figures {name!r}. There are {', '.join(BLOCKS)}.")
        benchmark, tell = BLOCKS[name]
        found = published(benchmark, results)
        text = tell(found, LABELS[language]) if found else ""
        return match[1] + (f"\n{text}\n\n" if text else "") + match[3]

    return BLOCK.sub(block, page)


def main(words: Sequence[str]) -> int:
    """Fill or check the blocks of all pages; 1 if --check finds one that differs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.readme", description="Fill the figures of the READMEs."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a figure differs")
    check = parser.parse_args(words).check
    stale = False
    for name, language in PAGES.items():
        page = read_text(HOME / name)
        filled = fill(page, language)
        if filled == page:
            continue
        stale = True
        if check:
            print(f"{name} differs from benchmarks/results. Run: python -m benchmarks.readme")
        else:
            write_atomic(HOME / name, filled)
            print(f"{name} filled")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
