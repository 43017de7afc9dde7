"""How people ask for a capital, a character's play, a president. Text only; see facts.py.

`{x}` is the country or the character; `{n}` a president's number in digits, `{nth}` as an ordinal (16th,
sixteenth).
"""

# ruff: noqa: E501 (one wording a line)

from groundup.data.skills.frames import Frames

CAPITAL = Frames("""
    [What is|What's|Whats|What was] the capital of {x}?
    [What is|What's|Whats] the capital [city |][of|in|for] {x}?
    [What is|What's|Whats] the [name of the |]capital[ city|] of {x}[ called|]?
    [What is|What's|Whats] {x}'s capital[ city|]?
    [What is|What's] {x}'s [capital|capital city|seat of government] called?
    [What is|What's] the [seat of government|main city|official capital|administrative capital|national capital] [of|in] {x}?
    [What|Which] city is the capital of {x}?
    [What|Which] city is {x}'s capital?
    [What|Which] city is the capital [city |][of the country |of the nation |]{x}?
    [What|Which] city [serves as|acts as|is known as|functions as|was chosen as] the capital of {x}?
    [What|Which] city [does|do] {x} have as [its|the|a] capital?
    [What|Which] [town|place] is the capital of {x}?
    [What|Which] capital [does|belongs to|is in|has] {x}[ have|]?
    [What|Which] is the capital[ city|] of {x}?
    [What|Which] is {x}'s capital?
    In [what|which] city [is the government of {x}|does the government of {x} sit|is {x} governed from|do you find the government of {x}|is the seat of {x}'s government]?
    Where is the [capital|capital city|government|seat of government] of {x}[ located| situated|]?
    Where is {x}'s [capital|government|capital city]?
    Where does the government of {x} [sit|meet|live]?
    [Tell|Give|Show] me the [capital|capital city|name of the capital] of {x}.
    [Tell|Give|Show] me {x}'s capital[ city|].
    Tell me [what|which city] the capital of {x} is.
    Tell me what {x}'s capital is.
    Tell me [which|what] city is [the capital of {x}|{x}'s capital].
    [Name|State|Say|Write|Give|Identify|Find] the capital[ city|] of {x}.
    [Name|State|Say|Give] {x}'s capital[ city|].
    [Can|Could|Would|Will] you [please |kindly |][tell|give|name|show|say to] me the capital[ city|] of {x}?
    [Can|Could|Would|Will] you [please |][tell me|say|name] [what|which city] the capital of {x} is?
    [Can|Could|Would] you [name|tell me|say|remind me of] [{x}'s capital|the capital of {x}]?
    [Can|Could] you [help me with|find] the capital of {x}?
    [Please|Kindly] [tell me|name|give me|say] the capital of {x}.
    Please [tell me|name] {x}'s capital.
    Do you [know|remember|happen to know] the capital[ city|] of {x}?
    Do you [know|remember] [what|which city] the capital of {x} is?
    Do you know {x}'s capital[ city|]?
    Do you know [what|which city] is the capital of {x}?
    [I want|I need|I'd like|I would like] to [know|learn|find out] the capital[ city|] of {x}.
    [I want|I need|I'd like|I would like] to know [what|which city] [the capital of {x} is|is the capital of {x}].
    [I want|I need|I'd like] [the capital of {x}|{x}'s capital].
    [I wonder|I was wondering|I'm wondering|I forgot|I don't know|I can't remember|I'm not sure] [what|which city] [the capital of {x} is|is the capital of {x}|{x}'s capital is].
    [I forgot|I can't remember|I don't know|I'm looking for|I am looking for] the capital of {x}.
    [Any idea|Can you guess|Guess|Remind me|Have you any idea] [what|which city] [the capital of {x} is|is the capital of {x}|{x}'s capital is]?
    The capital[ city|] of {x} is[...| what?| which city?| which one?| called?|?|:| called what?| _|]
    {x}'s capital[ city|] is[...| what?| which city?|?|:|]
    {x}'s capital[ city|][?|, please.|: what is it?|]
    {x}[,|:|;|.] [capital|what is its capital|what's the capital|capital city|which capital|its capital|name the capital][?|]
    {x} capital[ city| name| is|][?|]
    {x} has [which|what] [capital|city as its capital][ city|]?
    {x} is [governed|ruled] from [which|what] city?
    Capital[ city|] of {x}[?|.|, please.| please| is|: ?|]
    [The|the] capital of {x}[?|, please.| please|]
    Capital[:|,|?| -] {x}[?|]
    Capital for {x}?
    Country: {x}. [Capital?|Capital:|What is the capital?]
    [Geography|Quiz|Question|Trivia|Test|Quiz question|Geography question][:|.|!|,] [what is |name |][the |]capital of {x}[?|.]
    [For|About] the country {x}, [what|which] [city |]is the capital?
    [For|About|Of|In] {x}, [what|which] [city |]is the capital[ city|]?
    If I [go|travel|fly] to the capital of {x}, [where am I|which city am I in|what city is that]?
    If I [want to see|visit] the capital of {x}, [where do I go|which city do I visit]?
    I [live|am|travel] in {x}. What is [the|our|its|my] capital?
    Teach me the capital of {x}.
    Let me know the capital[ city|] of {x}.
    May I [know|ask] [the capital of {x}|what the capital of {x} is]?
    What do [you|they|people|we] call the capital of {x}?
    What do you know about the capital of {x}, [what is it|which city is it]?
    What city [would be|must be|might be|should I call] the capital of {x}?
    What's {x}'s main city of government?
    How is the capital of {x} [called|named]?
    How do you call the capital of {x}?
    And [the capital of |what is the capital of |what's the capital of ]{x}?
    And {x}'s capital?
    Now [the capital of {x}|{x}'s capital].
    What about the capital of {x}?
    How about {x}'s capital?
    My [son|daughter|friend|teacher|homework|neighbour] [asks|wants to know|asked me] [for |][the capital of {x}|what the capital of {x} is].
    [You|Surely you] [must|should] know the capital of {x}[.|!|?]
    Which of the world's cities is the capital of {x}?
    Which [European |African |Asian |world |]capital belongs to {x}?
    Which city do [you|we|people] call the capital of {x}?
    whats the capitol of {x}
    what is the capitol of {x}?
    In {x}, [what|which] [city|town] is the capital?
    In {x}, where does the government sit?
    The country is {x}. [Which city is its capital|What is the capital|Name its capital|And the capital][?|.]
    [The|What] city that is the capital of {x}[?| is?| please]
    The government of {x} sits in [which|what] city?
    The president of {x} sits in the capital, which city is it?
    Name the city that is {x}'s capital.
    Name the [main|capital] city of {x}.
    Look up the capital of {x}.
    Complete: the capital of {x} is [...|_|___]
    Fill in: {x}'s capital is [...|_|___]
    What would I call the capital of {x}?
    What would you say is the capital of {x}?
    Is there a capital of {x}? [Which|What is it][?|]
""")

