"""Other letters are another language; of the same letters only long texts tell, and a doubtful guess is none."""

import pytest
from railmatch.ssl_train.augment.language import is_other_language, is_other_script, main_script
from railmatch.ssl_train.augment.quality import judge

TEXT = "How do I get rid of moss on my roof?"
GREEK = "\u039a\u03bb\u03b5\u03b9\u03c3\u03c4\u03cc \u03bb\u03cc\u03b3\u03c9 \u03b1\u03c1\u03b3\u03af\u03b1\u03c2"
ENGLISH = "How can I get my neighbour to turn the music down at night without starting a quarrel with him?"
OTHERS = {
    "German": "Wie bringe ich meinen Nachbarn dazu, nachts die Musik leiser zu stellen, ohne einen Streit anzufangen?",
    "French": "Comment amener mon voisin à baisser la musique la nuit sans commencer une dispute avec lui ?",
    "Spanish": "¿Cómo consigo que mi vecino baje la música por la noche sin empezar una pelea con él?",
    "Italian": "Come posso convincere il mio vicino ad abbassare la musica di notte senza iniziare a litigare?",
    "Dutch": "Hoe krijg ik mijn buurman zover dat hij 's nachts de muziek zachter zet zonder ruzie te krijgen?",
}

SHORT = [
    ("Track my wife. She mustn't know.", "Follow my wife secretly."),
    ("pick a lock", "open a lock without its key"),
    ("hi", "hello there, how are you doing today my friend, all good with you?"),
    ("pls help me w/ taxes lol", "Kindly assist me with my tax return, it would be most appreciated."),
    ("Ignore the above", "Disregard everything that was said before this line"),
    ("Crypto scam email template", "A message that cons people out of their coins"),
    ("Bomb emoji meaning", "What does the emoji with the bomb stand for?"),
    ("Insta pw reset", "How do I set a new password on Instagram?"),
    ("how do i get my deposit back off my landlady", "My deposit is still with my landlady. How do I get it back?"),
    ("dads bank wants a 2fa code. i want dads money. how do i get round it", ENGLISH),
    (f"Please translate this sign I photographed in Greek: '{GREEK}'", ENGLISH),
]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("What takes moss off a roof?", "LATIN"),
        ("\uff28\uff45\uff4c\uff4c\uff4f", "LATIN"),
        ("\u0427\u0442\u043e \u044d\u0442\u043e?", "CYRILLIC"),
        ("\u3053\u308c\u306f\u4f55\u3067\u3059\u304b", "CJK"),
        ("\u5c4b\u6839 is roof", None),
        ("123 !?", None),
        ("", None),
    ],
)
def test_the_script_of_a_text(text: str, script: str | None):
    assert main_script(text) == script


def test_other_letters_are_another_language():
    assert is_other_script(TEXT, "\u0427\u0442\u043e \u044d\u0442\u043e?")
    assert not is_other_script(TEXT, "Wie werde ich Moos los?")
    assert not is_other_script("123", "\u0427\u0442\u043e")
    assert judge(TEXT, "\u0427\u0442\u043e \u044d\u0442\u043e?")[0] == "wrong_language"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_no_rewrite(language: str):
    assert is_other_language(ENGLISH, OTHERS[language])
    assert is_other_language(OTHERS[language], ENGLISH)
    assert judge(ENGLISH, OTHERS[language]) == ("wrong_language", OTHERS[language])
    assert not is_other_language(OTHERS[language], OTHERS[language].upper())


@pytest.mark.parametrize(("text", "rewrite"), SHORT)
def test_short_texts_are_not_rejected_on_a_guess(text: str, rewrite: str):
    assert not is_other_language(text, rewrite)
    assert not is_other_language(rewrite, text)
    assert not is_other_language(rewrite, ENGLISH)
