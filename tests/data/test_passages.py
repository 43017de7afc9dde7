from hypothesis import given
from hypothesis import strategies as st

from groundup.data.documents import Document
from groundup.data.passages import cut, passages_of

TEXT = st.text(alphabet="ab \n\r世", max_size=60)


@given(st.lists(TEXT, max_size=6), st.integers(1, 20))
def test_passages_are_the_text_and_none_is_too_long(blocks, size):
    passages = list(cut(blocks, "d", size))
    assert "".join(passage.text for passage in passages) == "".join(blocks)
    assert all(0 < len(passage.text) <= size for passage in passages)
    assert [passage.number for passage in passages] == list(range(len(passages)))


@given(TEXT, st.integers(1, 9), st.integers(1, 9))
def test_where_the_cuts_fall_depends_on_the_text_alone(text, size, block):
    blocks = [text[start : start + block] for start in range(0, len(text), block)]
    assert list(cut(blocks, "d", size)) == list(cut([text], "d", size))


def test_the_cuts_do_depend_on_the_text():
    cuts = {
        tuple(len(p.text) for p in cut([text], "d", 6)) for text in ("ab cd efgh", "abc\ndefgh", "abcdefgh")
    }
    assert cuts == {(6, 4), (4, 5), (6, 2)}


def test_short_documents_are_one_passage_each():
    documents = [Document("one", "a", "s"), Document("two", "b", "s")]
    assert [(p.text, p.id, p.number) for p in passages_of(documents)] == [("one", "a", 0), ("two", "b", 0)]
