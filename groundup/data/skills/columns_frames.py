"""How people ask for a sum without the calculator: a marker joined to any request for an addition.

Text only; see columns.py.
"""

# ruff: noqa: E501 (one wording a line)

from groundup.data.skills.frames import Frames

# `{q}` is a whole request for an addition ("What is 47 + 85"), its end mark removed; `{r}` the same starting in lower case.
MARKED = Frames("""
    {q} [without|without using|without the help of] [the|a|your|any] [calculator|tool|tools|calc]?
    {q} [without|without using|without calling] [the|a|your|any] [calculator|tool|tools|calc][.|, please.|]
    {q} in your [head|mind][?|.|, please.|]
    {q}, [in your head|mentally|by hand|no calculator|without calculator|no tools|without a calculator|in the head|on your own][?|.|]
    {q} [mentally|by hand|on your own|by yourself|from memory|manually|on paper|with your brain|unaided|unassisted|yourself][?|.|]
    {q}? [No calculator|No tools|Without a calculator|In your head|Do it in your head|Don't use the calculator|Do not use the calculator|Mentally|By hand|Do it by hand|Think|Work it out yourself][.|!|, please.|]
    {q}. [No calculator|No tools|Without a calculator|In your head|Do it in your head|Don't use the calculator|Do not use the calculator|Mentally|By hand|Do it by hand|No cheating|Work it out yourself][.|!|, please.|]
    {q} ([no calculator|no tools|in your head|mentally|without calculator|by hand|without tools|no calc|mental arithmetic|don't use the calculator])[?|.|]
    {q} - [no calculator|in your head|mentally|by hand|without tools|no tools allowed][?|.|]
    {q}[,|] [without touching|without looking at|without asking|without opening|without reaching for|instead of using] [the|your|a] calculator[?|.]
    {q} [column by column|in columns|digit by digit|step by step without the calculator|with columns|by columns|using columns][?|.|]
    {q} [using|with|by|through] [mental arithmetic|mental maths|mental math|your head|only your head|head arithmetic|pen and paper][?|.|]
    {q}[,|] [but|and] [don't|do not|never|please don't|you may not|you can't|you must not] [use|call|take|touch] [the|a|your|any] [calculator|tool|tools|calc][?|.|!|]
    {q} [but|only|just] [in your head|mentally|by hand|in the head|with your own mind][?|.|]
    {q}, [pretend|imagine|suppose] [you have no calculator|the calculator is broken|there is no calculator|your calculator is gone|you lost your calculator][?|.|]
    {q} [if|when] [you have no calculator|you can't use the calculator|you must not use a calculator|the calculator is broken|you do it in your head|you do it by hand][?|.]
    [Without|Without using] [the|a|your|any] [calculator|tool|tools|calc][,|:] {r}[?|.|]
    [In your head|Mentally|By hand|In the head|From memory|On your own|No calculator|No tools|Manually][,|:] {r}[?|.|]
    [No calculator|No tools|No calculator now|No tools please|No calculator please|No calculator allowed|No cheating|Calculator off|Tools off][.|!] {q}[?|.|]
    [Don't|Do not|Please don't|Please do not] use [the|a|your|any] [calculator|tool|tools|calc][.|:|;|!|,] {q}[?|.|]
    [Leave|Put] the calculator [alone|away|aside|down][.|:|!] {q}[?|.|]
    [Work out|Do this|Do it|Solve this|Answer|Work this out|Calculate|Try this] [in your head|mentally|by hand|without the calculator|without a calculator|without tools|yourself|in columns|column by column][:|, ] {r}[?|.|]
    [Mental|Head] [arithmetic|maths|math|addition|calculation|sum|exercise|test][: |. |, | - ]{r}[?|.|]
    [Using|With|Use|By] [only your head|mental arithmetic|mental maths|only your mind|your own mind|pen and paper|columns|column addition|just your head][,|:] {r}[?|.|]
    [Column|Columns|Column addition|Add in columns|Add by columns|Long addition|Written addition|Column by column][: |, ]{r}[?|.|]
    [The|Your|My] calculator is [broken|off|gone|dead|not available|forbidden|not allowed][.|,|;|:] {r}[?|.|]
    [Calculators|Tools] are [forbidden|not allowed|off|banned][.|:|;] {q}[?|.|]
    [Think|Think for yourself|Use your head|Use your brain|Think hard|Use your own head][.|:|!|,] {q}[?|.|]
    [Can|Could] you [do|solve|work out|answer] this [in your head|mentally|by hand|without the calculator|without a calculator|without tools][?|:] {q}[?|.|]
    [Are you able|Are you clever enough] to [do this|answer] [in your head|mentally|without the calculator][?|:] {q}[?|.|]
    [Show me|Prove|Let's see] [that |if |]you can add [in your head|mentally|without a calculator|by hand][.|:|!] {q}[?|.|]
    [Let's|Let us] [do|practise|try|practice] [mental arithmetic|some mental maths|a sum in the head|head sums|sums without a calculator][.|:|!] {q}[?|.|]
    I [have|own|took] no calculator[.|,|:] {r}[?|.|]
    I [lost|forgot|broke] my calculator[.|,|:] {r}[?|.|]
    I want you to [do this|work it out|calculate this] [in your head|yourself|without the calculator|mentally][.|:|,] {r}[?|.|]
    I bet you can't [do this|work this out] [in your head|without the calculator|mentally|without tools][.|:] {q}[?|.|]
    If you [had no calculator|couldn't use a calculator|must do it in your head|had to do it by hand|could not use tools], {r}?
    You [have|get] no calculator[ today| now|][.|:|,] {r}[?|.|]
    You [may|must|can|should] not use [the|a|any|your] [calculator|tool|tools][.|:|,|;] {r}[?|.|]
    This time [without the calculator|in your head|no calculator|by hand|no tools|mentally][:|,|.] {r}[?|.|]
    Now [without the calculator|in your head|no calculator|by hand|mentally|no tools][:|,|.] {r}[?|.|]
    [head|mental|in head|manual|by hand][: | - ]{r}[?|.|]
    {q} [w/o|wo|without] calc[ulator|][?|.|]
    {q} [no|without] [calc|calculator|tool|tools][ pls| please|][?|.|]
""")

