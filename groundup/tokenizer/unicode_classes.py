"""What kind of character each code point is: letter, mark, number, white space; in a pinned Unicode version.

A split pattern says `\\p{L}`, and what that means grows every year: between Unicode 14 and 16 some 9,000 code
points became letters. With the tables of whatever Python or `regex` is installed, the same text would have
other tokens on another machine. So the classes are pinned here, to the version that tiktoken 0.14 was built
with (a test asks its engine about every code point), and both the readable split (patterns.py) and the
compiled one (fast_split.py) follow them.

Source: the general categories of Unicode 16.0.0, from the package `unicodedata2` 16.0.0; `\\s` is the
        property White_Space. Stored as 3,194 runs of equal class: a variable-length number
        `length << 3 | class` for each, compressed, as base 85.
Next:   patterns.py, fast_split.py.
"""

import base64
import zlib
from bisect import bisect_right
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

UNICODE_VERSION = "16.0.0"
CODE_POINTS = 0x110000

OTHER = 0  # punctuation, symbols, controls, surrogates, and what is not assigned
UPPER = 1  # Lu, Lt
LOWER = 2  # Ll
LETTER = 3  # Lm, Lo: letters without case
MARK = 4  # M: accents and vowel signs that combine with what is before them
NUMBER = 5  # N
SPACE = 6  # white space, except:
NEWLINE = 7  # U+000A and U+000D

