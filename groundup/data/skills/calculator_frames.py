"""How people ask for a sum: expressions, carriers for them, and little stories. Text only; see calculator.py.

An expression is symbolic (`{a}+{b}`), worded (`{a} plus {b}`), a noun (`the sum of {a} and {b}`) or a verb
(`add {a} and {b}`); a carrier has the hole `{x}` that fits its kind. In stories the operands appear bare. What people say most stands several times, and is drawn as
often as it stands.
"""

# ruff: noqa: E501 (one wording a line)

from groundup.data.skills.frames import Frames

SYMBOLIC = {
    "+": Frames("""
        {a}+{b}
        {a} + {b}
        {a} +{b}
        {a}+ {b}
        ({a} + {b})
        ({a}+{b})
        `{a} + {b}`
        `{a}+{b}`
        "{a} + {b}"
        '{a}+{b}'
        {a}＋{b}
    """),
    "-": Frames("""
        {a}-{b}
        {a} - {b}
        {a} -{b}
        {a}- {b}
        {a} – {b}
        {a}−{b}
        {a} − {b}
        ({a} - {b})
        ({a}-{b})
        `{a} - {b}`
        `{a}-{b}`
        "{a} - {b}"
        '{a}-{b}'
    """),
    "*": Frames("""
        {a}*{b}
        {a} * {b}
        {a} *{b}
        {a}x{b}
        {a} x {b}
        {a} X {b}
        {a}×{b}
        {a} × {b}
        {a}·{b}
        {a} · {b}
        ({a} * {b})
        ({a} x {b})
        `{a} * {b}`
        `{a}*{b}`
        "{a} x {b}"
        '{a}*{b}'
        {a} ⋅ {b}
    """),
}

WORDED = {
    "+": Frames("""
        {a} plus {b}
        {a} plus {b}
        {a} plus {b}
        {a} plus {b}
        {a} plus {b}
        {a} and {b} [together|added together|added up|summed|in total|combined]
        {a} added to {b}
        {a} increased by {b}
        {a} with {b} added[ to it|]
        {a} [and|&] {b} more
        {a} add {b}
        {a} [positive |]plus {b}
        {a} plus another {b}
        {a} + another {b}
        {a} incremented by {b}
        {a} summed with {b}
        {a} if you add {b}
        {a} when {b} is added
        {a} plus the number {b}
        the number {a} plus the number {b}
        {a} raised by {b}
        {b} more than {a}
        {b} on top of {a}
    """),
    "-": Frames("""
        {a} minus {b}
        {a} minus {b}
        {a} minus {b}
        {a} minus {b}
        {a} minus {b}
        {a} take away {b}
        {a} less {b}
        {a} subtract {b}
        {a} decreased by {b}
        {a} reduced by {b}
        {a} lowered by {b}
        {a} without {b}
        {a} with {b} [removed|taken away|taken off|subtracted]
        {b} less than {a}
        {b} [taken away|taken|subtracted|removed|deducted] from {a}
        {b} fewer than {a}
        {a} if you take [away |]{b}
        {a} if you subtract {b}
        {a} when {b} is subtracted[ from it|]
        {a} minus the number {b}
        the number {a} minus the number {b}
        {a} diminished by {b}
        {a} take {b}
        {a} less the number {b}
        {a} once you remove {b}
    """),
    "*": Frames("""
        {a} times {b}
        {a} times {b}
        {a} times {b}
        {a} times {b}
        {a} times {b}
        {a} multiplied by {b}
        {a} multiplied with {b}
        {a} multiply {b}
        {a} multiply by {b}
        {a} by {b}
        {a} and {b} multiplied[ together|]
        {a} times the number {b}
        the number {a} times the number {b}
        {a} lots of {b}
        {a} groups of {b}
        {a} sets of {b}
        {a}, {b} times
        {a} taken {b} times
        {a} repeated {b} times
        {a} if you multiply [it |]by {b}
        {a} when multiplied by {b}
        {a} scaled by {b}
        {a} tims {b}
    """),
}

