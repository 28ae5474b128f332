"""Judges whether a question lies within a model's abilities, by its words. The only place that does; pure.

A closed vocabulary: a question about form has only words that such a question needs, and one that asks for a judgement
of a movement. Any other word (colour, weather, who, doctor) puts it outside. The method reads English, knows no
grammar and no context, and declines unusual wordings of questions that a coach could answer: a question declined by
mistake costs a rewording, and form advice in answer to something else is wrong. A model without limits gets all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cornerman_common.abilities import spoken_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cornerman_common.abilities import Abilities, Topic


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _shapes(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_FORM: Final = _words("""
    form technique posture mistake mistakes error errors fault faults correction corrections feedback advice tip
    tips depth alignment aligned properly incorrectly correctly improve improvement improvements improving
""")
"""Words that make a question one about form, alone."""

_BODY: Final = _words("""
    knee knees hip hips back elbow elbows arm arms chest torso core foot feet leg legs hand hands shoulder
    shoulders head neck spine heel heels toe toes body rib ribs upper lower stance step steps trunk wrist wrists
    thigh thighs shin shins ankle ankles glutes butt gaze range motion rom weights tempo pace
""")
_JUDGED: Final = _words("""
    straight bent bend bending round rounded rounding cave caving caved collapse collapsing collapsed sag
    sagging high higher low lower enough wide wider narrow narrower apart together close closer in inward
    inwards out outward outwards up down forward forwards backward lean leaning even evenly uneven level over
    flat good bad well better best ok okay fine great perfect right wrong correct incorrect parallel tight
    upright vertical neutral stable steady shallow deep deeper deepest fast faster slow slower slowly quick
    quicker quickly controlled control smooth clean solid full fully half all far further locked lock extend
    extended lift lifted raise raised drop dropping arch arching tilt tilted tuck tucked flare flaring stack
    stacked hollow floor past lag lagging tall long longer short shorter symmetrical balanced balance
    proper lifting off touch touching bounce bouncing spread spreading widen overhead
""")
"""Judgements: with a body part, an exercise or a repetition they make a question one about form."""

_SELF: Final = _words("""
    i my me am myself this that it these those them they
""")
_MOVED: Final = _words("""
    rep reps repetition repetitions set sets movement move moves moving exercise exercises workout go going
    doing do did done perform performing performed execute executing execution way look looking looks
""")
_COMMON: Final = _words("""
    a about again also an and any anything are as at be been being but by can change changes check could
    differently does during each else evaluate every everything for form from get getting give given has have
    having here how if im into is isnt its just keep keeping keeps last left less let like make makes making
    maybe me more most much need needs next no not now of off on one only or other our part please point
    position positioned positions present put putting really recommend recommended rather see seen she he her
    his shall should show shown side sides so some something still stop tell than the their there thing things
    think though time times to too try trying both behind line hows under was watch way we were what whats when
    where which while will with without would yes yet you your yours work working fix fixing adjust adjusting
    aim focus bottom top starting start finish end coach person main biggest worst rate front rear same
    changed fixed adjusted improved corrected must
