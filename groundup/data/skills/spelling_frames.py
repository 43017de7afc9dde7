"""How people ask to spell a word, and to count a letter in one. Text only; see spelling.py.

`{w}` is the word, quoted or not. `{l}` is one letter in any dress (r, 'r', R, the letter r), `{ls}` several
of it (r's, rs), `{L}` the bare letter.
"""

# ruff: noqa: E501 (one wording a line)

from groundup.data.skills.frames import Frames

WORD = Frames("""
    [{w}|{w}|{w}|{w}]
    {w}
    {w}
    {w}
    {w}
    {w}
    {w}
    {w}
    {w}
    {w}
    '{w}'
    '{w}'
    '{w}'
    "{w}"
    "{w}"
    "{w}"
    [`{w}`|“{w}”|‘{w}’]
    [**{w}**|*{w}*|({w})|<{w}>|_{w}_|「{w}」]
""")

LETTER = Frames("""
    {L}
    {L}
    {L}
    '{L}'
    '{L}'
    "{L}"
    "{L}"
    `{L}`
    ‘{L}’
    “{L}”
    {U}
    '{U}'
    "{U}"
    ({L})
    *{L}*
""")

LETTERS = Frames("""
    {L}'s
    {L}'s
    {L}'s
    {L}s
    {L}s
    '{L}'s
    '{L}'s
    "{L}"s
    "{L}"s
    `{L}`s
    {U}'s
    {U}s
    {L}’s
    {L}
    {L}
    '{L}'
    "{L}"
    letter {L}'s
    letters {L}
    letters '{L}'
    letters "{L}"
    {L} letters
    '{L}' letters
    "{L}" letters
    of the letter {L}
    of letter {L}
    of the letter '{L}'
    {L} characters
    '{L}' characters
    times {L}
    times the letter {L}
    {L}-s
""")