NOUN = {
    "+": Frames("""
        the sum of {a} and {b}
        the sum {a} + {b}
        the total of {a} and {b}
        the [result|answer|value] of [adding|summing] {a} and {b}
        the [result|answer|outcome|value] of {a} [+|plus] {b}
        the [answer|solution|result|key] to {a} [+|plus] {b}
        the addition of {a} and {b}
        the [result|outcome] [when|if] [you add|I add|we add|adding] {a} and {b}
        the [number|total] you get [by adding|when you add] {a} to {b}
        the combined total of {a} and {b}
        the total when {a} is added to {b}
        the sum when I add {a} to {b}
        the number that is {b} more than {a}
        the sum of the numbers {a} and {b}
        the sum of these[ two|] numbers: {a}[,| and] {b}
        the aggregate of {a} and {b}
        the number {b} larger than {a}
        the sum {a} plus {b}
    """),
    "-": Frames("""
        the difference between {a} and {b}
        the difference of {a} and {b}
        the difference {a} - {b}
        the [result|answer|value] of subtracting {b} from {a}
        the [result|answer|outcome|value] of {a} [-|minus] {b}
        the [answer|solution|result|key] to {a} [-|minus] {b}
        the [result|outcome] [when|if] [you subtract|I subtract|we take] {b} from {a}
        the [number|value] you get [by taking|when you take] {b} from {a}
        the remainder when {b} is taken [away |]from {a}
        the number that is {b} less than {a}
        the subtraction {a} minus {b}
        the subtraction of {b} from {a}
        the rest if I take {b} [away |]from {a}
        the number {b} smaller than {a}
        the result of taking {b} away from {a}
        the result when {a} is reduced by {b}
        the difference when {b} is subtracted from {a}
        the balance of {a} less {b}
    """),
    "*": Frames("""
        the product of {a} and {b}
        the product {a} [*|x|×] {b}
        the [result|answer|value] of multiplying {a} [and|by|with] {b}
        the [result|answer|outcome|value] of {a} [*|x|×|times|multiplied by] {b}
        the [answer|solution|result|key] to {a} [*|x|×|times] {b}
        the multiplication of {a} and {b}
        the multiplication of {a} by {b}
        the [result|outcome] [when|if] [you multiply|I multiply|we multiply] {a} [by|and|with] {b}
        the [number|value] you get [by multiplying|when you multiply] {a} [by|and] {b}
        the product when {a} is multiplied by {b}
        the total of {a} groups of {b}
        the number that is {a} times {b}
        the number {a} times as [big|large] as {b}
        the product of the numbers {a} and {b}
        the product of these[ two|] numbers: {a}[,| and] {b}
        the area of a {a} by {b} rectangle
        the area of a rectangle [with sides|of] {a} [and|by] {b}
        the product you get from {a} and {b}
    """),
}

VERB = {
    "+": Frames("""
        add {a} and {b}
        add {a} to {b}
        add {a} with {b}
        add up {a} and {b}
        add together {a} and {b}
        add {a} and {b} together
        add the numbers {a} and {b}
        add these[ two|] numbers: {a} and {b}
        add {a}, {b}
        sum {a} and {b}
        sum up {a} and {b}
        sum the numbers {a} and {b}
        total {a} and {b}
        combine {a} and {b}
        put {a} and {b} together
        take {a} and add {b}
        start with {a} and add {b}
        increase {a} by {b}
        raise {a} by {b}
        find the sum of {a} and {b}
        [calculate|compute|work out|determine|get] the sum of {a} and {b}
        do the addition {a} + {b}
        take the sum of {a} and {b}
        begin at {a} and go up {b}
    """),
    "-": Frames("""
        subtract {b} from {a}
        take {b} from {a}
        take {b} away from {a}
        take away {b} from {a}
        remove {b} from {a}
        deduct {b} from {a}
        [subtract|do] {a} minus {b}
        subtract {a} - {b}
        reduce {a} by {b}
        decrease {a} by {b}
        lower {a} by {b}
        find the difference between {a} and {b}
        [calculate|compute|work out|determine|get] the difference [between|of] {a} and {b}
        take {a} and subtract {b}
        start with {a} and take away {b}
        start from {a} and subtract {b}
        do the subtraction {a} - {b}
        minus {b} from {a}
        take the difference of {a} and {b}
        begin at {a} and go down {b}
        count {b} back from {a}
        knock {b} off {a}
        cut {a} by {b}
    """),
    "*": Frames("""
        multiply {a} by {b}
        multiply {a} and {b}
        multiply {a} with {b}
        multiply {a} times {b}
        multiply {a} [x|*|×] {b}
        multiply together {a} and {b}
        multiply {a} and {b} together
        multiply the numbers {a} and {b}
        multiply the number {a} by {b}
        multiply these[ two|] numbers: {a} and {b}
        multiply {a}, {b}
        times {a} by {b}
        take {a} times {b}
        take {a} and multiply [it |]by {b}
        start with {a} and multiply by {b}
        find the product of {a} and {b}
        [calculate|compute|work out|determine|get] the product of {a} and {b}
        do the multiplication {a} [x|*|×] {b}
        take the product of {a} and {b}
        scale {a} by {b}
        make {a} {b} times as big
        do {a} times {b}
        multiply out {a} and {b}
    """),
}