_PACKED = (
    "c-pmBZ)jWB73bXd>>TM{JJ)(I;n{i~&(TZw5-"
    "FfYHYl+SvgHglcEHSe;I&>SNCsw3!EFBEEeWWRJ2adRUYtQ1FW}V)n7J!T)qyr=kk$L(RTPq%K~}Ah)eH=7hCvH-"
    "cx5|JcE&PjLsP;*_uo7BoO91T=Xb8sjl1{mo`%K=H+~nQAHYE49cWDR_#X5d4IEqXH-"
    "Jap1?=(ppNaxcm_LD<ytbvOHfj#Ec`ePF9(@bc*1d6n`&vTYmnQ!cH3mGMX20)g=_qL-scnzuzf}2$Fay@9v2dIt&%@*{Z=IvhFL"
    "?|4qCRX!A2#`a0{FsJ<_k2pe2(OUK0kVgd0n}nJlPOTJlz4BzQTokdBU4a^5}ak`3XaTI*~|LzzVIyuv1}gf@^7FwjOyxwre`tnj"
    "4fn3tUv;FCfcx!+gx0V*Q%MrI1Cic|SLKWE#p~S}!@vfU#u%D*FTAMOIWyei?XTP?s*|z{Hf)XbW~CH$qa723?vwDJ%_x#G=U#$x"
    "%oXW7ZCz=8+T_v53<U@euO3s|Ur9iG3Kv9iA}B>O~Vx$tN@tl;-"
    "XDKgzZlYRcl~jxOXK1A=4B2x7?4kfUa3M$kBAMGO;d@{bsMWh9a!9ZNu_d;3YG9oLb(Aw4C@F65+Sn`3ZW#WqWnZ1z-"
    "WB4c}2mYKf&i912jMcS{ClW0Bz2Dz&bx$HEA)lQeu8+D~Vl2e41a5{U@EiuouFcKTbL80|?8KzMJT^Y(UUIIOO185(SrKfP7S=Ry"
    "e@GxFyX|bYI*mdA;G-"
    "iiPZfc33J$jl8*OoUK`W&D9kRfj=>ll)BA=H)`HB;=r^Rrl1sGC)#nZ5x=4zh5wP98Sao|9A1xC%~1HCj{g8L-"
    "o{U=GcIo*AX%>X~_Ek{R6MLb_2mPxmg|Xt^#P)@PXDPEj4$0z7S<9&oE5!$WJ#T7~Gh7uXU+tVQJ{enRf1jUznyFUTvAEp`!72Fd"
    "Bqm{mBVxod1ZGfziLx<=5QXY#nu@BEp`<}7J?6G9>;G?P0Yvn}O&{1RJalj^fhsi&gj&t60KVfno5>F(L?3G!;x)BXM0Vo&!$3>="
    "`k(n6iFPX^koo&!#8^71<Dbs9fqjag{mvcsV$8oi=iWO?veK1s;mOt@$qh;B=4L&DyWUj~{S-"
    "#*Ka*9a>Q6%PGP*;IcGg|9z^``>uA2B6J5;MV5B++nTx**iH9^*Yn%PdCW78TuW+Tvp<ILM%bL6CbBZ_9^4p)<#QfSb-Dml+vx5R"
    "jec22;yoTh6o+8T4(GZ$g!+K*}&XQIELq`FR}AkJ@<1Zt8T3Ouc%cfHzehYtIffevzOa=68RT#XnIj~^##@^A6swvYJTE9kJlkyl"
    "g>X+@ByO7SK4aZX%`ahEG|IM=MVZjMNou<m)yeW7?@Ww`iycJ2Hfanh#3UD!d-"
    ")2xddl28(`R5Y<!HOEi4AzFd^r7Iw(>ErqLxZxH+Q;0x~_UbHQ&zP`(tAL46=5iE6h=h!#4|qZjICSuc9K=6_q4SpsWHnVVLtd*y"
    "0<fgQ~pbhsGAQS_kHD==&Ic~;pw4LMa7mD}u;HAzTEKQ)X?cm;MIVngLRqozp)udq|N3OEb2`K<iGG^^~&JYbpkl|1ap?-"
    "J8U2boeP#7AJ|*#7i9G^84wB8xbLcZAU?JamWsp1sSeDw+5TX1&3zWtJq*d<%bwN3aQB#2?{N3>dVuq@{~6kh%>qTxHm|pvI_1t}"
    "&`toO~va(XVR@k|(l?XO45I2pt5c1$9}m_Gqtxe8{Lu>5d&DWZnR2TH-_rHee4;TC*&LYoJ?)vQSh8iX?3ooMSUkg05^`SuH8AD<"
    "fBxc*i`mlLW}In_xtczYTX9J_FAh-O#cSEGhN|xI9^e;r;jM*=65hi_kR(lwszga&G7$2u<f{dxH(f#Yh?AZq%G-"
    "<LFvk=gC<nBu|?;WjtirsJrxDvu*$t6D-5&sL;fwQmaOI76;>7?6l)X?Z-+x>f5E=tJzLimkA>>G)Og-"
    "W0C4xKfNae+8CjT8PV5akwP!zxRwZRLQc63R9};B!N0{4vcCi&eVXNzixg@@Zh=+U8G3C{g}o0Ikms!LTAeF=jh$Plf0bQe*C3Ok"
    "r$CBqScZ0rHk(xF8MmOO<PwQX&`HES;3t<^g4;=v<ik}qNuuegq?W`Kn{cCjxJZH8%O@Uy7aQ*Yj<2ZRsfw)K@ZM$#F39sSTFJ2p"
    "%_C$`L7SzDODQmlGmK6<;);bjKJhEK$5xLN>OZT`!@RhE9j59ha;Yqc*tvnqKfzhDR~D5jTn4vrrW}e>33j7fDmA1yGL%yi=}^YS"
    "E?fj>7P7$&X1E369rSmwQeROm!EY&Xdo-"
    "((%fygAw)}6FES^|lgQd6BQ0*#a0~36mvXYO5l557?G*s%HQKK(DXz2OZm|L*^!Q?I2Y>OD}$zGY*1bfbB-rIEpGUVd=_o0M$;RC"
    "n}NAVJPBYL4rpKOwC*u9Tn<tV=Btu|qs?4~TKjqm`KA#c3B^Z$PzgZv}ldw_?(sH1-"
    "cKU1>SEycR5B*mC0Km^ZakA0KB0nx(?4GFvmGT}MjsVaFUvb)GPiB3uJo7bx#^03Bix6rx<)HYN>=kCJSIw@ia9B@&{6Nwe}Q+A1"
    ">z;a8^f27cVxc&Fl2Mo_oix5^k5b>gQkakeWMCsk+^^~sL>yOBrd43Mn_y%zboFGO26wKMLTzQLbHJSUno@J{!7OghOnRPZcwW>^"
    "1pPRl4)wb!EEAKET_hXj*Q-w|L&i?f~{{bxSat8"
)


@cache
def runs() -> tuple[list[int], list[int]]:
    """(the first code point of each run, the class of each run), in order."""
    lengths, classes = [], []
    number = shift = 0
    for byte in zlib.decompress(base64.b85decode(_PACKED)):
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            lengths.append(number >> 3)
            classes.append(number & 7)
            number = shift = 0
    return list(accumulate(lengths[:-1], initial=0)), classes


def class_of(character: str) -> int:
    """The class of one character.

    >>> [class_of(character) for character in "!Aa你\u0301٣ \\n"]
    [0, 1, 2, 3, 4, 5, 6, 7]
    """
    starts, classes = runs()
    return classes[bisect_right(starts, ord(character)) - 1]


@cache
def class_table() -> "np.ndarray":
    """The class of every code point: uint8, 1.1 MB, read-only."""
    import numpy as np

    starts, classes = runs()
    table = np.repeat(np.array(classes, np.uint8), np.diff([*starts, CODE_POINTS]))
    table.flags.writeable = False
    return table
