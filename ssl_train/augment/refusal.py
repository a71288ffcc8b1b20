"""Recognise an LLM that declines to rewrite a text, without mistaking the rewrite of a refusal for one."""

import re

from ...classifier.tasks import Task

_OPENING = 240
"""Characters in which a refusal shows itself; further on, the same words are the text's own."""

_REFRAIN = (
    r"\b(?:i|we) (?:cannot|could not|will not|must decline to|decline to|refuse to"
    r"|(?:am|are) not able to|(?:am|are) unable to|(?:am|are) not going to)"
    r"(?: and will not| in good conscience| simply| really| just| ethically| directly| to)*"
)
_COMPLY = (
    r"(?:assist|comply|fulfil+|accommodate|rewrite|rephrase|reword|restyle|paraphrase|engage in|engage with|participate"
    r"|continue with|help (?:you|with|in|on|anyone)\b|help(?=[.,;!]|$)"
    r"|(?:do|support|discuss|answer|respond to) (?:that|this|such)\b)"
)
_MAKE = r"(?:provide|give|offer|create|generate|produce|write|share|complete|process|discuss|promote|encourage)"
_MADE = (
    r"(?:that|this|such|content|information|instructions?|guidance|advice|assistance|help|support|material|request|rewrite"
    r"|paraphrase|rewritten|paraphrased|responses?|answers?|text|details|explicit|harmful|illegal)"
)
_APOLOGY = r"(?:i apologi[sz]e|(?:(?:i am|we are) )?(?:so |very |really )?(?:sorry|afraid)|unfortunately)"
_NOUNS = r"(?:guidelines|policy|policies|principles|programming)"
_REFUSALS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_REFRAIN} {_COMPLY}",
        rf"{_REFRAIN} {_MAKE} (?:you with )?(?:any |the |a |an )?(?:\w+ )?{_MADE}\b",
        rf"^{_APOLOGY},? (?:but )?(?:that )?(?:(?:i|we) )?(?:cannot|will not|am unable|am not able)\b",
        rf"^{_APOLOGY},? but (?:i|this|that|the \w+)\b.{{0,60}}\b(?:against|violates?)\b.{{0,30}}{_NOUNS}",
        r"^as an? (?:ai|artificial intelligence|(?:large )?language model)\b.{0,60}\b(?:cannot|not|unable|must)\b",
        r"^i (?:do not feel|am not) comfortable\b",
        r"^i (?:must|have to|will have to)(?: (?:respectfully|politely|firmly))? (?:decline|refuse)\b",
        rf"\b(?:violates?|against|breach\w*) (?:my|our|the) (?:\w+ )?{_NOUNS}\b",
        r"^(?:es )?tut mir leid\b.{0,20}\b(?:kann|darf|werde)\b.{0,60}\bnicht\b",
        r"^(?:lo siento|perdón|disculpa)\b.{0,20}\bno puedo\b",
        r"^(?:je suis )?désolée?\b.{0,20}\bje ne peux pas\b",
        r"^mi dispiace\b.{0,20}\bnon posso\b",
        r"^(?:desculpe|sinto muito)\b.{0,20}\bnão posso\b",
        r"^(?:很?抱歉|对不起|對不起).{0,6}(?:我|无法|無法|不能)",
    )
)
_RELUCTANT = re.compile(
    r"\b(?:i|we) (?:cannot|could not|will not|would not|would rather not|would prefer not"
    r"|do not|am not|are not|must|refuse|decline)\b|^no\b|\bno, "
)
_PLAINER = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"[\u2018\u2019\u02bc`\u00b4]", "'"),
        (r"\b(?:can't|cant|can not)\b", "cannot"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"\b(i|we)'d\b", r"\1 would"),
        (r"\bi'm\b", "i am"),
        (r"\bwe're\b", "we are"),
        (r"\s+", " "),
    )
)


def is_refusal(text: str, answer: str, part: Task = "prompt") -> bool:
    """Tell whether ``answer`` declines to rewrite ``text``, which is a prompt or a response.

    Responses are often refusals themselves, outspoken or roundabout, and their rewrites then read as one rightly.
    """
    if not _declines(answer) or _declines(text):
        return False
    return part == "prompt" or not _RELUCTANT.search(_opening(text))


def _declines(text: str) -> bool:
    opening = _opening(text)
    return any(pattern.search(opening) for pattern in _REFUSALS)


def _opening(text: str) -> str:
    """Give the beginning of a text in small letters with its contractions written out."""
    opening = text.strip()[:_OPENING].casefold()
    for pattern, plain in _PLAINER:
        opening = pattern.sub(plain, opening)
    return opening