CARRY_SYMBOLIC = Frames("""
    {x}
    {x}
    {x}?
    calculator: {x}
    {x} ?
    {x} =
    {x}=
    {x} = ?
    {x}=?
    {x} = ??
    {x} is?
    {x} equals
    {x} equals?
    {x} = ...
    {x} = __
    {x} = x, [find x|what is x?|solve for x|x?]
    {x} makes what?
    {x}, please
    {x} pls
    {x}, answer?
    {x} [answer|result|solution|total|value]
    = {x}
    =? {x}
    ? = {x}
    calc {x}
    calc: {x}
    math: {x}
    maths: {x}
    eval {x}
    [evaluate|Evaluate] {x}
    compute: {x}
    Sum: {x}
    Expression: {x}
    input: {x}
    x = {x}, x = ?
    [Complete|Finish|Fill in]: {x} = [_|__|___|...|]
    Fill in the blank: {x} = [_|__|___|...]
""")

CARRY = Frames("""
    [What is|What's|Whats|What’s|Wat is|What s] {x}?
    [What is|What's] {x} [equal to|equals|going to be|in numbers]?
    What does {x} [equal|make|give|come to|add up to|amount to|give us|yield|come out to|work out to|result in|evaluate to]?
    Use [your|the|a] calculator[ for|: | to do| to find| to get| to work out] {x}.
    Use [your|the] [tool|calculator tool|calc] [for|on|to compute] {x}.
    With [your|the|a] calculator, [what is|do|compute|how much is] {x}?
    What [will|would|does|should|could] {x} [be|give|make|give me|come to]?
    What [would be|will be] {x}?
    How much is {x}?
    How much [does|would|will] {x} [make|give|come to|be|add up to|equal|cost|total]?
    How [much|many] [is|are|makes|make|gives] {x}?
    How many [is|are] {x} in total?
    [Calculate|Compute|Evaluate|Solve|Work out|Figure out|Determine|Find|Do|Resolve|Simplify] {x}.
    [Calculate|Compute|Evaluate|Solve|Work out|Figure out|Determine|Find] {x} [for me|please|now|quickly|exactly|and tell me][.|!|]
    [Calculate|Compute|Evaluate|Solve|Work out|Find|Solve this|Compute this|Calculate this|Do this]: {x}
    [Can|Could|Would|Will] you [please |kindly |][calculate|compute|evaluate|solve|work out|figure out|do|tell me|give me|find|determine] {x}[ for me| please|]?
    [Can|Could|Would] you [please |][tell me|say|check|find out] [what|how much] {x} is?
    [Can|Could|Would] you help me [with|calculate|compute|solve|work out|figure out|do] {x}?
    [Please|please] [calculate|compute|solve|evaluate|work out|tell me|give me|find|do] {x}.
    [Tell|Show|Give] me {x}.
    [Tell|Show|Let] me [know |][what|how much] {x} is.
    Tell me what {x} [equals|makes|gives|comes to|amounts to].
    Tell me the [answer|result|solution|value] of {x}.
    Give me the [answer|result|solution|value|total] [of|for|to] {x}.
    [I want|I need|I'd like|I would like] to [know|calculate|compute|find out|work out|figure out|see] [what {x} is|{x}|how much {x} is].
    [I want|I need|I'd like] {x}[ calculated| computed| worked out|].
    I need [to know |][the answer to|the result of|the value of|help with] {x}.
    Do you know [what|how much] {x} is?
    Do you know {x}?
    Do you know the [answer to|result of] {x}?
    Any idea [what|how much] {x} is?
    I [wonder|was wondering|am wondering] [what|how much] {x} is.
    I [forgot|don't know|can't work out|can't figure out|am not sure|cannot calculate] [what|how much] {x} is.
    [What's|What is] the [answer|result|solution|value|outcome|total] [of|to|for|when you do|if you do] {x}?
    [Answer|Result|Solution|Value] of {x}?
    [Answer|Result|Solution]: {x}
    [The |]answer to {x}[ is|, please| please|][?|]
    {x} [is|makes|equals|gives] [what|how much|what number|which number]?
    {x} [is|makes|equals|comes to|gives]...
    {x}, [how much|what] is [it|that|this]?
    {x}, what [does it make|does that give|do we get|do you get|is the answer|is the result|number is that]?
    {x}, what's [the answer|the result|that|it|the solution]?
    {x}[:| -|,] [solve|calculate|compute|answer|evaluate|work it out|work this out|do it|solve it|solve this]
    What [number|value] is {x}?
    What number [do I get|do you get|does one get|will I get|comes out|results] [for|from|with] {x}?
    Which number [is|equals|does] {x}[ make| give|]?
    What [do|will|would] [you|I|we] [get|have|end up with] [for|from|with|if I do|when you do|by doing|after] {x}?
    What comes out of {x}?
    What comes out [if|when] [you|I|we] [calculate|compute|do|work out] {x}?
    [If I|When you|If you|If we|Suppose I|Say I] [calculate|compute|do|type|enter|work out] {x}, what [do I get|do you get|is it|comes out|is the answer|is the result]?
    [Math|Maths|Arithmetic|Homework|Calculation|Quiz] [question|problem|time|exercise|task|help][: |. |, ]{x}[?|]
    [Here is|Here's|This is|I have] a [sum|calculation|problem|maths problem|math problem|question|number problem][ for you|]: {x}[.|?|]
    My [homework|teacher|book|exercise|worksheet] [says|asks|has|wants][:|] {x}[.|?|]
    [Check|Verify] for me[:| what is|] {x}[?|.]
    I'm trying to [calculate|work out|find|figure out|do|solve] {x}.
    I am [stuck|stuck on|not sure about|unsure about|confused about] {x}.
    Help me [with|calculate|compute|solve|work out|find|do] {x}.
    How would you [calculate|compute|solve|work out|do] {x}?
    How do I [calculate|compute|solve|work out|do] {x}?
    [Are|R] you able to [calculate|compute|do|solve|work out] {x}?
    You [can|could] [calculate|compute|do|solve] {x}[, right|]?
    Is it possible to [calculate|know|compute] {x}?
    Let's [calculate|do|compute|solve|work out] {x}.
    [May|Can|Could] I [know|ask|get|have] [what {x} is|{x}|the answer to {x}]?
    Mind [telling me|working out|calculating|computing] [what {x} is|{x}]?
    Would you mind [calculating|computing|working out|solving|telling me] {x}?
    What is equal to {x}?
    {x} is equal to [what|how much|which number|?]
    {x} [please|thanks|if you can|quickly|for me|asap]
    To what is {x} equal?
    How large is {x}?
    How [big|high] is {x}?
    So {x} is [what|how much|how many]?
    Then [what's|what is|how much is] {x}?
    And {x}?
    What about {x}?
    How about {x}?
    Now {x}.
    Next[:|,] {x}
    [Somebody|My friend|My son|My daughter|A child] [asked|asks] me [what|how much] {x} is.
    [Guess|Say|State|Output|Print|Return|Write|Display|Report] [the value of|the result of|the answer to|what is|] {x}.
    I bet you [can't|can|know how to] [calculate|compute|solve|do] {x}.
    [Quick|Fast|Quickly|Hurry][:|,| -] {x}[?|!]
    Hit me with {x}.
    [I'd|I would] be [glad|happy|grateful] to [know|learn] [what|how much] {x} is.
    [It|That] would be [great|nice|helpful] to know [what|how much] {x} is.
    [Could|Can|May] I [trouble|bother|ask] you [for|about|to work out] {x}?
    [Somebody|Someone|Anyone], [what|how much] is {x}?
    [What|How much] [exactly|precisely|then|again] is {x}?
    [What|How much] is {x} [exactly|precisely|then|again|by the way|in your opinion|altogether|all together|as a number|in digits]?
    [Run|Execute|Process|Perform|Handle|Crunch] [this calculation: |the calculation |the sum |]{x}.
    [Would|Could] you [run|crunch|do|check] [the numbers|the maths|the math|this sum] for me: {x}?
    [Do|Can you do] [the maths|the math|the calculation|the sum|the arithmetic] for [me: |]{x}[.|?]
    [The|This|My] [sum|calculation|expression|equation|problem] [is|reads|goes][:|] {x}[. What is the answer?|. Solve it.|. Result?|.]
    [The|This|My] [sum|calculation|expression|problem] is {x}, [what do you get|can you solve it|what's the result|please solve it][?|]
    [Given|Consider|Take|Look at] {x}. [What is it|What does it equal|What is the result|How much is that|Solve it|Evaluate it][?|.]
    I [keep getting|get|got] [different answers|it wrong|confused] [with|for|on] {x}[.|, what is it?|. What's right?]
    I [have|need] to [hand in|solve|do] {x}[ today| for school| for work|].
    [Is|Are] [you|u] [good|any good] at [maths|math|sums|arithmetic]? [What is|How much is|Then what's] {x}?
    [Let me|Let's] test [you|your maths|your math]: [what is |how much is |]{x}[?|.]
    [What|How much] [do|would] you think {x} [is|makes|equals]?
    [What|How much] would {x} [come to|make|be|give|amount to] [in total|all together|exactly|]?
    [Find out|Check|See|Look up|Establish] [what|how much] {x} [is|makes|equals|comes to].
    [Find|Get|Give] the [answer|result|solution|value|total] [of|for|to] {x}.
    [Your|The] [next|first|last] [question|problem|task|sum|challenge] is {x}[.|:|!]
    [Here's|Here comes|There is] [another|one more|a new|an easy|a hard] one: {x}[?|.|]
    {x} [should|would|will|must|might] [be|equal|give|make] [what|how much|which number]?
    {x} [adds up to|amounts to|evaluates to|works out as|results in|yields|produces] [what|how much|which number|?|...]
    The [value|result|answer|outcome|total] of {x} [is|equals|would be|should be][?| what?|...| how much?|:]
    Make me {x}.
""")

