"""Random operations on an engine: whatever is added, cancelled, preempted, no block is lost, no word changes.

The fast share runs in the default suite, ten thousand operations with `slow`.
"""

import random

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from groundup.infer.engine import Engine, EngineConfig, Finished, Token
from groundup.infer.sampling import SamplingParams
from groundup.infer.speculate import NGramDrafter
from groundup.models.transformer import Transformer, qwen3

CONTEXT = 20
torch.manual_seed(5)
MODEL = Transformer(
    qwen3(vocab_size=7, context_len=CONTEXT, n_layer=1, n_head=2, n_embd=8, n_kv_head=1)
).eval()
for parameter in MODEL.parameters():
    parameter.data += 0.5 * torch.randn_like(parameter)
ALONE: dict = {}


def alone(prompt, params):
    """What an engine without pages to share, without company and without haste says."""
    key = (tuple(prompt), params)
    if key not in ALONE:
        engine = Engine.of(MODEL, EngineConfig(block_len=CONTEXT, share_prefixes=False))
        ALONE[key] = engine.complete([prompt], params)[0].ids
    return ALONE[key]


def audit(engine):
    """Every block is free or held, and by as many as its count says; who waits holds none."""
    blocks, scheduler = engine.blocks, engine.scheduler
    held = [0] * len(blocks.refs)
    for sequence in scheduler.running:
        assert len(sequence.table) >= blocks.blocks_for(sequence.computed)
        assert 0 <= sequence.computed < len(sequence.ids) or sequence.computed == 0
        for block in sequence.table:
            held[block] += 1
    assert held == blocks.refs
    assert blocks.free == sum(count == 0 for count in held)
    assert {b for b in range(len(held)) if held[b] == 0} == set(blocks._free)
    for key, block in blocks._known.items():
        assert blocks._key_of[block] == key
    for sequence in scheduler.waiting:
        assert sequence.table == [] and sequence.state == "waiting"


def small_engine(drafter=None):
    """Room for one text and a half: somebody is always in the way."""
    config = EngineConfig(block_len=3, max_running=4, batch_tokens=8, chunk_tokens=2, max_drafts=3)
    engine = Engine.of(MODEL, config, drafter=drafter)
    for _ in range(len(engine.blocks.refs) - 10):
        engine.blocks.refs.pop()
        engine.blocks._free.popitem()
    return engine


PROMPTS = st.one_of(
    st.lists(st.integers(0, 6), min_size=1, max_size=15),
    st.integers(1, 15).map(lambda n: ([1, 2, 3, 4, 5, 6] * 3)[:n]),  # that begin alike
)
PARAMS = st.sampled_from(
    [
        SamplingParams(temperature=0, max_tokens=6),
        SamplingParams(max_tokens=9, seed=3, stop=(0,)),
        SamplingParams(0.7, 4, 0.9, max_tokens=4, seed=8, repetition_penalty=1.2),
    ]
)


class Requests(RuleBasedStateMachine):
    """Add, step, cancel, preempt, forget, in any order."""

    sequences = Bundle("sequences")

    def __init__(self):
        super().__init__()
        self.engine = small_engine(NGramDrafter(shortest=1, longest=2))
        self.told: dict = {}

    @rule(target=sequences, prompt=PROMPTS, params=PARAMS)
    def add(self, prompt, params):
        sequence = self.engine.add(prompt, params)
        self.told[sequence] = []
        return sequence

    @rule(times=st.integers(1, 4))
    def step(self, times):
        for _ in range(times):
            for event in self.engine.step():
                said = self.told[event.sequence]
                assert not said or said[-1] != "end", "told after its end"
                said.append(event.id if isinstance(event, Token) else "end")

    @rule(sequence=sequences)
    def cancel(self, sequence):
        self.engine.cancel(sequence)
        assert sequence.table == [] and sequence.state == "finished"

    @rule(sequence=sequences)
    def preempt(self, sequence):
        self.engine.preempt(sequence)

    @invariant()
    def no_block_is_lost(self):
        audit(self.engine)

    def teardown(self):
        for _ in range(2_000):
            if not self.engine.busy:
                break
            self.step(1)
        assert not self.engine.busy, "somebody waits for ever"
        audit(self.engine)
        assert self.engine.blocks.free == 10
        for sequence, said in self.told.items():
            assert said == [*sequence.new_ids, "end"]
            expected = alone(sequence.prompt, sequence.params)
            whole = sequence.finish != "cancelled"
            assert sequence.new_ids == (expected if whole else expected[: sequence.made])


def test_any_order_of_requests():
    run_state_machine_as_test(
        Requests,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_ten_thousand_operations():
    run_state_machine_as_test(
        Requests,
        settings=settings(
            max_examples=200,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_ten_thousand_operations_on_one_engine():
    """One engine that is never new: what one request leaves behind, the next ones meet."""
    rng = random.Random(1)
    engine = small_engine()
    open_: list = []
    operations = finished = 0
    while operations < 10_000:
        operations += 1
        roll = rng.random()
        if roll < 0.2 and len(open_) < 12:
            prompt = [rng.randrange(7) for _ in range(rng.randint(1, 15))]
            open_.append(
                engine.add(prompt, SamplingParams(max_tokens=rng.randint(1, 9), seed=rng.randrange(4)))
            )
        elif roll < 0.25 and open_:
            engine.cancel(open_.pop(rng.randrange(len(open_))))
        elif roll < 0.3 and open_:
            engine.preempt(rng.choice(open_))
        else:
            for event in engine.step():
                if isinstance(event, Finished) and event.finish != "cancelled":
                    open_.remove(event.sequence)
                    finished += 1
                    assert event.sequence.new_ids == alone(event.sequence.prompt, event.sequence.params)
        audit(engine)
    for sequence in open_:
        engine.cancel(sequence)
    assert engine.blocks.free == 10 and finished > 500 and engine.stats.preempted > 100


@pytest.mark.parametrize("fault", ["leak", "steal"])
def test_the_audit_sees_a_lost_block(fault):
    engine = small_engine()
    engine.add([1, 2, 3, 4], SamplingParams(max_tokens=3))
    engine.step()
    audit(engine)
    table = engine.scheduler.running[0].table
    table.pop() if fault == "leak" else table.append(table[0])
    with pytest.raises(AssertionError):
        audit(engine)