SPELL = Frames("""
    Spell {w}.
    Spell {w}
    Spell: {w}
    spell {w}
    Spell [the word|this word|the following word|the term|this]:[ |]{w}
    Spell the word {w}[.| for me.| please.| slowly.| aloud.| correctly.| now.|]
    Spell {w} [for me|please|now|aloud|out loud|correctly|letter by letter|slowly|properly|one letter at a time|in full][.|!|]
    Spell out {w}[.| for me.| please.| letter by letter.|]
    Spell out [the word|the letters of|the letters in|the name] {w}.
    [Can|Could|Would|Will] you [please |kindly |just |][spell|spell out] [the word |]{w}[ for me| please| out| letter by letter|]?
    [Can|Could|Would|Will] you [tell|show|teach|help] me [how to spell|to spell|how you spell|how do you spell] [the word |]{w}?
    [Can|Could] you [give|list|name|say|write|type|read|show] [me |][the|all the|all] letters [of|in] [the word |]{w}?
    [Can|Do] you [know how to spell|spell] [the word |]{w}?
    How do you spell [the word |]{w}?
    How do [I|we|people|they|you guys] [spell|write|spell out] [the word |]{w}?
    How [is|would you spell|would you write|does one spell|should I spell|should I write|can I spell|to spell|to write] [the word |]{w}[ spelled|]?
    How is [the word |]{w} [spelled|spelt|written|spelled out]?
    How's {w} [spelled|spelt|written]?
    How {w} is [spelled|spelt|written]?
    How [do|would|does] [you|one|people] write [the word |]{w}[ letter by letter| correctly| with letters]?
    How does [the word |]{w} [spell|go|look letter by letter]?
    How to [correctly |]spell {w}?
    How would [you|I|a teacher|a child] spell [the word |]{w}?
    What is the [spelling|correct spelling|right spelling|proper spelling|exact spelling] [of|for] [the word |]{w}?
    What's the [spelling|correct spelling|right way to spell|correct way to spell] [of |][the word |]{w}?
    What are the letters [in|of] [the word |]{w}?
    What [are|were] [all |][the letters|the characters] [that make up|that spell|making up|of|in|that form] {w}?
    What letters [are in|are there in|make up|spell|does one need for|do I need for|form|does it take to write] [the word |]{w}?
    What letters is [the word |]{w} made [of|from|up of]?
    What does {w} look like [letter by letter|when spelled out|spelled out|in single letters]?
    Which letters [are in|make up|spell|do I need to write|form|are used in|does it take to write] [the word |]{w}?
    Which letters does [the word |]{w} [have|contain|consist of|use]?
    [Give|Show|Tell|Send|Write|Read] me the [spelling of|letters of|letters in|letters that make up|correct spelling of] [the word |]{w}.
    [Give|Show|Tell] me how to [spell|write] [the word |]{w}.
    [Give|Show|Tell] me how {w} is [spelled|spelt|written].
    [Give|List|Name|Say|Write|Show|Print|Type|Output|Enumerate|Recite|Read out] [all |][the letters|each letter|every letter|the single letters|the characters|the individual letters] [of|in] [the word |]{w}[ in order| one by one| one at a time| separately|][.|]
    [Write|Print|Type|Say|Show|Output|Give|Put|Display] {w} [letter by letter|one letter at a time|one letter after the other|with spaces between the letters|with spaces|as single letters|as separate letters|in letters|with a space between letters|letter for letter|spelled out][.|]
    [Write|Type|Print] [out |][the word |]{w} [with a space after each letter|with spaces in between|spaced out|separated by spaces][.|]
    [Split|Break|Separate|Divide|Cut|Chop|Take|Decompose|Turn|Pull] [the word |]{w} [up |][into|to] [letters|its letters|single letters|individual letters|separate letters|characters|its characters][.|]
    [Break|Split] [down |up |][the word |]{w}[ by letter| letter by letter| letterwise][.|]
    [Go|Walk|Run|Step] through [the letters of|the letters in|the word] {w}[ one by one| one at a time| in order|].
    [I need|I want|I would like|I'd like|I need to know|I want to know|I have to know|I must know] the [spelling|letters|correct spelling] of [the word |]{w}.
    [I need|I want|I would like|I'd like|I have|I am trying|I'm trying|I must learn|I am learning] to [spell|write|learn to spell] [the word |]{w}[.|, can you help?|, how?|, please help.]
    [I need|I want|I'd like|I would like] [to know how|to learn how|to see how] [to spell|you spell|to write] {w}.
    [I want|I need|I'd like|I would like] [you |][to |]spell [the word |]{w}[ for me|].
    I want you to spell {w}[.| for me.| please.|]
    [I don't know|I forgot|I never know|I can't remember|I'm not sure|I have no idea|I am unsure] how to [spell|write] [the word |]{w}.
    [I don't know|I forgot|I never know|I'm not sure] how {w} is [spelled|spelt|written].
    [I wonder|I was wondering|I'm wondering] how [to spell|you spell|one spells|people spell] {w}.
    [I wonder|I was wondering] how {w} is [spelled|spelt].
    I can't spell {w}[.|, can you?|. Help!]
    Help me [to |]spell [the word |]{w}.
    Help me [with the spelling of|with spelling|write|to write] [the word |]{w}.
    [Please|Pls|Kindly] [spell|spell out|write the letters of|give me the letters of|give the spelling of|list the letters of] [the word |]{w}.
    [Please|Kindly] tell me [how to spell|the spelling of|the letters of] {w}.
    Would you [mind spelling|be able to spell|be so kind to spell|be so kind and spell|spell] [the word |]{w}[ for me|]?
    Do you know how [to spell|you spell|to write] [the word |]{w}?
    Do you know [the spelling of {w}|how {w} is spelled|how {w} is spelt|the letters in {w}]?
    Are you able to spell [the word |]{w}?
    Let me [see|hear|know] how you spell [the word |]{w}.
    Let me [see|have] the [letters|spelling] of {w}.
    Let's spell [the word |]{w}[.|!]
    Let's [hear|see] you spell {w}[.|!]
    [Try|Try to|Now|Next,|Today we|Quickly|Then|Go ahead and|Just] spell [the word |]{w}[.|!|]
    {w}: spell it[.|!|]
    {w}, [spell it|spelled out|letter by letter|how is it spelled|how do you spell it|how do you spell that|please spell it|can you spell it|can you spell that|what are its letters][?|.|]
    {w}. [Spell it|Spell that|Can you spell it?|How is that spelled?|Letter by letter, please|Please spell this word].
    {w} [spelling|letters|spelled|spelt|letter by letter|spell|spelled out][?|.|]
    {w} [is spelled|is spelt|is written] [how|like what|?|...]
    [The word is|My word is|Your word is|The next word is|Here is the word|The word to spell is|Next word][:|] {w}. [Spell it|Please spell it|Can you spell it?|Spell it out|How is it spelled?|Letters?]
    [Spelling|Spelling test|Spelling bee|Spelling of|Spelling for|Correct spelling of|Letters of|Letters in|The letters of|Dictation][:|] {w}[.|?|]
    [Spelling bee|Spelling test|Spelling contest|Spelling time|Spelling question][!|:|.] [Your word is|The word is|Spell|How do you spell] {w}.
    [In|At] a spelling [bee|contest|test], how [would you spell|do you spell] {w}?
    [My|Your] [task|job|word|homework] is [spelling|to spell] {w}.
    [My teacher|My son|A friend|My daughter|Somebody|My boss] [asks|asked|wants to know] how to spell {w}.
    Could I [have|get|see] the [spelling|letters] of [the word |]{w}?
    May I [have|ask for|know] the spelling of {w}?
    Can I [have|get] the letters of [the word |]{w}?
    Is there a way to spell {w}?
    If you had to spell {w}, how would you do it?
    Say {w}, letter by letter.
    Say the letters [of|in] [the word |]{w}.
    Say every letter of {w}[ in order|].
    One letter at a time, [spell|write|say] [the word |]{w}.
    Letter by letter[,|:] [spell |write |]{w}[.|]
    Letter by letter, how do you [spell|write] {w}?
    Letter for letter, what is {w}?
    S-P-E-L-L {w}
    Show me [the letters|letter by letter|how to spell|the spelling of][ of| in|] {w}[.|]
    Show the [spelling|letters] of [the word |]{w}.
    Take [the word |]{w} and [spell it|split it into letters|write its letters|give me its letters|list the letters].
    Use your letters to spell {w}.
    Teach me to spell {w}.
    Teach me how to spell [the word |]{w}.
    Remind me how to [spell|write] [the word |]{w}.
    Remind me how {w} is spelled.
    Which way do you spell {w}?
    What do you get when you spell [out |][the word |]{w}?
    Tell [me |]the letters [of|in] [the word |]{w}.
    Tell me each letter [of|in] [the word |]{w}.
    And [how do you spell |how about |what about spelling |spell |]{w}?
    What about [the spelling of|spelling] {w}?
    Now [the word|do|spell|try|try spelling] {w}[.|]
    Whats the spelling of {w}
    How u spell {w}
    how 2 spell {w}
    {w} how to [spell|write][?|]
    {w} how do you spell[?| it| this| that]
    You spell {w} how?
    You know how to spell {w}, [right|don't you]?
    Spell me {w}.
    Spell me the word {w}[, please.|.]
    Spell [it|this] for me: {w}
    Spell [this|that]: {w}.
    Spell with spaces: {w}
    [Please give|Give] the letters for {w}.
    Read {w} to me letter by letter.
    Put spaces between the letters of {w}.
    Put a space between [each letter|all letters] [of|in] {w}.
    [Insert|Add] spaces between the letters of {w}.
    Name each letter [in|of] {w}.
    Name the letters that [spell|make] {w}.
    Can you break {w} into letters?
    Can you split {w} into [its |single |]letters?
    What would {w} be if spelled [out|letter by letter]?
    How is {w} [correctly|properly|actually] [spelled|spelt|written]?
    How exactly [do you spell|is|should I spell] [the word |]{w}[ spelled|]?
    How on earth do you spell {w}?
    How come I can't spell {w}?
    [Someone|A kid|My child] needs to spell {w}[, how?|. Help.]
    The spelling of {w}[ is what| please| is|][?|]
    The letters [in|of] {w}[ are|, please|][?|]
    Spelling {w}[: how|, please|, how does it go|][?|]
    With which letters do [you|I] write {w}?
    In letters, {w} is [what|how]?
    Give a letter by letter [version|spelling|reading] of {w}.
    A letter by letter spelling of {w}[, please|][.|]
    I'm writing [a letter|an essay|a text] and need [to spell|the spelling of] {w}.
    I am writing {w}. How is [it|that] spelled?
    [I'd|I would] be [glad|happy|grateful] [for the spelling of|if you spelled|to know how to spell] [the word |]{w}.
    [It|That] would be [great|nice|helpful] [if you could spell|to know how to spell|to see the letters of] {w}.
    [Could|Can|May] I [trouble|bother|ask] you [to spell|for the spelling of|for the letters of] [the word |]{w}?
    [Someone|Somebody|Anyone], how [do you|does one] spell {w}?
    [Do|Would] me a favour and spell {w}[.|, please.|]
    [Let me|Let's] test [you|your spelling]: {w}[.|!|, letter by letter.]
    [Are|R] you [good|any good] at spelling? [Spell|Try|How do you spell] {w}[.|?]
    [Here's|Here is|There is] [a word|another word|one more word|a hard word|an easy word]: {w}. [Spell it|How is it spelled|Its letters|Letters|Now spell it][?|.|]
    [Your|The] [next|first|last] word [is|to spell is][:|] {w}[.|!|. Spell it.]
    [The|This] word[:|] {w}[. Letter by letter.|. Its spelling?|, spelled out, please.|. What letters does it have?]
    [Type|Write|Say|Read|Print] [the word |]{w} [out letter by letter|one by one letter|so that I can see each letter|slowly, letter by letter][.|, please.|]
    [Produce|Provide|Return|Display|Deliver|Output|Present] the [spelling|letters|letter sequence|individual letters] of [the word |]{w}.
    Letter by letter, what makes up {w}?
    [What's|What is] {w}[ when spelled|] letter by letter?
    [What's|What is] {w} in [single |separate |individual |]letters?
    [Dissect|Unpack|Itemize|Tokenize|Expand|Disassemble|Deconstruct] [the word |]{w} into [its |]letters.
    [The|What are the] individual [letters|characters] [of|in] {w}[?| please|, please.]
    [Tell|Show|Teach|Explain to] [my son|my daughter|my child|us|the class|her|him] how [to spell|you spell] {w}.
    [Have|Make] {w} spelled[ out|][.|, please.|]
    [Every|Each] letter of {w}[, please|, in order|, one by one|][.|]
    Want to spell {w}[.|, how do I do it?]
    Wanna spell {w} for me?
    Gimme the [letters|spelling] of {w}.
""")

