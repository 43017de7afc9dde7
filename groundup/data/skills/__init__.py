"""Conversations that teach the chat model its skills, made by grammars rather than collected.

Read skill.py for what a skill promises, split.py for what is kept for the exam, frames.py for how one
request is said in thousands of ways; then a skill with its table of wordings (calculator, spelling, facts,
smalltalk, scope, columns), and mix.py.
"""
