"""Profiles and presets as files: read again when they change, written whole, bounded, and wrong ones explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornerman_common.profile_library import BundledError, ProfileLibrary, preset_of, profile_of
from cornerman_common.saved_folder import MAX_FILES
from cornerman_common.saved_settings import MAX_BYTES, SavedKind, parse_saved
from cornerman_shared.bus.registry import changed
from cornerman_shared.errors import ConfigError
from cornerman_shared.settings.source import SaySettings, SourceSpec

DUCKS = "title: Ducks\nabout: A pond.\nmode: commentary\nsay:\n  prompt: Count the ducks.\n  max_new_tokens: 20\n"
CALM = "title: Calm\nspeak:\n  min_interval_s: 9\n"


@pytest.fixture
def library(tmp_path: Path) -> ProfileLibrary:
    return ProfileLibrary(tmp_path / "config")


def names(library: ProfileLibrary, kind: SavedKind = "profile") -> list[str]:
    return [file.name for file in library.all(kind)]


def test_bundled_files_are_sound(library: ProfileLibrary) -> None:
    assert names(library) == ["coach", "default", "sports", "security", "nature", "descriptive"]
    assert names(library, "preset") == ["sentry", "sniper", "owl", "beast"]
    assert [file.problem for file in library.everything()] == [""] * 10
    prompts = [file.settings.prompt for file in library.all("profile") if file.settings]
    assert len(set(prompts)) == 6
    assert profile_of(SaySettings().prompt, library.everything()) == "coach"


def test_presets_have_their_published_numbers(library: ProfileLibrary) -> None:
    found = {}
    for file in library.all("preset"):
        spec = changed(SourceSpec(source_id="cam", url="test://"), library.changes("", file.name))
        found[file.name] = (spec.speak.scene_threshold, spec.speak.strategy, spec.mode)
    assert found == {
        "sentry": (5.0, "scene", "commentary"),
        "sniper": (0.0, "scene", "commentary"),
        "owl": (1.0, "scene", "commentary"),
        "beast": (0.0, "scene", "commentary"),
    }


def test_saved_file_is_read_at_once(library: ProfileLibrary) -> None:
    assert library.save("profile", "ducks", DUCKS).name == "ducks"
    assert names(library)[-1] == "ducks"
    wanted = {"mode": "commentary", "say": {"prompt": "Count the ducks.", "max_new_tokens": 20}}
    assert library.changes("ducks", "") == wanted
    # An editor, or a file from somebody else, while we run.
    path = library.get("profile", "ducks").path
    path.write_text(DUCKS.replace("ducks", "geese"))
    assert library.get("profile", "ducks").settings == parse_saved("profile", path.read_text(), "x")
    path.with_name("shared.yaml").write_text(DUCKS)
    assert names(library)[-2:] == ["ducks", "shared"]
    library.remove("profile", "ducks")
    assert "ducks" not in names(library)


def test_preset_wins_over_profile(library: ProfileLibrary) -> None:
    library.save("profile", "slow", f"{DUCKS}speak:\n  min_interval_s: 30\n  gap_s: 4\n")
    library.save("preset", "calm", CALM)
    assert library.changes("slow", "calm")["speak"] == {"min_interval_s": 9.0, "gap_s": 4.0}


def test_names_of_settings_are_found(library: ProfileLibrary) -> None:
    library.save("preset", "calm", CALM)
    files = library.everything()
    settings = {"mode": "coach", "speak": {"min_interval_s": 9.0, "gap_s": 2.0}}
    assert preset_of(settings, files) == "calm"
    assert preset_of({"speak": {"min_interval_s": 8.0}}, files) == "custom"
    assert profile_of("Count the geese.", files) == "custom"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("profile", "title: [", "x.yaml, line"),
        ("profile", "title: A\n\tmode: coach", "x.yaml, line 2: a tab; indent with spaces"),
        ("profile", "- a", "x.yaml: a list, not sections"),
        ("profile", "title: A\nsay:\n  prompt: p\n  prompt: q", "x.yaml, line 4: 'prompt' is given twice; keep one"),
        (
            "profile",
            "title: A\nsay:\n  prompt: p\n  max_new_tokens: 0",
            "x.yaml, line 4: say.max_new_tokens = 0: Input",
        ),
        ("profile", "title: A\nsay:\n  promt: p", "x.yaml, line 3: say.promt: unknown setting"),
        (
            "profile",
            "title: A\nmode: chat\nsay:\n  prompt: p",
            "x.yaml, line 2: mode = 'chat': Input should be 'coach'",
        ),
        ("profile", "title: A\nwatch: 3\nsay:\n  prompt: p", "x.yaml, line 2: watch = 3: Input should be a valid dict"),
        ("profile", "title: A\nurl: file:///etc/passwd", "x.yaml, line 2: url: unknown setting"),
        ("profile", "title: A\nmode: coach", "x.yaml: say.prompt: a profile says what to watch for; give say.prompt"),
        ("profile", "say:\n  prompt: p", "x.yaml: title"),
        ("profile", "title: &a [x]\nabout: *a", "x.yaml, line 2: aliases"),
        ("preset", "title: A", "x.yaml: watch: a preset without settings"),
        ("preset", "title: A\nsay:\n  prompt: p", "x.yaml, line 3: say.prompt: a preset goes with every profile"),
        ("preset", "title: A\nspeak:\n  interval_s: .inf", "x.yaml, line 3: speak.interval_s"),
        ("preset", f"title: A\nabout: {'x' * MAX_BYTES}", "bytes; a preset has at most"),
    ],
)
def test_wrong_text_names_line_and_field(kind: SavedKind, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_saved(kind, text, "x.yaml")
    assert message in str(error.value)


def test_every_wrong_field_is_named() -> None:
    text = "title: A\nspeak:\n  gap_s: -1\nsay:\n  prompt: p\n  top_p: 7\n"
    with pytest.raises(ConfigError) as error:
        parse_saved("profile", text, "x.yaml")
    assert [line.partition(" =")[0] for line in str(error.value).splitlines()] == [
        "x.yaml, line 3: speak.gap_s",
        "x.yaml, line 6: say.top_p",
    ]


def test_thousand_wrong_fields_are_bounded() -> None:
    text = "".join(f"k{i}: 1\n" for i in range(1000))  # each of them once cost a reading of the whole text
    with pytest.raises(ConfigError, match=r"x\.yaml, line 19: k18: unknown") as error:
        parse_saved("profile", text, "x.yaml")
    lines = str(error.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "x.yaml: and 981 more wrong fields"


def test_nested_aliases_are_refused_cheaply() -> None:
    lines = ["title: A", "about: &a0 [x]", *(f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    with pytest.raises(ConfigError, match="aliases"):
        parse_saved("profile", "\n".join(lines), "x.yaml")


@pytest.mark.parametrize(
    "name", ["", "custom", "../x", "a/b", ".hidden", "A", "a" * 41, "a\n", "ducks.yaml", "nul\0", "ä"]
)
def test_unsafe_names_are_refused(library: ProfileLibrary, name: str) -> None:
    with pytest.raises(ConfigError, match="is not usable"):
        library.save("profile", name, DUCKS)
    assert not library.folder.exists()


def test_bundled_ones_stay_as_they_are(library: ProfileLibrary) -> None:
    with pytest.raises(BundledError, match="copy it to another name"):
        library.save("profile", "sports", DUCKS)
    with pytest.raises(BundledError):
        library.remove("preset", "owl")
    library.save("profile", "my-sports", library.text("profile", "sports"))
    assert library.get("profile", "my-sports").settings == library.get("profile", "sports").settings


def test_wrong_file_is_listed_with_its_problem(library: ProfileLibrary) -> None:
    library.save("profile", "ducks", DUCKS)
    folder = library.folder / "profiles"
    (folder / "broken.yaml").write_text("title: [")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "sports.yaml").write_text(DUCKS)
    (folder / "folder.yaml").mkdir()
    (folder / "Not a name.yaml").write_text(DUCKS)
    own = {file.name: file.problem for file in library.all("profile") if not file.bundled}
    assert {name: bool(problem) for name, problem in own.items()} == {
        "binary": True,
        "broken": True,
        "ducks": False,
        "folder": True,
        "sports-2": True,
    }
    with pytest.raises(ConfigError, match=r"broken\.yaml, line 1"):
        library.get("profile", "broken")
    assert library.text("profile", "broken") == "title: ["


def test_refused_text_leaves_the_file(library: ProfileLibrary) -> None:
    library.save("profile", "ducks", DUCKS)
    with pytest.raises(ConfigError):
        library.save("profile", "ducks", "title: [")
    assert library.text("profile", "ducks") == DUCKS
    assert [path.name for path in (library.folder / "profiles").iterdir()] == ["ducks.yaml"]


def test_number_of_files_is_bounded(library: ProfileLibrary) -> None:
    for i in range(MAX_FILES):
        library.save("preset", f"p{i}", CALM)
    with pytest.raises(ConfigError, match="remove one first"):
        library.save("preset", "more", CALM)
    library.save("preset", "p0", CALM)  # one that is there may be written again


def test_unwritable_folder_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file")
    library = ProfileLibrary(tmp_path / "config")
    assert len(library.everything()) == 10
    with pytest.raises(ConfigError, match=r"cannot be written.*gateway\.profiles_dir"):
        library.save("profile", "ducks", DUCKS)


def test_unknown_name_lists_those_there_are(library: ProfileLibrary) -> None:
    with pytest.raises(ConfigError, match=r"'nope': there is no such profile; there are coach, default"):
        library.changes("nope", "")


def test_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert ProfileLibrary.of("").folder == tmp_path / "cornerman"
    assert ProfileLibrary.of("~/mine").folder == Path.home() / "mine"
