"""Many ways to say one thing: patterns with choices, and the accidents of how people type.

A pattern is a line of text with `[this|that|]` for a choice (nested, an empty arm means "or nothing") and
`{slot}` for what the caller fills in. About 12 % of the lines, chosen by a hash of the line, are held out:
`part="dev"` draws only from them and `part="train"` never does, so unseen wording can be measured while a
mix is being chosen.

`phrase` then does what people do: an opener, a closer, no capital, no question mark, a slip of the finger.
Does not vary the facts of a request: slots are filled after the slips are made.
Next: calculator.py, the simplest skill that uses this.
"""

# ruff: noqa: E501 (one wording a line)

import random
import re
from bisect import bisect
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate, count
from math import log2
from typing import Literal

from groundup.data.skills.split import percentile

Part = Literal["train", "dev", "all"]
HELD_OUT_PERCENT = 12
LONG_LIST = 8  # arms; in a list as long as this the common ones stand first, as lines do in a table
CHINESE_SHARE = 0.03  # of the requests of a skill that is taught mainly in English

Node = tuple["str | tuple[Node, ...]", ...]  # a sequence of literal strings and of choices between sequences


def parse(pattern: str) -> Node:
    """The pattern as nested tuples.

    >>> parse("a [b|c] d")
    ('a ', (('b',), ('c',)), ' d')
    """
    node, end = _sequence(pattern, 0)
    if end != len(pattern):
        raise ValueError(
            f"unbalanced ']' or a '|' outside brackets at character {end} of the pattern {pattern!r}"
        )
    return node


def _sequence(text: str, i: int) -> tuple[Node, int]:
    node: list[str | tuple[Node, ...]] = []
    start = i
    while i < len(text) and text[i] not in "|]":
        if text[i] != "[":
            i += 1
            continue
        if i > start:
            node.append(text[start:i])
        arms: list[Node] = []
        while text[i] in "[|":
            arm, i = _sequence(text, i + 1)
            arms.append(arm)
            if i == len(text):
                raise ValueError(f"a '[' is never closed in the pattern {text!r}")
        node.append(tuple(arms))
        i += 1
        start = i
    if i > start:
        node.append(text[start:i])
    return tuple(node), i


def draw(node: Node, rng: random.Random) -> str:
    """One of the node's strings: each arm of a choice as likely, but of a long list the first ones more so."""
    out = ""
    for piece in node:
        if isinstance(piece, str):
            out += piece
            continue
        u = rng.random()
        out += draw(piece[int(len(piece) * (u if len(piece) < LONG_LIST else u**1.7))], rng)
    return out


def variants(node: Node) -> int:
    """How many ways through the choices there are.

    >>> variants(parse("[a|b|c] [d|]"))
    6
    """
    total = 1
    for piece in node:
        total *= 1 if isinstance(piece, str) else sum(map(variants, piece))
    return total


def _weight(place: int, node: Node) -> float:
    """How often a line is drawn. A line with many ways through it more often, but not in proportion: the
    logarithm. And what people say most stands at the top of a table: the weight falls with the place, roughly
    as the frequency of words does with theirs (Zipf 1935).
    """
    return (1 + log2(variants(node))) / (1 + place / 8)


class Frames:
    """A table of patterns, one a line, the commonest first; parsed at first use."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Every pattern, in order."""
        return tuple(line.strip() for line in self.text.splitlines() if line.strip())

    @cached_property
    def _parts(self) -> dict[Part, tuple[list[Node], list[float]]]:
        nodes = [(parse(line), percentile("frame", line) < HELD_OUT_PERCENT) for line in self.lines]
        train = [node for node, held_out in nodes if not held_out]
        dev = [node for node, held_out in nodes if held_out]
        if not dev:  # a short table still needs something unseen
            dev = [train.pop()]
        parts: dict[Part, list[Node]] = {"train": train, "dev": dev, "all": [node for node, _ in nodes]}
        return {part: (some, list(accumulate(map(_weight, count(), some)))) for part, some in parts.items()}

    def draw(self, rng: random.Random, part: Part = "train") -> str:
        """One pattern of the part with its choices made; slots still open."""
        nodes, cumulative = self._parts[part]
        text = draw(nodes[bisect(cumulative, rng.random() * cumulative[-1])], rng)
        return " ".join(text.split()) if "  " in text else text  # an empty arm between two blanks

    def count(self, part: Part = "all") -> tuple[int, int]:
        """How many lines, and how many strings they can give."""
        nodes, _ = self._parts[part]
        return len(nodes), sum(map(variants, nodes))