# Additions that say by themselves that they are done in the head.
WHOLE = Frames("""
    Add {a} and {b} in [your head|columns|your mind].
    Add {a} to {b} [mentally|in your head|by hand|without the calculator|without tools|yourself].
    Mentally add {a} and {b}.
    [Can|Could|Will|Would] you [mentally add|add in your head|add by hand|add without a calculator] {a} and {b}?
    [Can|Could] you add {a} and {b} [in your head|without the calculator|without a calculator|mentally|by hand|without help|without tools]?
    Do you know {a} + {b} [by heart|without the calculator|in your head|without computing it with a tool]?
    [What is|What's] the sum of {a} and {b}, [worked out|done|computed|added] [in your head|by hand|in columns|without a tool]?
    Work out {a} [+|plus] {b} [in columns|by columns|column by column|in your head|by hand|on paper|with carrying].
    [Add|Sum] {a} and {b} [with|by] [carrying|the column method|hand|the school method|columns].
    [Put|Write] {a} and {b} [in columns|under each other|below one another] and add[ them|].
    [Add|Sum up] the [units|ones] and the tens of {a} and {b}.
    Show [me |][the working|your working|how] for {a} + {b} without [the|a] calculator.
    How do [you|I] add {a} and {b} [in the head|without a calculator|by hand|on paper|mentally]?
    How much is {a} [+|plus|and] {b} [in your head|without calculating with the tool|without the calculator|without the tool|if you think yourself]?
    Use mental [arithmetic|math|maths] [to add|for|on] {a} and {b}.
    {a}+{b} [in your head|no calculator|mentally|by hand|without calculator|head only|no tools|without tools|manually|in head|w/o calculator]
    {a} + {b} [in your head|no calculator|mentally|by hand|without calculator|head only|no tools|without tools|manually|in head|w/o calculator][?|.|]
    {a} plus {b} [in your head|no calculator|mentally|by hand|without calculator|head only|no tools|without tools|manually][?|.|]
    {a}+{b}=? [in your head|no calculator|mentally|by hand|without calculator|head only|no tools|without tools][.|]
    [Give me|Tell me|Say|Find] {a} + {b} [in your head|without the calculator|mentally|by hand|without tools|from memory][.|]
    [Try|Try to add|Try adding] {a} [and|plus] {b} [in your head|without the calculator|mentally|yourself][.|]
    [Practise|Practice] [mental arithmetic|adding in your head|head sums] with {a} and {b}.
    [I want|I'd like|I need] {a} + {b} [without the calculator|in your head|mentally|by hand|no tools used].
    [Calculate|Compute] {a} + {b} [without|without using] [the calculator|a calculator|your calculator|tools|any tool].
    [Calculate|Compute|Solve] {a} plus {b} [yourself|in your head|by hand|mentally|manually].
""")

WHOLE_CHINESE = Frames("""
    [心算|口算|请心算|请口算|心算一下|口算一下|手算|笔算|列竖式算|列竖式计算|竖式计算][：|，|]{a}[+|加| + |加上]{b}[等于多少|=？|=?|是多少|。|？|]
    [不用计算器|不要用计算器|别用计算器|不借助计算器|没有计算器|不用工具|不使用计算器|不准用计算器|不能用计算器|用脑子算][，|：|]{a}[+|加| + |加上]{b}[等于多少|=？|=?|是多少|等于几|得多少][？|]
    {a}[+|加| + |加上]{b}[等于多少|是多少|等于几|得多少|][？|，|][不用计算器|不要用计算器|别用计算器|心算|口算|请心算|用脑子算|自己算|请口算|不许用工具][。|！|]
    [你能|你会|可以|能][心算|口算|不用计算器算|不用工具算出|自己算出|在脑子里算]{a}[+|加| + |加上]{b}[吗|是多少吗|等于多少吗][？|]
    [请|][自己算|在脑子里算|一步一步算|按位算|一位一位地算|列竖式算][一下|]{a}[+|加| + |加上]{b}[，不用计算器|，别用工具|][。|]
    [请|帮我|][用心算|用口算|用竖式|用笔算|靠自己][算|计算|算出|求]{a}[+|加| + |加上]{b}[。|等于多少？|]
""")