""")
_KNOWN: Final = _FORM | _BODY | _JUDGED | _SELF | _MOVED | _COMMON

_USUAL: Final = (
    *("squat", "push_up", "lunge", "jumping_jack", "overhead_press", "deadlift", "bench_press", "plank", "burpee"),
    *("pull_up", "sit_up", "curl", "row", "crunch", "dip", "swing", "snatch", "clean", "thrust", "bridge"),
)
"""Exercises that may be asked about where a model knows any."""

_EXERCISE_WORDS: Final[dict[str, str]] = {
    "press": "overhead_press",
    "pressing": "overhead_press",
    "jacks": "jumping_jack",
}
"""Short names of exercises. The names themselves, their plurals and `-ing` are made from the abilities."""

_COUNT: Final = _shapes(
    r"\bhow many (?:good |bad |clean |more )?(?:\w+ )?(?:rep|repetition|set|time)s?\b",
    # Of repetitions, since nothing else is counted: "How many so far?", "How many have I done?"
    r"^(?:and )?how many(?: good| bad)?(?: ones?)?(?: (?:have|did) (?:i|we|he|she|they) (?:do|done|make|made))?"
    r"(?: now| so far)?$",
    r"\bcount\b",
)
_WHICH: Final = _shapes(
    r"\b(?:which|what|whats) (?:is |was )?(?:the |this |that )?(?:exercise|movement|move)\b(?! form)",
    r"\bwhat (?:am i|are you seeing me|is he|is she) (?:now )?doing(?: now| here)?$",
    r"^(?:is|are|was) (?:this|that|it|these) an? \w+$",
)
_ELSEWHERE: Final = _shapes(
    r"\bwhat(?:s| is| are| was)? (?:there )?(?:behind|in|on|under|over|next|at)\b",
    r"^(?:is|are) (?:there )?(?:any|some)thing (?!wrong\b|to\b|i\b)",
    r"\bhow (?:tall|long|much|high is|far is|many)\b",
    r"\bwhat time\b",
    r"^(?:when|where)(?:s| is| was| did| does| do| are)\b",
    r"\bthe (?:\w+ )?time\b",
    r"^(?:is|are) there (?!any(?:thing)? (?:mistake|wrong|fault|error|to|i)|something (?:to|i))",
    r"\b(?:good|bad|better) (?:to|for|than)\b",
    r"\bwhich is better\b",
    r"\b(?:do|does) (?:i|he|she|they) have (?!to\b)",
    r"\bmany \w+ should\b",
    r"\bhow (?:do|does|can) (?:you|it|this|that) work\b",
    r"^(?:who|why are you|do you|are you|will you|can you)\b(?! see| tell| check| give| evaluate| rate)",
)
"""Shapes of questions about something else that need no foreign word."""

_PART: Final = (
    r"(?:knee|hip|back|elbow|arm|chest|foot|feet|leg|hand|shoulder|head|neck|toe|body|wrist|thigh|ankle|butt)s?"
)
_GRADE: Final = r"(?:good|great|fine|perfect|bad|ok|okay|better|best|right|wrong)"
_PEOPLE: Final = r"(?:you|your|yours|him|his|her|hers|she|he|them|they|those|the person|a person)"

_NOT_PERFORMED: Final = _shapes(
    # The body itself, how it looks and how it feels.
    rf"\b(?:bad|good|great|tight|long|longer|short|shorter|wide|wider|raised) {_PART}\b",
    rf"\b(?:{_PART}|i|he|she|they) (?:\w+ )?(?:long|longer|short|shorter|tall)\b",
    rf"\b(?:head|hand|hands|foot|feet|body) (?:is |are )?(?:clean|round|{_GRADE}|full)\b",
    rf"^(?:am|was|is|are|were) (?:i|you|he|she|they|the person) (?:a )?{_GRADE}$",
    rf"^(?:do|does|did) (?:i|he|she|they) look {_GRADE}$",
    r"\bmake (?:me|him|her|them|\w+ \w+) (?:look|long|longer|short|shorter|tall|wide|wider)\b",
    r"\blook(?:ing)? in (?:this|that|these|those)\b",
    r"\b(?:improve|change|fix) (?:me|myself)\b",
    rf"\bfor (?:\w+ )?(?:\w+ )?{_PART}\b",
    rf"\b(?:which|what) (?:\w+ )?(?:part|{_PART})\b.*\b{_GRADE}\b",
    # Other people, the model itself, other times.
    rf"\b(?:with|than|like|over) (?:{_PEOPLE}|me)\b",
    r"\b(?:your|my) own\b|\byour (?:form|technique|posture|depth|mistakes?|errors?|body)\b",
    r"\byou (?:make|making|doing|do|go|move)\b",
    r"\b(?:at|from|my|your|of) work\b|\bto work\b(?! on)|\blast time\b",
    r"\bwrong with (?:the|this|that) (?:floor|line|top|bottom|weights|side|person|coach|time|part|point|way)\b",
    # Exercises in general.
    rf"\b{_GRADE} (?:exercise|exercises|workout|set|sets|movement|move|way|thing|things|person)\b(?: for| to|$)",
    rf"\b(?:exercise|exercises|workout|sets?|movement|move) (?:is|are|would be|to do) {_GRADE}\b",
    # Orders and remarks.
    r"^(?:no|not|never|do not|dont|stop|less|without)\b",
    rf"^{_GRADE} (?:form|technique|advice|tips?|feedback|rep|reps|set)$",
)
"""Shapes of sentences about a body, a person or an exercise, though not about how something was done here."""

_ABOUT: Final = re.compile(r"\b(?:advice|tips?|feedback|corrections?) (?:on|about|for|to|with|in|at) (.+)$")
"""Advice on something."""

_REFERS: Final = _words("i my me this that these those it the last he she his their")
"""Words that refer to what is seen; without one, an exercise is meant in general."""

_ADVICE: Final = _shapes(
    r"\bhow (?:am i|was i|did i|do i|i)(?: am)? (?:doing|do|look|go|going)\b",
    r"\bhow (?:was|is|were|are) (?:that|it|this|those|these|my (?:set|last set))\b",
    r"\b(?:what|anything|something)\b.*\b(?:wrong|better|differently|change|fix|adjust|improve|focus)\b",
    r"\b(?:what|anything|something)\b.*\b(?:should|must|can|could|to|has to|have to|needs to) be "
    r"(?:changed|fixed|adjusted|improved|corrected|better|done (?:better|differently))\b",
    r"\bwhat\b.*\b(?:i correct|to correct|work on)\b",
    r"\b(?:is|was|am|did|are|do|were)\b.*\b(?:this|that|it|i)\b.*\b(?:right|wrong|correct|good|well|ok|okay|fine)\b",
    r"\b(?:is|was|am|did|are|do|were)\b.*\b(?:this|that|it|i)\b.*\b(?:better|bad|perfect)\b",
    r"\b(?:too|more|go|going) (?:fast|slow|quick|deep|shallow|low|high|far|wide|narrow|slowly|quickly|much)\b",
    r"\b(?:should i go|go|going) (?:faster|slower|deeper|lower|higher|wider)\b",
    r"\b(?:fast|slow|deep|low|high|wide|far) enough\b",
    r"\bslow down\b",
    r"\bhow (?:was|is|did|does) (?:this|that|the|my) (?:last )?(?:rep|repetition|set)\b",
    r"\bboth sides (?:even|level|straight|the same)\b",
)
"""Shapes of questions about how well something was done."""


def decline(question: str, abilities: Abilities) -> str:
    """One sentence that declines a question and says which the model answers; empty if it is within the abilities.

    >>> from cornerman_common.abilities import Abilities
    >>> coach = Abilities(topics=("form",), exercises=("squat", "push_up"), languages=("en",))
    >>> decline("Are my knees caving in?", coach)
    ''
    >>> decline("What colour are the shorts?", coach)
    'I can only answer questions, in English, about form in these exercises: squat, push up.'
    """
    topics = abilities.topics
    if topics is None:
        return ""
    topic = topic_of(question, abilities.exercises)
    return "" if topic is not None and topic in topics else _answered(abilities)


def topic_of(question: str, exercises: Iterable[str] | None = None) -> Topic | None:
    """The topic of a question about an exercise; None if it is about something else.

    Args:
        question: as a person typed it.
        exercises: names of the exercises that may be asked about; None = any.
    """
    text = _plain(question)
    if text.count(" ") >= LONGEST:
        return None
    names = _names(_USUAL if exercises is None else exercises)
    text = _with_names_joined(text, names)
    words = text.split()
    if not words:
        return None
    if _COUNT.search(text) or re.search(rf"\bhow many (?:good |bad )?(?:{'|'.join(sorted(names)) or 'rep'})\b", text):
        rest = set(words) - {"many", "count", "counted"} - names.keys()
        return "count" if rest <= _KNOWN and "should" not in words else None
    known = all(word in _KNOWN or word in names for word in words)
    if not known or _ELSEWHERE.search(text) or _NOT_PERFORMED.search(text):
        return None
    if _general(text, words, names):
        return None
    if _WHICH.search(text):
        return "exercise"
    return "form" if _asks_for_judgement(text, set(words), names) else None


def _general(text: str, words: list[str], names: dict[str, str]) -> bool:
    """Whether an exercise is meant in general, or advice on something that is not a movement."""
    named = set(words) & names.keys()
    if named and not set(words) & (_REFERS | _FORM):
        return True
    if re.search(
        rf"^how (?:do|does|should|can|would) (?:i|we|he|she|they) (?:{'|'.join(sorted(names)) or 'rep'})$", text
    ):
        return True
    about = _ABOUT.search(text)
    return about is not None and not set(about[1].split()) & (
        _BODY | _JUDGED | _MOVED | _FORM | names.keys() | {"this", "that"}
    )


def _asks_for_judgement(text: str, words: set[str], names: dict[str, str]) -> bool:
    if words & _FORM or _ADVICE.search(text):
        return True
    body, judged, named = bool(words & _BODY), bool(words & _JUDGED), bool(words & names.keys())
    moved = bool(words & {"rep", "reps", "repetition", "set", "movement", "exercise"})
    placed = body and "should" in words and bool(words & {"be", "go", "put", "point", "keep", "where", "bend"})
    asked = (
        (body or named)
        and bool(re.search(r"\b(?:how (?:is|are|was|were|did|do|does)|hows)\b", text))
        and bool(words & _SELF)
    )
    return (judged and (body or named or moved)) or placed or asked


def _answered(abilities: Abilities) -> str:
    """The sentence that says which questions are answered."""
    if not abilities.topics:
        return "I cannot answer questions; I only speak about what I see."
    kinds = {"form": "form", "count": "the number of repetitions", "exercise": "which exercise it is"}
    about = [kinds[topic] for topic in abilities.topics]
    spoken = " and ".join([", ".join(about[:-1]), about[-1]] if len(about) > 1 else about)
    language = ", in English," if abilities.languages == ("en",) else ""
    if abilities.exercises is None:
        return f"I can only answer questions{language or ''} about {spoken}."
    names = [spoken_name(name) for name in abilities.exercises]
    shown = ", ".join(names) if len(names) <= SHOWN else f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return f"I can only answer questions{language} about {spoken} in these exercises: {shown}."


SHOWN: Final = 8
"""Exercises that a sentence names at most."""

LONGEST: Final = 60
"""Words of a question that is judged; the shapes take time with the third power of the words."""


def _plain(text: str) -> str:
    """Lower-case words with one space between them; apostrophes and hyphens vanish."""
    joined = re.sub(r"['’`]", "", text.casefold())
    return " ".join(re.findall(r"[^\W_]+", joined))


def _names(exercises: Iterable[str]) -> dict[str, str]:
    """One word for each spelling of an exercise -> its name."""
    found: dict[str, str] = {}
    known = list(exercises)
    for name in known:
        stem = name.replace("_", "")
        # squat -> squatting, lunge -> lunging, press -> pressing
        roots = {stem, stem + stem[-1], stem.removesuffix("e")}
        found |= dict.fromkeys(
            {stem, f"{stem}s", f"{stem}es", *(root + end for root in roots for end in ("ing", "ed"))}, name
        )
    return found | {word: name for word, name in _EXERCISE_WORDS.items() if name in known}


def _with_names_joined(text: str, names: dict[str, str]) -> str:
    """Writes an exercise of several words as one word: `push ups` -> `pushups`."""
    for name in set(names.values()):
        parts = name.split("_")
        if len(parts) > 1:
            text = re.sub(rf"\b{' '.join(parts)}", "".join(parts), text)
    return text