OPENERS = Frames(
    """
    [Hey|Hi|Hello|Hiya|Heya|Yo|Hey there|Hi there|Hello there|Good morning|Good evening|Greetings][, |! |. | - ]
    [Hey|Hi|Hello][, |! ]groundup[, |! |. ]
    [OK|Okay|Ok|Alright|All right|Right|Well|So|Now|And|Um|Hmm|Er|Ah|Oh|Also|Next|Then][, | ]
    [OK|Okay|Alright|Right|Well][,|] [so|then|now|next one:|another one:][, | ]
    [Quick|Small|Simple|Easy|Short|Silly|Random|Another|One more|Next|Stupid|Tiny|Little] question[: |, | - |. ]
    [Quick one|One more|Another one|Next one|Last one|Just one thing|One thing][: |, | - ]
    [Just a|I have a|I've got a|Got a|Here is a|Here's a|A][ quick| small| simple|] question[ for you|][: |. |, ]
    [Please|Pls|Plz|please][, | ]
    [Excuse me|Sorry|Pardon|Pardon me|Sorry to bother you|Sorry to ask|Forgive me]{sep}[but |]
    [I wonder|I was wondering|I am curious|I'm curious|Just curious|Just wondering|Curious|Wondering][: |, |... | - ]
    [Can|Could|Would] you help[ me|][ out|][ please|][? |? |, ]
    [I need|I want|I could use] [some |your |a little |a bit of |][help|assistance]{sep}
    [Help me|Help|Assist me][ out|][: |, |! |. ]
    [Tell me|Let me know|Answer me|Answer this|Try this|Try this one|Here goes|Listen][: |, |. ]
    [My|The] [teacher|friend|son|daughter|kid|boss|brother|sister|mum|wife|husband|colleague] [asks|asked|wants to know|is asking][: |, ]
    [For|It's for|This is for] [my homework|a quiz|a game|school|a test|work|a friend|a crossword][: |, ]
    [Do you know this|Do you know|Any idea|Any clue][: |? |, ]
    [I forgot|I can't remember|I have forgotten|I am not sure|I'm not sure|I don't remember][: |. |, ]
    [Yes|Yeah|Yep|Sure|No|Great|Cool|Nice|Thanks|Thank you|Good|Fine|Perfect|Wow][, |! |. ]
    [Dear|My dear] [groundup|assistant|computer|machine|friend|bot][, |: ]
    [Robot|Computer|Assistant|Groundup|groundup|Bot|Buddy|Friend|Dude|Man|Sir][, |: |! ]
    [Question|Q|Task|Problem|Exercise|Request|Query|Challenge|Quiz][: | - |. ]
    [Let's see|Let me see|Let me think|Let me ask you|Let's try|Let me try]{sep}
    [I'd like to ask|May I ask|Can I ask|Could I ask|I want to ask]{sep}
    [If you can|If possible|If you don't mind|If you please|When you can|When you have a moment|If I may]{sep}
    [Honestly|Seriously|Actually|Basically|By the way|btw|BTW|Anyway|Again|Finally|First|Firstly][, | ]
    [As a test|To test you|Testing|Test|Just testing|I am testing you][: |, |. ]
    [Ready|You there|Are you there|Are you ready|Still there][? |? ]
""".replace("{sep}", "[: |, |. | - ]")
)

CLOSERS = Frames("""
    [ Thanks| Thank you| Thx| Ty| Cheers| Many thanks| Thanks a lot][!|.|]
    [ Thanks| Thank you] [in advance|so much|very much|for your help|for helping][!|.|]
    [ Please|, please| please| pls| plz][!|.|]
    [ Tell me| Do you know| Can you tell me| Any idea| What do you say| Right][?|.]
    [ I need it| I need to know| It's urgent| It is important| I'm curious| I forgot| I can't remember][.|!|]
    [ Quickly| Quick| Be quick| Just the answer| Be brief| Keep it short| Fast][.|, please.| please.]
    [ :)| ;)| :D|...| ..| !]
    [ It's| It is| This is] for [my homework|school|a quiz|a game|a test|my son|my daughter|work][.|]
    [ Go| Go ahead| Go on| Come on| Over to you| Your turn| I'm waiting| Let's go][!|.]
    [ buddy| mate| my friend| bro| man| dear| groundup][?|.|!|]
    [ Can you do that| Can you do it| Could you do that| Is that possible| Would you][?|]
    [ I'd appreciate it| I would be grateful| That would help| It would help me a lot| Much appreciated][.|!]
""")