# "How many" is by far the commonest way, so it has many lines of its own.
COUNT = Frames("""
    How many {ls} [are in|are there in|in|are inside|are found in] [the word |]{w}?
    How many {ls} [are in|are there in|in|does it have in|do you see in|do you find in|can you find in|can you count in|do you count in|appear in|occur in|exist in] {w}?
    How many {ls} [does|do] [the word |]{w} [have|contain|include|hold|use|got|has|show]?
    How many {ls} [has|contains|in] [the word |]{w}[ got|]?
    How many {ls} [are needed|do I need|does one need|do you need] to [spell|write] [the word |]{w}?
    How many {ls} [is|are] [there |]in [the word |]{w}?
    How many {ls} [will|would|can|do|did] [I|you|we|one] [find|see|count|get|have] in [the word |]{w}?
    How many {ls} [are in|in] the [spelling of|name|string|text|term|noun] {w}?
    How many {ls} [are there|there are], in [the word |]{w}?
    How many {ls} [please|total|overall|altogether] in {w}?
    How many {ls} in total are [there |]in [the word |]{w}?
    How many {ls} {w} [has|have|contains|got][?|]
    How many [times|time] [does|do|is|did] [the letter |letter |the character |]{l} [appear|occur|show up|come up|come|turn up|repeat|happen|exist|feature] in [the word |]{w}?
    How many times [is|do I see|do you see|can I find|can you find|do we use|do you use|do you write|must I write|do I write] [the letter |letter |]{l} in [the word |]{w}?
    How many times [is|was] [the letter |letter |]{l} [used|found|present|written|repeated|contained] in [the word |]{w}?
    How many times [the letter |]{l} [appears|occurs|is|comes] in {w}?
    How many times [does|do] [the word |]{w} [contain|have|use|include] [the letter |letter |an |a |]{l}?
    How many times in [the word |]{w} [does|is] [the letter |]{l} [appear|occur|used|there|found]?
    How many [of the letters|letters|characters|of its letters|of the characters] [in|of] [the word |]{w} are [the letter |an |a |]{l}?
    How many letters {l} [are in|are there in|does it have in|do you see in|in] [the word |]{w}?
    How many letters {l} does [the word |]{w} [have|contain]?
    How many letters [in|of] {w} [are|equal|match] {l}?
    How many [occurrences|instances|copies|appearances|cases|examples] of [the letter |letter |the character |]{l} [are in|are there in|in|does it have in|do you find in|can you find in] [the word |]{w}?
    How many [occurrences|instances] of {l} does {w} [have|contain]?
    How often [does|is|do|did] [the letter |letter |the character |]{l} [appear|occur|used|come up|show up|found|come|there|turn up|written] in [the word |]{w}?
    How often do [you|I|we] [find|see|write|use|meet|have] [the letter |]{l} in [the word |]{w}?
    How often is there [an |a |the letter |]{l} in [the word |]{w}?
    How frequently does [the letter |]{l} [occur|appear] in [the word |]{w}?
    Count the {ls} in [the word |]{w}[.| for me.| please.|]
    Count [all |all the |every |each |]{ls} in [the word |]{w}[.|]
    Count [the letter |letter |every |each |]{l} in [the word |]{w}[.| for me.| please.|]
    Count how many {ls} [are in|there are in|are there in|you see in|you find in|appear in|are contained in] [the word |]{w}.
    Count how [often|many times] [the letter |]{l} [appears|occurs|is|is used|comes up] in [the word |]{w}.
    Count the [number|amount|occurrences|instances|appearances|quantity] of [the letter |letter |letters |]{l} in [the word |]{w}.
    Count [occurrences|instances] of [the letter |]{l} in {w}.
    Count: {l} in {w}
    Count {l} [in|within|inside] {w}
    Counting [task|question|time][:|,|.] [{l} in {w}|how many {ls} in {w}?|{ls} in {w}]
    [Can|Could|Would|Will] you [please |kindly |][count|find|count up|tally|add up] [the |all the |all |]{ls} in [the word |]{w}[ for me|]?
    [Can|Could|Would|Will] you [please |][tell|show] me how many {ls} [are in|there are in|are there in|are contained in|appear in] [the word |]{w}?
    [Can|Could|Would] you [please |][tell me|say|count|check|find out|work out] how [often|many times] [the letter |]{l} [appears|occurs|is|comes up] in [the word |]{w}?
    [Can|Could|Would] you count [the letter |letter |how many times you see |]{l} in [the word |]{w}?
    [Can|Could|Do] you [see|find|count|spot] [any |all the |]{ls} in {w}, [how many|and how many]?
    [Tell|Show] me how many {ls} [are in|there are in|are there in|you see in|are contained in|appear in] [the word |]{w}.
    [Tell|Show] me how many {ls} [the word |]{w} [has|contains|includes|uses].
    [Tell|Show] me how [often|many times] [the letter |]{l} [appears|occurs|is|is used|shows up|comes] in [the word |]{w}.
    [Tell|Give|Show] me the [number|count|total|amount|total number|exact number] of {ls} in [the word |]{w}.
    [Tell|Give|Show] me the [number of times|number of occurrences of|count of] [the letter |letter |]{l} [appears |is |occurs |]in [the word |]{w}.
    What is the [number|count|total|amount|total number|exact number|quantity] of {ls} in [the word |]{w}?
    What's the [number|count|total|amount] of {ls} in [the word |]{w}?
    What's the [count|frequency|number|number of occurrences|amount] of [the letter |letter |]{l} in [the word |]{w}?
    What is the [frequency|letter count|count|number of occurrences|total count] [of|for] [the letter |letter |]{l} in [the word |]{w}?
    What number of {ls} [does|do] [the word |]{w} [have|contain]?
    What number of {ls} [is|are] in [the word |]{w}?
    [Find|Determine|Compute|Calculate|State|Report|Give|Output|Return|Get|Write] the [number|count|amount|total] of {ls} in [the word |]{w}.
    [Find|Determine|Compute|Calculate|Work out|Figure out|Say|Check|See] how many {ls} [are in|there are in|are there in] [the word |]{w}.
    [Find|Determine|Figure out|Check|See|Say] how [often|many times] [the letter |]{l} [occurs|appears|is] in [the word |]{w}.
    [Find|Look for|Search for|Spot|Locate|Mark|Tally|Number|Add up] [all |all the |every |each |the |][{l}|{ls}] in [the word |]{w}[ and count them| and tell me how many| and say how many|, how many are there].
    [I want|I need|I'd like|I would like] to [know|count|find out|see|find] how many {ls} [are in|there are in|are there in] [the word |]{w}.
    [I want|I need|I'd like|I would like] to [count|know the number of|find the number of|know the count of] [the |all |]{ls} in [the word |]{w}.
    [I want|I need|I'd like|I would like] the [number|count|total|amount] of {ls} in [the word |]{w}.
    [I wonder|I was wondering|I'm wondering|I'd like to know|I want to know|I forgot] how many {ls} [are in|there are in|are there in|are contained in] [the word |]{w}.
    [I wonder|I was wondering|I want to know|I'd like to know] how [often|many times] [the letter |]{l} [occurs|appears|is|is used] in [the word |]{w}.
    [I don't know|I'm not sure|I can't tell|I never know] how many {ls} [are in|there are in|there are in the word|the word has in] {w}.
    [I think|I believe|I guess] [the word |]{w} has [some|a few|several|two|three|many|one] {ls}. [How many is it|How many really|Is that right, or how many|How many are there]?
    [Do you know|Any idea|Can you guess|Can you say|Do you see] how many {ls} [are in|there are in|are there in] [the word |]{w}?
    Do you know how [often|many times] [the letter |]{l} [appears|occurs|is] in [the word |]{w}?
    [Help me|Help me to|Let's|Let us|Please|Pls|Kindly|Now|Try to] count [the |all the |all |]{ls} in [the word |]{w}.
    [Help me|Help me to|Let's|Please|Now|Try to] count [the letter |]{l} in [the word |]{w}.
    Please [tell me|say|count|check|find] how many {ls} [are in|there are in|are there in] [the word |]{w}.
    Would you mind counting [the |]{ls} in [the word |]{w}?
    Would you be able to [count|tell me the number of] [the |]{ls} in {w}?
    Are there [any|some|many|a few|more than one|two|several] {ls} in [the word |]{w}? [How many?|If so, how many?|And how many?|Count them.|How many are there?]
    Is there [an |a |the letter |]{l} in [the word |]{w}[, and how often|, and how many times|? How many|? How often|, how many]?
    Does [the word |]{w} [have|contain|include] [the letter |an |a |any |]{l}[, and how many|, and how often|? How many times|? How many]?
    In [the word |]{w}, how many {ls} [are there|do you see|can you find|are in it|do you count|exist|appear]?
    In [the word |]{w}, how [often|many times] [does|is] [the letter |letter |]{l} [appear|occur|used|come up|found|show up|there]?
    In [the word |]{w}, count [the letter |the |][{l}|{ls}].
    In {w}[, | ][the letter |]{l} [appears|occurs|is there|comes] how [often|many times]?
    In {w} there are how many {ls}?
    [The word |]{w} [has|contains|includes] how many {ls}?
    [The word |]{w}[:|,| -|.] how many {ls}[ does it have| are there| are in it| do you see| does it contain|]?
    [The word |]{w}[:|,|.] how [often|many times] [does it have|is there|do you see|does it contain|do we see] [the letter |]{l}?
    [The word is|My word is|Take the word|Look at the word|Consider the word|Take|Look at|Consider|Given|Here is a word:] {w}[. |, ][How many {ls} [are in it|does it have|are there|do you see]|Count the {ls}|How often does {l} appear|Count {l}]?
    For [the word |]{w}, [how many {ls} are there|count the {ls}|give the number of {ls}|count {l}|how often is {l} used][?|.]
    {ls} in [the word |]{w}[: how many|, how many|? How many|, count them| - how many| count|][?|]
    {l} in [the word |]{w}[: how many|, how many|, how often|: how often|, how many times|: how many times| count][?|]
    Number of {ls} in [the word |]{w}[?|.|]
    [Number of times|How often|Count of|Frequency of|Occurrences of|Total of|Amount of|Letter count of|Letter count,] {l} in [the word |]{w}[?|.|]
    [Letter|Letter:|Letter =] {l}[, |; | ][word|word:|word =] {w}. [How many?|Count it.|How often?|Count?]
    [Word|Word:|word =] {w}[, |; | ][letter|letter:|letter =] {l}. [How many?|Count it.|How often?|Count?]
    How much {ls} [are in|is in|are there in|in|does it have in] [the word |]{w}?
    How much {ls} [does|has] {w} [have|got]?
    How many {ls}[ do you see| are there|]: {w}[?|]
    count {ls} {w}
    count {l} {w}
    how many {ls} {w}
    howmany {ls} in {w}
    # {ls} in {w}
    #{l} in {w}?
    {w} [number of {ls}|count {l}|how many {ls}|{l} count][?|]
    {w} has how many {ls}?
    {w} contains how many {ls}?
    {w} - {l}, how many?
    [Spell|Write] [the word |]{w} and [count the {ls}|tell me how many {ls} it has|count how often {l} appears|say how many {ls} there are].
    [Go|Look] through [the word |]{w} and count [the {ls}|how many {ls} it has|every {l}|each {l}].
    If [I|you|we] [spell|write|look at|count in] [the word |]{w}, how many {ls} [do I|do you|will I|are there|do we] [write|see|use|have|get|count]?
    If [I|you] count the {ls} in {w}, [what do I get|how many are there|what number is it|how many do you get]?
    When [I|you|we] [spell|write|type] [the word |]{w}, how [often|many times] do [I|you|we] [write|type|use|need|press] [the letter |]{l}?
    What about {ls} in [the word |]{w}?
    And how many {ls} [are in|in|are there in] [the word |]{w}?
    And {ls} in {w}?
    Now count {ls} in {w}.
    [My|The] [teacher|friend|son|daughter|boss|kid] [asks|asked|wants to know|asked me] how many {ls} [are in|there are in] [the word |]{w}.
    [My homework|The exercise|The quiz|The question|The riddle] is[:| to count] [how many {ls} are in {w}|the {ls} in {w}][.|?]
    Out of the letters [in|of] {w}, how many are {l}?
    Of the letters in [the word |]{w}, how many are [the letter |an |a |]{l}?
    Among the letters of {w}, how often [is there|do you see|comes] [an |a |]{l}?
    Looking at [the word |]{w}, how many {ls} [do you see|are there|can you count]?
    [Scan|Check|Inspect|Read|Examine|Analyse] [the word |]{w} [for {l} and count|and count the {ls}|for {ls}. How many?|for the letter {l}: how many?]
    How many {ls} would [a|the] word like {w} have?
    How many {ls} [go|fit|hide|are hidden] in [the word |]{w}?
    How many {ls} [make up|go into] [the word |]{w}?
    Exactly how many {ls} are [there |]in [the word |]{w}?
    Precisely how [often|many times] does {l} [occur|appear] in {w}?
    Total {ls} in {w}?
    Total number of {ls} in [the word |]{w}?
    The number of {ls} in [the word |]{w}[ is| is what| equals| please|, please|][?|]
    The letter {L} [appears|occurs|is|comes|is found|shows up] how [often|many times] in [the word |]{w}?
    The letter {L} in [the word |]{w}, how [often|many times|many]?
    [Quick|Riddle|Puzzle|Trick question|Test|Quiz|Challenge][:|,|!|.] how many {ls} [are in|in|are there in] [the word |]{w}?
    You [have to|must|should|can|will] count the {ls} in [the word |]{w}.
    [Perform|Do|Make] a [letter count|count] [for|of] {l} in [the word |]{w}.
    I [see|count|find|have] [some|two|many|one|several] {ls} in {w}, [how many do you see|what do you count|and you|how many are there]?
    I'm counting {ls} in {w}[.|, how many should I get?|, what's the answer?]
    Let me know how many {ls} [are in|there are in] [the word |]{w}.
    May I [know|ask] how many {ls} [are in|there are in] {w}?
    Mind counting the {ls} in {w}?
    To write {w}, how many {ls} [do I need|must I use|are needed]?
    With how many {ls} do [you|I|we] [write|spell] [the word |]{w}?
    [I'd|I would] be [glad|happy|grateful] to know how many {ls} [are in|there are in|are there in] [the word |]{w}.
    [It|That] would be [great|nice|helpful] to know how many {ls} {w} has.
    [Could|Can|May] I [trouble|bother|ask] you [to count|for the number of|to tell me the number of] {ls} in [the word |]{w}?
    [Someone|Somebody|Anyone], how many {ls} [are in|in] {w}?
    [Do|Would] me a favour and count the {ls} in {w}[.|, please.|]
    [Let me|Let's] test [you|your counting]: [how many {ls} in {w}|{ls} in {w}|count the {ls} in {w}][?|.|]
    [Are|R] you [good|any good] at counting? [How many {ls} in {w}|Count the {ls} in {w}|How many {ls} does {w} have][.|?]
    [Here's|Here is] [a word|another word|a word for you]: {w}. [How many {ls}|How many times {l}|Count the {ls}|The number of {ls}][?|.|]
    [Give|Tell|Show] me [how often|how many times] {w} [has|uses|contains|includes] [the letter |letter |][{l}|an {l}].
    [The|This] word[:|] {w}. [The|This] letter[:|] {l}. [How many|Count|How often|How many times][?|.|]
    How many [of them|times] is {l} [among|in] the letters of {w}?
    How many [letter|character] {L} [in|are in|are there in] [the word |]{w}?
    How many [single |individual |separate |different |little |]{ls} [are|can be found|could be counted|will you find] in [the word |]{w}?
    How many {ls} [is|are] {w} [made|built|composed] [of|with]?
    How many {ls} [must|should|would|do] [I|one|you] [type|write|put|use] [for|in|when spelling] {w}?
    How many {ls} [occur|appear|show up|exist|come|are used|are written|are present|are included|are contained|can be seen] in [the word |]{w}?
    How many {ls} [occur|appear|show up|come up] [when you spell|when spelling|if you spell] {w}?
    [What|How much|How high] is the [letter count|count|tally|frequency] [of|for] {l} in [the word |]{w}?
    [Produce|Provide|Return|Display|Report|Output|State] [the number of|the count of|a count of|how many] {ls} in [the word |]{w}.
    [Go|Run] [over|through] {w} [letter by letter |]and count [the |all ]{ls}.
    [Letter by letter|One by one|Carefully|Slowly], count the {ls} in {w}.
    {w} is spelled with how many {ls}?
    {w} is [written|spelled|spelt] with [what number of|how many] {ls}?
    [Spelling|Writing|Typing] {w}[,| |, then,] how many {ls} [do I need|are there|do you use]?
    [Within|Inside] [the word |]{w}, how many {ls} [are there|do you see|are hidden|do you find]?
    [I'd|I would] like [to know |][the number of|a count of|how many times you see] {ls} in {w}.
    [Would|Could|Can] you [check|verify|confirm|see|determine|establish] [how many {ls} are in|how often {l} is in|the number of {ls} in] [the word |]{w}?
    Does {w} have one {L}, two {L}s or more? Count them.
    Is it [one|two] {ls} or [two|three] in {w}?
    [Am I right that|Is it true that] {w} has [one|two|three] {ls}? [Count them.|How many?|How many are there?]
""")