CARRY_NOUN = Frames("""
    [What is|What's|Whats] {x}?
    [What is|What's] {x}[ equal to| then| please| exactly|]?
    [What|Which] number is {x}?
    Use [the|your] calculator to [find|get|compute|work out] {x}.
    What [will|would|might] {x} be?
    What would be {x}?
    [Find|Calculate|Compute|Determine|Give|Evaluate|Get|Work out|Figure out|State|Write|Return|Report] {x}.
    [Find|Calculate|Compute|Determine|Work out|Figure out] {x} [for me|please|now][.|]
    [Give|Tell|Show|Get|Send|Bring] me {x}.
    [Give|Tell] me {x}[, please| please| now| quickly|][.|!|]
    [Can|Could|Would|Will] you [please |kindly |][give me|tell me|find|calculate|compute|work out|figure out|determine|get|say] {x}[ for me| please|]?
    [Please|Kindly] [give me|tell me|find|calculate|compute|work out|determine|provide] {x}.
    [I want|I need|I'd like|I would like] [to know |to have |to calculate |to find |]{x}.
    [I'm|I am] looking for {x}.
    Do you know {x}?
    Can you tell what {x} is?
    Any idea what {x} is?
    I [wonder|was wondering|want to know|need to know|would like to know|forgot|don't know] what {x} is.
    I'm trying to [find|calculate|work out|get] {x}.
    How much is {x}?
    How [big|large|high] is {x}?
    [T|t]ell me what {x} is.
    {x}?
    {x}, please.
    {x} is [what|how much|which number]?
    {x} [equals|is equal to] [what|?|which number]
    [May|Can|Could] I [know|have|get] {x}?
    Help me [find|calculate|get|work out|with] {x}.
    [Homework|Maths|Math|Quiz|Exercise]: [find|what is|calculate|] {x}[.|?]
    Would you mind [calculating|telling me|finding|working out] {x}?
    What number [does one get|do you get|would you get] for {x}?
    Let me know {x}.
    And {x}?
    What about {x}?
    [Are|R] you able to [find|calculate|tell me] {x}?
    My [teacher|homework|book] asks for {x}.
    Can {x} be calculated?
    Write down {x}.
    Name {x}.
    I must [find|know|calculate] {x}.
""")