CHINESE_OPENERS = Frames("""
    [你好|您好|嗨|哈喽|喂|嘿|早|早上好|晚上好][，|！|,|。|]
    [请问|请问一下|问一下|想问一下|我想问|我想知道|想请教一下|请教一下|麻烦问一下][，|：|]
    [那个|嗯|额|哎|呃|对了|那|那么|好|好的|好吧|另外|还有][，|…|]
    [麻烦你|麻烦|劳驾|拜托|请你|请|帮个忙|帮忙][，|]
    [问个问题|一个问题|有个问题|小问题|问你个事|问你一个问题][，|：|。]
    [小助手|机器人|朋友|groundup][，|！|：]
    [不好意思|打扰一下|打扰了|抱歉|对不起][，|]
    [我朋友|老师|我妈|我儿子|我同学][问|想知道|让我问][，|：]
""")

CHINESE_CLOSERS = Frames("""
    [，|。|]谢谢[你|您|啦|了|][！|。|]
    [，|]拜托[了|啦][！|。|]
    [吧|呀|啊|呢|嘛|哦][？|。|！|]
    [，|][可以吗|行吗|好吗|行不行|能行吗][？|]
    [，|。][快点|急|在线等|告诉我|麻烦了|辛苦了][！|。|]
    [～|~|…|！！|？？]
""")

_SLOT = re.compile(r"(\{[^}]*\})")


def slip(text: str, rng: random.Random) -> str:
    """The text with one mistyped word, outside the slots: two letters swapped, one lost, or one doubled."""
    pieces = _SLOT.split(text)
    places = [
        (p, m.start()) for p in range(0, len(pieces), 2) for m in re.finditer(r"[a-z](?=[a-z]{2})", pieces[p])
    ]
    if not places:
        return text
    p, i = places[int(rng.random() * len(places))]
    piece, kind = pieces[p], int(rng.random() * 3)
    x, y = piece[i + 1], piece[i + 2] if i + 2 < len(piece) else ""
    pieces[p] = piece[: i + 1] + (y + x, y, x + x + y)[kind] + piece[i + 3 :]
    return "".join(pieces)


def fill(text: str, slots: Mapping[str, str]) -> str:
    """The text with every `{name}` replaced.

    >>> fill("Spell {w}.", {"w": "cat"})
    'Spell cat.'
    """
    for name, value in slots.items() if "{" in text else ():
        text = text.replace("{" + name + "}", value)
    return text


def phrase(
    text: str, slots: Mapping[str, str], rng: random.Random, *, part: Part = "train", bare: float = 0.0
) -> str:
    """An English request as typed by somebody: slips, filled slots, opener, closer, case, punctuation.

    `bare` is the share that gets neither opener nor closer whatever the dice say.
    """
    u = rng.random
    if u() < 0.02:
        text = slip(text, rng)
    text = fill(text, slots)
    dressed = u() >= bare
    if u() < 0.10 and dressed:
        opener = OPENERS.draw(rng, part)
        keeps_capital = text[:2] in ("I ", "I'") or text[1:2].isupper() or not text[:1].isalpha()
        text = opener + (text if keeps_capital or u() < 0.3 else text[0].lower() + text[1:])
    if u() < 0.20 and text[-1:] in "?.!":
        text = text[:-1]
    if u() < 0.04 and dressed:
        text += CLOSERS.draw(rng, part)
    elif u() < 0.03:
        text += text[-1] if text[-1] in "?!" else "!"
    habit = u()
    if habit < 0.13:
        return text.lower()
    if habit < 0.134:
        return text.upper()
    if habit < 0.18:
        return text.replace("'", "")
    if habit < 0.19:
        return text.replace("'", "’")
    return text[0].lower() + text[1:] if habit < 0.33 else text


def chinese_phrase(
    text: str, slots: Mapping[str, str], rng: random.Random, *, part: Part = "train", bare: float = 0.0
) -> str:
    """A Chinese request as somebody might type it: filled slots, opener, closer, Western or no punctuation."""
    u = rng.random
    text = fill(text, slots)
    dressed = u() >= bare
    if u() < 0.18 and dressed:
        text = CHINESE_OPENERS.draw(rng, part) + text
    if u() < 0.25 and text[-1:] in "？。！":
        text = text[:-1]
    if u() < 0.10 and dressed:
        text = text.rstrip("？。！") + CHINESE_CLOSERS.draw(rng, part)
    if u() < 0.08:
        text = text.replace("？", "?").replace("，", ",").replace("！", "!").replace("。", ".")
    return text
