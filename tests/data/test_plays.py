from groundup.data.plays import clean_shakespeare


def play(*paragraphs: str) -> str:
    return clean_shakespeare("\n\n".join(["A PLAY", "by William Shakespeare", *paragraphs]))


def test_headings_places_and_directions_go():
    assert play(
        "Dramatis Personae", "ACT I.", "SCENE I.", "A wood. Night.", "[Enter A.]", "ANN.\nHo!", "[Exit.]"
    ) == ("Ann:\nHo!")


def test_a_speech_goes_on_after_a_direction():
    assert (
        play("ACT I.", "ANN.", "[Aside.]", "No.", "[Enter B.]", "Who?", "BOB.\nI.")
        == "Ann:\nNo.\nWho?\n\nBob:\nI."
    )


def test_an_open_bracket_costs_its_line_and_not_the_speech():
    assert (
        play("ACT I.", "ANN.\nLook! [Exit BOB\nHe went.", "BOB.\nI did.")
        == "Ann:\nLook!\nHe went.\n\nBob:\nI did."
    )


def test_names_in_small_letters_are_names_when_they_come_often():
    speeches = ["Ham.\nWords.", "Pol.\nWhat?"] * 3
    assert play("ACT I.", *speeches).startswith("Ham:\nWords.\n\nPol:\nWhat?\n\nHam:")
    assert play("ACT I.", "ANN.\nI go.", "Farewell.\nRemember me.") == "Ann:\nI go.\nFarewell.\nRemember me."


def test_speakers_without_full_stop_with_numbers_and_in_line():
    assert play("ACT I.", "LYSANDER\nAy me!", "1 LORD.\nSo.", "THE KING. Go.") == (
        "Lysander:\nAy me!\n\n1 Lord:\nSo.\n\nThe King:\nGo."
    )


def test_a_prologue_stays():
    assert (
        play("Persons", "THE PROLOGUE", "CHORUS.\nHear.", "ACT I.", "ANN.\nHo!")
        == "Chorus:\nHear.\n\nAnn:\nHo!"
    )


def test_a_poem_loses_only_title_and_author():
    assert (
        play("I", "From fairest  creatures\n  we desire", "II")
        == "I\n\nFrom fairest creatures\nwe desire\n\nII"
    )