CARRY_VERB = Frames("""
    {x}
    {x}.
    {x}!
    [Use|Take] [the|your|a] calculator [to|and] {x}.
    [Use|Call] your tool to {x}.
    {x} [for me|please|now|and tell me the answer|and give me the result|quickly][.|!|]
    {x}, [please|what is it?|what do you get?|thanks|what is the result?|what's the answer?]
    [Please|Kindly|Just|Now|Quickly|Then] {x}.
    [Can|Could|Would|Will] you [please |kindly |just |]{x}[ for me| please|]?
    [Can|Could] you help me [to |]{x}?
    Help me [to |]{x}.
    [I want|I need|I'd like|I would like|I wish] you to {x}.
    [I want|I need|I'd like|I have|I am trying|I'm trying] to {x}.
    I need to {x}, [can you help|what's the answer|what do I get|what is it]?
    What [do|will|would] [you|I|we] [get|have|obtain|end up with] [if|when] [you|I|we] {x}?
    What [do|would] you get [if|when] you {x}?
    What happens [if|when] [you|I|we] {x}?
    What is [the answer|the result|the number|the outcome|it] [if|when] [you|I|we] {x}?
    What [is|do you get] [when|if] you {x}?
    What number [do you get|do I get|results|comes out|is it] [if|when] [you|I|we] {x}?
    What's [the answer|the result|left|the total] [if|when] [you|I|we] {x}?
    [If|When] [you|I|we] {x}, what [do you get|do I get|is the result|is the answer|comes out|do we have|is it|number is that]?
    [If|When] [you|I|we] {x}, how much [is it|do you get|is that|does it make]?
    [If|Suppose|Say|Imagine] I {x}. What [do I get|is the result|is the answer|number do I have]?
    How [do|can] [I|you|we] {x}?
    How much [do I get|do you get|is it|will it be|do we have|is left] [if|when] [you|I|we] {x}?
    Let's {x}.
    Let us {x}.
    Do you know how to {x}?
    Are you able to {x}?
    Your [task|job] is to {x}.
    [My homework|The exercise|My task|The task|The problem|My teacher's task] is to {x}.
    My [teacher|boss|mother] [told|asked|wants] me to {x}.
    Try to {x}.
    Would you be able to {x}?
    Would you be so kind to {x}?
    [Maths|Math|Arithmetic|Exercise|Task|Homework|Problem]: {x}[.|]
    It would be nice if you could {x}.
    Tell me what you get [if|when] you {x}.
    Tell me what happens when I {x}.
    I [wonder|was wondering] what I get [if|when] I {x}.
    First {x}, then tell me [the answer|the result].
    I {x}. [Result|Answer|What is it|What now|How much]?
    Show me what you get when you {x}.
    You should {x}[.|, please.]
    And if [you|I|we] {x}?
    What if [you|I|we] {x}?
    Go ahead and {x}.
    Be so kind and {x}.
    See if you can {x}.
""")