SPELL_CHINESE = Frames("""
    [怎么|如何|怎样]拼[写|]{w}[？|?|]
    {w}[怎么拼|怎么拼写|如何拼写|怎么写|的拼写是什么|的拼写|是怎么拼的|怎样拼写|由哪些字母组成|有哪些字母|包含哪些字母|的字母有哪些|的字母是什么|拼一下|怎么一个字母一个字母地写][？|?|]
    [单词|英文单词|这个单词|英语单词|词语|单词：]{w}[怎么拼|怎么拼写|如何拼写|的拼写是什么|是怎么拼的|由哪些字母组成|有哪些字母|怎么写][？|?|]
    [请|帮我|请帮我|麻烦你|麻烦|你来|试着|请你][拼一下|拼写|拼写一下|拼出|写出|念出][单词|英文单词|这个单词|]{w}[。|的每个字母|的字母|]
    [拼写|拼一下|拼出|拼|请拼写|请拼读|逐字母拼写|逐个字母写出|按字母拼出|拼写单词][：|，|]{w}[。|]
    [你能|你可以|可以|能|能不能|你会|会不会][拼一下|拼写|拼出|拼写一下|帮我拼一下|拼]{w}[吗|么][？|]
    [告诉我|请告诉我|教我|说说|我想知道|我要学]{w}[怎么拼|怎么拼写|的拼写|由哪些字母组成|怎么写|的字母][。|吧|]
    [把|请把|帮我把]{w}[拆成字母|分成字母|按字母拆开|一个字母一个字母地写出来|拼出来|的字母列出来|拼写出来|逐个字母拼出来][。|]
    [列出|说出|写出|给出|给我][单词|]{w}[的字母|的每个字母|的所有字母|里的字母|的拼写][。|]
    我[不会拼|不知道怎么拼|忘了怎么拼|不会写]{w}[。|，怎么拼？|，帮帮我。|]
""")