PLAY = Frames("""
    [In |][which|what] play [does|did] {x} [appear|occur|play|feature|act|live|show up|come up|turn up|figure][ in|]?
    [In |][which|what] play is {x}[ a character| found| to be found|]?
    [In |][which|what] [play by Shakespeare|Shakespeare play|of Shakespeare's plays|play of Shakespeare|Shakespearean play|work by Shakespeare|Shakespeare drama|drama] [does|do we find|do we meet|can we find|is] {x}[ appear| occur|]?
    [Which|What] play [has|contains|includes|features|stars|mentions|is about|is home to|tells of|introduces] {x}?
    [Which|What] [Shakespeare play|play by Shakespeare|of Shakespeare's plays|drama|work of Shakespeare] [has|contains|includes|features] {x}[ in it| as a character|]?
    [Which|What] play has [a|the] [character|role|figure|person] [called|named] {x}?
    [Which|What] play [features|has] {x} as [a|one of its] character[s|]?
    [Which|What] play is {x} [from|in|part of|a character in|a character of|a character from|a role in|associated with]?
    [Which|What] play [does|do] {x} [belong to|come from|appear in|live in|star in|feature in|play in|go with|act in]?
    [Which|What] [Shakespeare play|drama|work|play by Shakespeare|tragedy or comedy] [does|do] {x} [belong to|come from|appear in]?
    [Which|What] [Shakespeare play|drama|work|play by Shakespeare] is {x} [from|in]?
    [Which|What] play[ by Shakespeare|] [was|is] {x} [written for|taken from|out of]?
    [From|To] [which|what] play [does {x} come|is {x}|does {x} belong|belongs {x}|comes {x}]?
    From [which|what] [Shakespeare |]play do [we|you|I] know {x}?
    Where [does|did] {x} [appear|come from|belong|show up|occur|play]?
    Where in Shakespeare [is|do I find|do you find|does one meet|can I find|do we meet] {x}?
    Where [is|do we know|do I know] {x} from?
    In [which|what] [piece|drama|work|tragedy|comedy|book|story] [does|is|do we meet|do we find] {x}[ appear| found|]?
    [Who|What] is {x}, and in which play?
    [Who|What] [is|was] {x} in Shakespeare[, which play|]?
    [Who|What] [is|was] {x} in Shakespeare's [plays|work|works]?
    [Who|What] [is|was] the character {x}, [from which play|which play is it|in which play]?
    [Tell|Show] me [which|what] play {x} [is in|is from|appears in|belongs to|comes from|features in|is a character in].
    [Tell|Show] me in [which|what] play {x} [appears|is|occurs|can be found].
    [Tell|Give] me the [play|Shakespeare play|name of the play|title of the play] [with|that has|of|where we meet|in which we meet] {x}.
    [Tell|Give] me {x}'s play.
    [Name|State|Say|Give|Find|Identify] the [play|Shakespeare play|drama] [with|that has|that contains|that features|where you meet|where we find|of|in which we meet] {x}.
    [Name|State|Say|Give] the play [in which|where] {x} [appears|is found|occurs|has a role].
    [Name|Give] {x}'s play.
    [Can|Could|Would|Will] you [please |][tell me|say|name] [which|what] play {x} [is in|is from|appears in|belongs to|comes from]?
    [Can|Could|Would|Will] you [please |][tell me|name|give me] the play [with|of|that has] {x}?
    [Can|Could] you [tell me|say] where {x} [appears|comes from|belongs]?
    [Can|Could] you [tell me|say] in which play [I find |we meet |you meet ]{x}?
    [Please|Kindly] [tell me|name|say] [which play {x} is in|the play of {x}|{x}'s play|which play {x} appears in].
    Do you [know|remember|happen to know] [which|what] play {x} [is in|is from|appears in|belongs to|comes from]?
    Do you [know|remember] in [which|what] play {x} [is|appears|occurs]?
    Do you know [the play of|the play with|where I find] {x}?
    Do you know {x}'s play?
    Do you know {x}? [Which play?|Which play is it?|From which play?|What play is that from?]
    [I want|I need|I'd like|I would like] to know [which|what] play {x} [is in|is from|appears in|belongs to|comes from].
    [I want|I need|I'd like] to know [in which play {x} appears|where {x} appears|the play of {x}].
    [I wonder|I was wondering|I'm wondering|I forgot|I don't know|I can't remember|I'm not sure] [which|what] play {x} [is in|is from|appears in|belongs to|comes from].
    [I wonder|I forgot|I don't know] in [which|what] play {x} [is|appears|occurs].
    [I'm|I am] looking for the play [with|of] {x}.
    I [saw|read about|heard of|like|met] {x}[ on stage|]. [Which|What] play was [that|it]?
    I am [playing|reading|studying] {x}. [Which|What] play am I in?
    [Any idea|Can you guess|Guess|Remind me] [which|what] play {x} [is in|is from|appears in]?
    {x} [appears|is|features|occurs|plays|acts|is a character|is found|is a role] in [which|what] [play|Shakespeare play|drama|work]?
    {x} [is|comes] from [which|what] [play|Shakespeare play|drama|work]?
    {x} [appears in|is a character in|is from|is in|comes from|belongs to] [the play |][...|?|:|_|___]
    {x} belongs to [which|what] [play|drama|Shakespeare play]?
    {x}[,|:|;|.| -] [which play|what play|from which play|in which play|which Shakespeare play|name the play|play|where from|the play is]?
    {x} [play|Shakespeare|Shakespeare play|which play|what play|play name]?
    {x} is a character in [which|what] play?
    {x} is a [character|person|role] by Shakespeare. [Which|What] play?
    [The|the] play [with|of|that has] {x}[?|, please.| please| is| is called|]
    [Play|Drama] [with|of|featuring|containing] {x}[?|]
    Play[:|?|,] {x}
    Character: {x}. [Play?|Play:|Which play?]
    Shakespeare[:|,| -] {x} [is in|is from|appears in|belongs to] [which|what] play?
    Shakespeare['s|] {x}[:|,] which play?
    [Quiz|Question|Trivia|Literature|Literature question|Test][:|.|!|,] [which|what] play [is {x} in|is {x} from|has {x}]?
    The character {x} [appears in|is in|is from|belongs to|comes from] [which|what] play?
    The character {x}[:|,] [which play|in what play|from which play][?|]
    [What is|What's] the [play|name of the play|title of the play|Shakespeare play|drama] [with|of|where we meet|that has|in which we find] {x}[ in it| called|]?
    [What is|What's] the play [in which|where] {x} [appears|is found|has a part|plays|is a character]?
    [What is|What's] {x}'s play[ called|]?
    [What|Which] play [should|must|do|can] I [read|see|watch|open] to [meet|find|see] {x}?
    If I want to [see|meet|read about] {x}, [which|what] play [do I need|should I see|must I read]?
    [Which|What] Shakespeare [play|work] [would|can|will] I find {x} in?
    [Which|What] play [would|can|could] [I|you|we] [find|meet|see|read about] {x} in?
    [Which|What] play did Shakespeare [write about|write with] {x}[ in it|]?
    Shakespeare [wrote about|created|invented] {x} for [which|what] play?
    In [which|what] play did Shakespeare [put|write about|use|place|introduce|create] {x}?
    In [which|what] Shakespeare [play |]would I [find|meet] {x}?
    [What|Which] is the play that {x} [is in|belongs to|comes from|appears in]?
    Let me know [which|what] play {x} is [in|from].
    May I [know|ask] [which|what] play {x} is [in|from]?
    And {x}, [which play|what play|in which play|from which play]?
    And in [which|what] play [is|does] {x}[ appear|]?
    Now [the play of {x}|{x}'s play].
    What about {x}, which play?
    How about {x}'s play?
    My [son|daughter|friend|teacher|homework] [asks|wants to know|asked me] [which|what] play {x} is [in|from].
    Who wrote about {x} and in [which|what] play?
    whats the play with {x}
    wich play is {x} in
    In what is {x} a character?
    Of which play is {x} a character?
    Where can I [read about|find|see|meet] {x}[ in Shakespeare|]?
    Which stage play has {x}?
    The role of {x} is in [which|what] play?
    The part of {x} belongs to [which|what] play?
    An actor plays {x}. [Which play is it|What is the play|In which play][?|]
    Name a play with {x}[ in it|].
    Complete: {x} is a character in [...|_|___]
    What's {x} from?
    What is {x} a character in?
    What work [is|does] {x} [from|belong to|appear in]?
""")