STORY = {
    "+": Frames("""
        I have {a} [apples|coins|books|cards|eggs|stamps|pencils] and [buy|get|find|receive] {b} more[, how many do I have[ now|]?|. How many [in total|altogether|do I have now|now]?]
        [Tom|Anna|Ben|Lily|Sam|Maria|Ali|Mei] has {a} [apples|marbles|stickers|shells|toys|sweets] and gets {b} more. How many [does he have|does she have|are there][ now|]?
        There are {a} [boys|cats|red cars|men] and {b} [girls|dogs|blue cars|women]. How many [are there|in all|in total|altogether]?
        If [I|you|we] have {a} [dollars|euros|coins|points] and [earn|get|win|save] {b} more, how [much|many] [is that|do I have|do we have in total|does that make]?
        A [shop|farmer|bakery|school] has {a} [boxes|eggs|loaves|chairs] and [buys|gets|makes|orders] {b} more. What is the total?
        I paid {a} [dollars|euros|pounds] for [food|a hat|lunch] and {b} for [drinks|shoes|a bag]. How much [did I spend|is that|altogether]?
        {a} people are on a [bus|train|boat] and {b} more get on. How many [people |]are there now?
        My [score|balance|account] was {a} and it went up by {b}. What is it now?
        We drove {a} [miles|km|kilometres] [yesterday|in the morning] and {b} [today|after lunch]. How far did we drive[ in total|]?
        I read {a} pages [yesterday|on Monday] and {b} [today|on Tuesday]. How many pages [in all|altogether|did I read]?
        {a} [birds|fish|sheep|bees], then {b} more [come|arrive|join]. How many now?
        [One|The first] box has {a} [pens|balls|nails], [another|the second] has {b}. How many [together|in both|in total]?
        A book has {a} pages and another has {b}. How many pages do they have together?
        It costs {a} [dollars|euros] plus {b} for [delivery|shipping|tax]. What do I pay?
        {a} students are in [one class|class A] and {b} in [the other|class B]. How many students?
        I walked {a} steps, then {b} more steps. Total steps?
        She is {a} [cm|years] now. What will it be after {b} more?
        He had {a} [points|goals|votes] and got another {b}. What's his total?
        [Combine|Put together] {a} [apples|grams|litres] and {b} [pears|grams|litres]. How [many|much] is it?
        I have {a}. You have {b}. How [many|much] do we have together?
        {a} in the morning and {b} in the evening makes how many?
        The temperature was {a} degrees and rose by {b}. What is it now?
        A train with {a} seats gets {b} extra seats. How many seats?
        If a number is {b} bigger than {a}, what is it?
        What number is {b} more than {a}?
        Which number is {b} greater than {a}?
        I am thinking of {a} and add {b}. What do I have?
        Count {b} up from {a}[.|, where do I end?]
        My bag weighs {a} [grams|pounds] and I put in {b} more. How heavy is it?
        You get {a} for the first and {b} for the second. What's the total?
    """),
    "-": Frames("""
        I have {a} [apples|coins|books|cards|eggs|cookies|pencils] and [lose|eat|sell|give away|use|break|drop] {b}[, how many [are left|do I have left|remain|do I have]?|. How many [are left|remain|do I have now|left]?]
        [Tom|Anna|Ben|Lily|Sam|Maria|Ali|Mei] had {a} [apples|marbles|stickers|shells|sweets] and [gave away|lost|ate|sold] {b}. How many [are left|does he have|does she have left]?
        There are {a} [birds|people|cars|fish|students], {b} [leave|go away|go home]. How many [are left|stay|remain]?
        If [I|you|we] have {a} [dollars|euros|coins] and [spend|pay|lose|owe] {b}, [how much|what] [is left|remains|do I have left|do we still have]?
        A [shop|farmer|bakery|store] has {a} [eggs|loaves|boxes|shirts] and sells {b}. How many are left?
        I had {a} [dollars|euros|pounds] and bought a [hat|book|toy] for {b}. How much [is left|do I have left|money do I still have]?
        {a} people are on a [bus|train|boat] and {b} get off. How many [people |]are [left|still there]?
        My [score|balance|account] was {a} and it went down by {b}. What is it now?
        The trip is {a} [miles|km] and we drove {b}. How far [is it still|is left|to go]?
        A book has {a} pages and I read {b}. How many [pages |]are left?
        Out of {a} [students|seats|tickets|eggs], {b} are [gone|sold|broken|taken|absent]. How many are left?
        {a} [cookies|balloons|candles], {b} are [gone|eaten|broken|out]. How many now?
        How much [more|bigger|larger|greater] is {a} than {b}?
        How many more is {a} than {b}?
        By how much is {a} [more|bigger|larger|greater] than {b}?
        By how much does {a} exceed {b}?
        How far is it from {b} up to {a}?
        What must I add to {b} to get {a}?
        What do I need to add to {b} to [reach|make|get] {a}?
        How much do I have to add to {b} to [get|reach] {a}?
        What number is {b} less than {a}?
        Which number is {b} smaller than {a}?
        If a number is {b} smaller than {a}, what is it?
        It costs {a} [dollars|euros] but I get {b} off. What do I pay?
        The price was {a} and it fell by {b}. What is the price now?
        The temperature was {a} degrees and [fell|dropped] by {b}. What is it now?
        I owe {a} and paid {b}. How much [do I still owe|is left]?
        She had {a} [points|coins] but lost {b}. What's left?
        I am thinking of {a} and take away {b}. What do I have?
        Count {b} down from {a}[.|, where do I end?]
        What's left of {a} [after|if] [taking|you take|removing|I use] {b}?
        What remains if {b} is taken from {a}?
    """),
    "*": Frames("""
        I have {a} [boxes|bags|bowls|baskets|packs] with {b} [apples|coins|eggs|pens|cards] [each|in each|in each of them][, how many [are there|do I have|in total]?|. How many [in total|altogether|are there]?]
        [There are|We have|I see] {a} [rows|tables|rooms|shelves] [of|with] {b} [chairs|books|people|plants][ each|]. How many [is that|are there|in total|altogether]?
        [Tom|Anna|Ben|Lily|Sam|Maria|Ali|Mei] buys {a} [packs|bags] of {b} [stickers|sweets|cards]. How many [does he have|does she have|is that]?
        One [ticket|book|shirt|lamp|ball] costs {b} [dollars|euros|pounds|coins]. How much [do|would] {a} [cost|of them cost]?
        If one [box|bag|pack|case] [has|holds|contains] {b} [eggs|pens|balls], how many [are|do I have] in {a}[ of them|]?
        A [car|train|bike|runner] goes {a} [km|miles] [an hour|a day|every hour]. How far in {b} [hours|days]?
        I [work|read|walk|earn] {a} [hours|pages|miles|dollars] [a day|each day|every day] for {b} days. How [many|much] [is that|in total|altogether]?
        {a} [people|children|workers|students] each [have|get|bring|pay] {b} [coins|dollars|apples]. How [many|much] [is that|in all|altogether]?
        {a} [cars|buses|boats] carry {b} people each. How many people?
        A room is {a} [m|feet|metres] long and {b} wide. What is its area?
        {a} [weeks|years|shifts] of {b} [days|hours] [is|are|makes] how many?
        {a} items at {b} [dollars|euros] each[, how much| cost how much| is how much][?|]
        A garden has {a} rows of {b} [trees|flowers|carrots]. How many [are there|in total]?
        Each of {a} [boxes|teams|classes] has {b} [balls|players|students]. What is the total?
        She saves {b} [dollars|coins] each week for {a} weeks. How much does she save?
        What is {a} [times as many as|times as much as|times more than] {b}?
        How [much|many] [is|are] {a} lots of {b}?
        How many are {a} [groups|sets|packs|dozens] of {b}?
        What do {a} [groups|sets|packs] of {b} [make|give]?
        What number is {a} times [as big as|bigger than|larger than] {b}?
        I am thinking of {a} and multiply it by {b}. What do I have?
        I get {b} points {a} times. What's my score?
        A book has {a} chapters of {b} pages. How many pages?
        {a} pages with {b} words each, how many words?
        A grid of {a} by {b} has how many [cells|squares|dots]?
        The [price|rent|fee] is {b} a month. What is it for {a} months?
        If I do {b} pushups {a} times, how many do I do?
        {a} shelves, {b} books on each. Total?
        We need {b} chairs at each of {a} tables. How many chairs?
        My pay is {b} [dollars|euros|pounds] an hour. What do I get for {a} hours?
    """),
}

