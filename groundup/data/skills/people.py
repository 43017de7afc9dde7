"""What people really typed to a chat bot, for the skills that generators know too little about.

The chatterbot dialogues (data/dialogues.py) are real, but their bot has opinions, a past and a sense of
humour that would be untrue of ours. So two things are taken from them: answers about computers, which hold
for any assistant, and people's requests on everything else, in English and Chinese, answered with our own
friendly line.
Next: mix.py, for everything that is generated.
"""

import random
from collections.abc import Sequence

from groundup.data.dialogues import Dialogue
from groundup.data.skills.scope import LINES
from groundup.tokenizer.chat import Conversation, assistant

ANSWERED = ("computers", "tech_support")
ASKED = (
    "emotion", "food", "gossip", "history", "humor", "literature", "money", "movies", "politics",
    "psychology", "science", "sports",
)  # fmt: skip
ANSWERED_SHARE = 0.2  # about twenty answers, against six hundred requests
LONGEST_ANSWER = 160  # characters; a longer one would cost as much as three other lessons


def from_people(dialogues: Sequence[Dialogue], count: int, rng: random.Random) -> list[Conversation]:
    """`count` conversations of one exchange, drawn with replacement; none if there are no dialogues."""
    english = [d for d in dialogues if d.source == "chatterbot" and d.topic in ANSWERED]
    answered = [
        Conversation(d.conversation.messages[:2])
        for d in english
        if len(d.conversation.messages[1].text) <= LONGEST_ANSWER
    ]
    asked = [_asked(d) for d in dialogues if d.topic in ASKED]
    if not answered or not asked:
        return []
    return [rng.choice(answered if rng.random() < ANSWERED_SHARE else asked) for _ in range(count)]


def _asked(dialogue: Dialogue) -> Conversation:
    """The person's first line, answered with our friendly line in its language."""
    line = LINES["zh" if dialogue.source.endswith("chinese") else "en"]
    return Conversation((dialogue.conversation.messages[0], assistant(line)))