COUNT_CHINESE = Frames("""
    {w}[里|里面|中|这个单词里|这个词里|这个单词中|里头|当中|中间|]有[几个|多少个|几个字母|多少个字母|多少|几个小写]{L}[？|?|]
    [单词|英文单词|这个单词|英语单词|]{w}[里|里面|中|当中|里头][有|一共有|总共有|包含|含有|共有|出现了][几个|多少个|几个字母|多少个字母|多少]{l}[？|?|]
    {w}[里|里面|中|][字母|]{l}[出现了几次|出现几次|出现多少次|有几个|有多少个|出现了多少次|的个数|的数量是多少|的个数是多少|一共有几个][？|?|]
    [字母|]{l}在[单词|]{w}[里|中|里面|][出现了几次|出现几次|出现多少次|有几个|有多少个|出现了多少次][？|?|]
    [数一下|数一数|请数一下|帮我数一下|帮我数|请数|数数|统计一下|请统计|计算一下|算一下][单词|]{w}[里|中|里面][有几个|有多少个|的|字母|][字母|]{L}[。|的个数|]
    [你能|你可以|可以|能|能不能|][数一下|数数|数出|告诉我]{w}[里|中|里面][有几个|有多少个]{l}[吗|么][？|]
    [告诉我|请告诉我|我想知道|请问|你知道|说说]{w}[里|中|里面][有几个|有多少个|有几个字母|有多少个字母]{l}[。|？|]
    {w}，[有几个|几个|多少个|数一下]{L}[？|]
    {w}[这个词|这个单词|][用了|含|含有|需要|带][几个|多少个]{l}[？|]
    [写|拼]{w}[要|需要][用几个|几个|多少个]{l}[？|]
    [在|]{w}[中|里|里面][，|][字母|]{l}[有几个|出现几次|出现了多少次|一共几个][？|]
    {l}的个数：{w}
""")