# In Chinese, complete: {x} is symbolic or worded as below.
WORDED_CHINESE = {
    "+": Frames("""
        {a}加{b}
        {a}加上{b}
        {a} 加 {b}
        {a}再加{b}
        {a}和{b}相加
        {a}与{b}的和
        {a}和{b}的和
        {a}跟{b}加起来
        {a}和{b}加在一起
        {a}增加{b}
    """),
    "-": Frames("""
        {a}减{b}
        {a}减去{b}
        {a} 减 {b}
        {a}减掉{b}
        {a}与{b}的差
        {a}和{b}的差
        从{a}里减去{b}
        {a}减少{b}
        {a}去掉{b}
        {a}扣除{b}
    """),
    "*": Frames("""
        {a}乘{b}
        {a}乘以{b}
        {a} 乘 {b}
        {a}乘上{b}
        {a}和{b}相乘
        {a}与{b}的积
        {a}和{b}的乘积
        {a}的{b}倍
        {a}个{b}
        {a}跟{b}相乘
    """),
}

CARRY_CHINESE = Frames("""
    {x}[等于多少|是多少|等于几|得多少|得几|一共是多少|等于|是几|结果是多少|结果是什么|等于什么|是多少呢|有多少|的结果][？|?|]
    {x}[=？|=?|=| =| = ？]
    {x}[？|?|]
    [算一下|计算|计算一下|算算|算出|求|计算器：|口令：计算|试算|帮我算|给我算][：|]{x}[。|等于多少？|]
    [用|请用|拿]计算器[算|算一下|计算]{x}[。|]
    [请问|请|帮我|请帮我|麻烦你|麻烦][算一下|计算|算算|计算一下|求一下|算|求出][：|，|]{x}[。|等于多少|的结果|吧|]
    [你能|你可以|可以|能|能不能|你会][算一下|计算|算算|帮我算|算出|帮我计算]{x}[吗|么|是多少吗|等于多少吗][？|]
    [告诉我|请告诉我|说说|我想知道|我要知道|给我]{x}[是多少|等于多少|的结果|的答案|等于几][。|吧|]
    [你知道|知道|知不知道]{x}[是多少|等于多少|等于几][吗|么][？|]
    {x}[怎么算|，算一下|，结果是？|，答案是多少？|，帮我算一下|，等于多少？|，是多少？|，请计算][。|]
    [我的作业|题目|数学题|老师问|作业|练习][：|，|]{x}[等于多少|是多少|=？|][？|]
    [如果|要是|把]{x}，[得到多少|结果是多少|等于多少|是多少|我会得到什么][？|]
""")