PRESIDENT = Frames("""
    [Who|Whom] was the {nth} president?
    Who [was|is|were] the {nth} [US |U.S. |American |United States |]president[ of the United States| of the US| of the USA| of America| of the U.S.| of the States|]?
    Who [was|is] [president number|president no.|president #|president nr.|president nr|number] {n}[ of the United States| of the US| of the USA| of America|]?
    Who [was|is] president [number |no. |#|nr. |]{n}?
    Who [was|is] number {n} [of|in the list of|among|on the list of] [the |][US |American |]presidents?
    Who [became|served as|was elected as|was sworn in as|took office as|is known as|went down as|was elected] [the |]{nth} [US |American |]president[ of the United States| of the USA| of America|]?
    Who [became|was] the {nth} person to be president?
    Who [held|had|took] the office of president as [number {n}|the {nth}]?
    Who [was|is] the {nth} [man|person|one] [to be|to become|to serve as|in office as] [US |American |]president?
    Who [was|is] the {nth} [leader|head of state|commander in chief] of the [United States|US|USA]?
    Who [was|is] the [United States'|USA's|country's|nation's|American] {nth} president?
    Who [was|is] America's {nth} president?
    Who [came|was] {nth} [among|in the line of|in the list of|of] the [US |American |]presidents?
    Who of the presidents [was|is] [number {n}|the {nth}]?
    Who [ruled|led|governed] [America|the United States|the US|the country] as [its |the |][{nth} president|president number {n}]?
    [What|Which] president [was|is|came] [number |no. |#|][{n}|the {nth}]?
    [What|Which] [US |American |]president [was|is] [the {nth}|number {n}|{nth}|in position {n}|at number {n}|on place {n}]?
    [What|Which] [US |American |]president has [the |]number {n}?
    [What|Which] [man|person] was [the {nth} president|president number {n}]?
    [What|Which] name [has|does] [the {nth} president|president number {n}][ have|]?
    [What was|What is|What's|Whats] the name of the {nth} [US |American |]president[ of the United States| of the USA| of America|]?
    [What was|What is|What's] the name of president [number |no. |#|]{n}?
    [What was|What is|What's] the {nth} [US |American |]president[ of the United States| of the USA|][ called|'s name]?
    [Tell|Give|Show] me the [name of the |]{nth} [US |American |]president[ of the United States| of the US| of the USA| of America|].
    [Tell|Give|Show] me president [number |no. |#|]{n}.
    [Tell|Show] me who [was|is] [the {nth} president|president number {n}|the {nth} US president|number {n} of the presidents].
    Tell me who the {nth} [US |American |]president [was|is].
    [Name|State|Say|Give|Identify|Write] the {nth} [US |American |]president[ of the United States| of the US| of the USA| of America|].
    [Name|State|Say|Give|Identify] president [number |no. |#|]{n}[ of the USA| of the United States|].
    [Can|Could|Would|Will] you [please |][tell me|say|name|tell] who the {nth} [US |American |]president [was|is]?
    [Can|Could|Would|Will] you [please |][tell me|say] who [was|is] [the {nth} president|president number {n}|the {nth} US president]?
    [Can|Could|Would|Will] you [please |][name|give me|tell me] [the {nth} president|president number {n}|the {nth} president of the United States]?
    [Please|Kindly] [name|tell me|give me|say] [the {nth} president|president number {n}|the {nth} US president|the {nth} American president].
    Do you [know|remember|happen to know] who [was|is] [the {nth} president|president number {n}|the {nth} president of the USA]?
    Do you [know|remember] who the {nth} [US |American |]president was?
    Do you [know|remember] [the name of |][the {nth} president|president number {n}]?
    [I want|I need|I'd like|I would like] to know who [was|is] [the {nth} president|president number {n}|the {nth} American president].
    [I want|I need|I'd like] to know [the name of |][the {nth} president|president number {n}].
    [I want|I need|I'd like|I'm looking for] the [name of the |]{nth} president.
    [I wonder|I was wondering|I forgot|I don't know|I can't remember|I'm not sure] who [the {nth} president was|was the {nth} president|president number {n} was|was president number {n}].
    [I forgot|I can't remember|I don't know] the [name of the |]{nth} [US |American |]president.
    [Any idea|Can you guess|Guess|Remind me] who [the {nth} president was|was the {nth} president|president number {n} was|was president number {n}]?
    [The|the] {nth} [US |American |]president[ of the United States| of the US| of the USA| of America|][?|, please.| please| was| is| was...| was who?|, who was that?|: who?|]
    The {nth} president of [the United States|the USA|America] [was|is] [...|_|___|who|?|whom?]
    The {nth} [US |American |]president, [who was it|name|what was the name|who was he|who][?|]
    {nth} [US |American |]president[ of the United States| of the USA| of America|][?| name| who| name?| please|, please.|]
    {nth} president[:|,] [who|name|name?|who was it?|?]
    President [number |no. |# |#|nr. |nr |No. |]{n}[?|, please.| please| was| was who?|: who?|, who was that?|: name?|]
    president [number |no |#|]{n}
    US president [number |no. |#|]{n}[?|]
    President {n} of the [United States|USA|US][?| was who?| was?]
    Presidents[:|,] [number |no. |#|][{n}|the {nth}][?|]
    Number {n} [of|among|in the list of|on the list of] [the |][US |American |]presidents[?| is?| was who?|]
    [Quiz|Question|Trivia|History|History question|Test][:|.|!|,] [who was |name |][the {nth} president|president number {n}|the {nth} US president][?|.]
    [Of|In|From] the list of [US |American |]presidents, who [was|is] [number {n}|the {nth}|{nth}]?
    Of all presidents, who was [number {n}|the {nth}]?
    If you count the presidents, who [is|was] [number {n}|the {nth}]?
    Counting from Washington, who was [the {nth} president|president number {n}]?
    [In|On] the list of presidents, [which name|who] [is|stands] at [number|position|place] {n}?
    As [the |]{nth} president [of the United States|of America|of the USA], who [served|took office|was elected|ruled]?
    [Let me know|I'd love to know] who [was the {nth} president|the {nth} president was].
    May I [know|ask] who [was the {nth} president|the {nth} president was]?
    And [who was |][the {nth} president|the {nth} president of the USA|president number {n}|president {n}]?
    And [who was |]the {nth} [US |American ]president?
    Now [the {nth} president|president number {n}].
    What about [the {nth} president|president number {n}|president {n}]?
    How about [the {nth} president|president number {n}]?
    My [son|daughter|friend|teacher|homework] [asks|wants to know|asked me] [who was the {nth} president|who the {nth} president was|for the {nth} president].
    whos the {nth} president
    who's president number {n}?
    Who's the {nth} [US |American |]president?
    Who's number {n} of the presidents?
    [Which|What] [politician|statesman|leader] was the {nth} president[ of the United States| of the USA|]?
    The White House's {nth} president was who?
    Who lived in the White House as [the {nth} president|president number {n}]?
    Who sat in the White House as [the {nth} president|president number {n}]?
    Who do we call the {nth} president?
    Who do you find as number {n} [in|among] the presidents?
    The United States had [a |its |][{nth} president|president number {n}][. Who was it|, who was it|, who|. Name][?|]
    The president with [the |]number {n}[?| is?| was who?|, who was it?]
    Which person was [elected|inaugurated|sworn in] as the {nth} president?
    Complete: the {nth} president was [...|_|___]
    Give [the |]name of the {nth} president.
    Look up [the {nth} president|president number {n}].
    Teach me who the {nth} president was.
    America's {nth} president[?| was who?| was?|, please.]
    America's president number {n}?
    The name of [the {nth} president|president number {n}|the {nth} US president][?| is?| please|]
    Whose presidency was [the {nth}|number {n}]?
""")
