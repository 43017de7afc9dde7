"""Who runs: replies before prompts, budgets, order of arrival, and who gives way."""

from groundup.infer.blocks import BlockManager
from groundup.infer.sampling import SamplingParams
from groundup.infer.scheduler import Scheduler
from groundup.infer.sequence import Sequence


class Line:
    """A scheduler and its sequences; `step` pretends that all shares were computed and one id chosen."""

    def __init__(self, blocks=100, **limits):
        self.blocks = BlockManager(blocks, 4)
        limits = {"max_running": 8, "batch_tokens": 32, "chunk_tokens": 4} | limits
        self.scheduler = Scheduler(self.blocks, **limits)
        self.arrivals = 0

    def add(self, length, first=0, salt=""):
        self.arrivals += 1
        ids = tuple(range(first, first + length))
        sequence = Sequence(ids, SamplingParams(), 0, salt=salt, arrival=self.arrivals)
        self.scheduler.add(sequence)
        return sequence

    def step(self):
        shares = self.scheduler.schedule()
        for share in shares:
            share.sequence.computed += share.count
            self.blocks.remember(share.sequence)
            if share.sequence.left == 0:
                share.sequence.ids.append(7)
        return [(share.sequence, share.count) for share in shares]


def test_a_prompt_alone_is_read_in_pieces_of_the_whole_budget():
    line = Line()
    one = line.add(70)
    assert [line.step() for _ in range(4)] == [[(one, 32)], [(one, 32)], [(one, 6)], [(one, 1)]]


def test_beside_a_reply_it_is_read_in_small_pieces_and_holds_it_up_in_no_step():
    line = Line()
    writing = line.add(3)
    line.step()
    late = line.add(10, first=50)
    steps = [line.step() for _ in range(4)]
    assert steps == [[(writing, 1), (late, n)] for n in (4, 4, 2, 1)]


def test_with_many_replies_prompts_get_as_many_tokens_as_they():
    line = Line(max_running=16)
    for i in range(6):
        line.add(2, first=10 * i)
    line.step()
    late = line.add(20, first=100)
    assert line.step()[-1] == (late, 6)


def test_nobody_overtakes_one_that_waits_for_blocks():
    line = Line(blocks=4)
    line.add(9)
    line.step()
    large, small = line.add(8, first=50), line.add(1, first=90)
    assert [sequence for sequence, _ in line.step()] == [line.scheduler.running[0]]
    assert line.scheduler.waiting == [large, small]


def test_the_youngest_gives_way_and_comes_back_first():
    line = Line(blocks=4)
    old, young, third = line.add(7), line.add(7, first=50), line.add(3, first=90)
    line.step()
    assert line.scheduler.running == [old, young]
    line.step()
    line.step()  # both have written two; the next token of each needs a block, and none is free
    assert line.scheduler.running == [old]
    assert line.scheduler.waiting == [young, third] and young.table == [] and young.computed == 0
    assert young.preempted == 1 and len(young.ids) > 7
    line.scheduler.end(old)
    length = len(young.ids)  # one of its blocks was needed; the other still holds its first four
    assert line.step()[0] == (young, length - 4)


def test_the_oldest_is_never_preempted():
    line = Line(blocks=8)
    everyone = [line.add(5, first=20 * i) for i in range(5)]
    for _ in range(200):
        line.step()
        for sequence in list(line.scheduler.running):
            if len(sequence.ids) >= 20:
                line.scheduler.end(sequence)
        assert everyone[0].preempted == 0
    assert all(sequence.state == "finished" for sequence in everyone)
    assert sum(sequence.preempted for sequence in everyone) > 0
    assert line.blocks.free == 8


def test_who_begins_alike_waits_and_shares():
    line = Line()
    first, second, other = line.add(13), line.add(13), line.add(13, first=60)
    assert line.step() == [(first, 13), (other, 13)]
    assert line.step()[-1] == (second, 1) and second.computed == 13
    line = Line()
    line.add(13), line.add(13, salt="not theirs")
    assert len(line.step()) == 2


def test_drafts_take_part_but_nobody_is_preempted_for_them():
    line = Line(blocks=3)
    one, two = line.add(4), line.add(3, first=50)
    line.step()
    one.drafts, two.drafts = [1, 2], [3] * 9
    shares = {share.sequence: share.count for share in line.scheduler.schedule()}
    assert shares == {one: 3, two: 1} and two.drafts == []


def test_the_budget_also_limits_drafts():
    line = Line(max_running=2, batch_tokens=4)
    one = line.add(3)
    line.step()
    one.drafts = [1] * 8
    assert line.scheduler.schedule()[0].count == 4 and len(one.drafts) == 3
