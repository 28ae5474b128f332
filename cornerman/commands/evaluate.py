"""`cornerman evaluate`: scores the coach through the product itself, against timed ground truth."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cornerman.local import options
from cornerman.local.help_panels import MODEL, OUTPUT
from cornerman.local.output_files import check_target, writable_folder, write_whole
from cornerman.local.training_tools import require_training
from cornerman.local.work_bar import WorkBar
from cornerman_shared.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from cornerman_training.evaluate import EvaluationReport, SessionResult

FPS = 8.0
"""Frames a second of the gym's videos, as capture samples them."""

INTERRUPTED = 130

GYM = "Sessions of the gym"
VIDEOS = "Your videos and labels"
JUDGES = "Judges of the words"

Coach = Literal["head", "skeleton", "llm", "rules", "interval"]
Split = Literal["train", "validation", "test"]
Kind = Literal["exercise", "quiet", "footage"]


def evaluate(
    video: Annotated[str, typer.Argument(metavar="[VIDEO]", help="A video file with its truth; none = the gym.")] = "",
    gym: Annotated[
        bool, typer.Option("--gym", help="Sessions of the gym; so too when no file is given.", rich_help_panel=GYM)
    ] = False,
    people: Annotated[
        Path | None,
        typer.Option(
            help="Folder of labelled clips of real people, judged on their skeletons.", rich_help_panel=VIDEOS
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="With --people: write the report with strips of time here.", rich_help_panel=OUTPUT),
    ] = None,
    seed: Annotated[int, typer.Option(help="First session of the gym.", rich_help_panel=GYM)] = 12345,
    sessions: Annotated[int, typer.Option(min=1, help="How many, seed by seed.", rich_help_panel=GYM)] = 10,
    split: Annotated[Split, typer.Option(help="Part of the gym.", rich_help_panel=GYM)] = "test",
    kind: Annotated[
        Kind | None, typer.Option(help="Only such sessions; by the seed when absent.", rich_help_panel=GYM)
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Seconds a session; by the seed when absent.", rich_help_panel=GYM)
    ] = None,
    fps: Annotated[
        float, typer.Option(min=1, max=60, help="Frames a second of the gym's films.", rich_help_panel=GYM)
    ] = FPS,
    truth: Annotated[
        Path | None, typer.Option(help=".json or .vtt; default: the one beside VIDEO.", rich_help_panel=VIDEOS)
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos that --truth names.", rich_help_panel=VIDEOS)
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option("--said", help="Score the feedback of this .json or .vtt.", rich_help_panel=VIDEOS)
    ] = None,
    strategy: Annotated[Coach, typer.Option(help="Who decides when to speak.", rich_help_panel=MODEL)] = "head",
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a trained coach. Default: the bundled one.", rich_help_panel=MODEL),
    ] = None,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process", help="The gym without services: quicker, strategy head only.", rich_help_panel=GYM
        ),
    ] = False,
    judge_url: Annotated[
        str, typer.Option(help="OpenAI-compatible server that judges the text, to /v1.", rich_help_panel=JUDGES)
    ] = "",
    judge_model: Annotated[str, typer.Option(help="Its model.", rich_help_panel=JUDGES)] = "",
    bert: Annotated[
        Path | None, typer.Option(help="Folder of an encoder model, for BERTScore.", rich_help_panel=JUDGES)
    ] = None,
    costs: Annotated[
        bool, typer.Option("--costs", help="With --json: what it cost, too.", rich_help_panel=OUTPUT)
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.md, report.json, said.json and pictures.", rich_help_panel=OUTPUT),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object on stdout, the same every time.", rich_help_panel=OUTPUT),
    ] = False,
    config: options.Config = "",
    sets: options.Set = [],  # noqa: B006 typer's own way to say "repeatable"
    verbose: options.Verbose = False,
) -> None:
    """Measure the times and texts of the coach's feedback against ground truth.

    Videos go through the product's own processes, losslessly, on a server of their own; the same seed gives the same
    numbers. Beside them stands what the strategies `interval` and `rules` reach on the same chunks.
    """
    if html is not None:
        check_target(html, "--html")
    if out is not None:
        writable_folder("--out", out)
    if people is not None:
        if gym or video or truth or feedback or in_process:
            raise ConfigError("--people and another thing to evaluate: give one of them")
        _people(people, html, as_json)
        return
    if html is not None:
        raise ConfigError("--html is the report of --people; with other things to evaluate give --out")
    require_training("cornerman evaluate", *(["matplotlib"] if out is not None else []))
    # The training packages are heavy, and an extra: they are imported when this command runs.
    from cornerman.local import evaluation
    from cornerman.local.eval_clips import given_clips, gym_clips
    from cornerman.local.eval_run import StoppedError
    from cornerman.local.eval_settings import eval_settings
    from cornerman_common.model_location import model_path
    from cornerman_training.evaluate.judges import JudgeError

    for option, path in (("--truth", truth), ("--said", feedback)):
        if path is not None and not path.is_file():
            raise SourceError(f"{option} {path}: there is no such file; give a .json or .vtt file")
    files = bool(video or truth or feedback)
    if gym and files:
        raise ConfigError("--gym and a file: give one of them")
    if in_process and (files or strategy != "head" or sets or config):
        raise ConfigError("--in-process knows the gym and strategy head only; leave the other options out")
    if model is not None:
        model_path("--model", str(model))
    seeds = range(seed, seed + sessions)
    with tempfile.TemporaryDirectory(prefix="cornerman-") as name, WorkBar("evaluating", quiet=as_json) as bar:

        def progress(done: int, of: int) -> None:
            bar.count(done, of, "sessions")

        try:
            if feedback is not None:
                report, results = evaluation.evaluate_files(truth, feedback)
            elif in_process:
                report, results = evaluation.evaluate_in_process(model, seeds, split, kind, duration, progress)
            else:
                folder = Path(name)
                chosen = eval_settings(folder, strategy, model, config, sets, verbose=verbose)
                if files:
                    pairs = given_clips(video, truth, videos)
                else:
                    pairs = gym_clips(folder, seeds, split, kind, duration, fps)
                progress(0, len(pairs))
                report, results = evaluation.evaluate_clips(chosen, pairs, progress)
            if judge_url or bert:
                bar.show("judging the words")
            report = evaluation.with_judges(report, judge_url, judge_model, bert)
        except StoppedError:
            raise typer.Exit(INTERRUPTED) from None
        except (JudgeError, ValueError) as error:
            raise ConfigError(str(error)) from error
    _write(report, results, out, as_json, costs)


def _people(folder: Path, html: Path | None, as_json: bool) -> None:
    """Scores the coach of skeletons on a folder of people. Needs neither torch nor a server."""
    from cornerman.local import people_run

    if not folder.is_dir():
        raise SourceError(f"--people {folder}: there is no such folder; give one with labels.json and its clips")
    with WorkBar("scoring the coach on people", quiet=as_json) as bar:
        scores = people_run.score_people(folder, lambda done, of: bar.count(done, of, "clips"))
        bar.show("checking it on altered repetitions and single frames")
        checks = people_run.check_people(folder)
    if html is not None:
        write_whole(html, people_run.people_page(scores))
    print(people_run.people_json(scores, checks) if as_json else people_run.people_text(scores, checks))


def _write(
    report: EvaluationReport, results: list[SessionResult], out: Path | None, as_json: bool, costs: bool
) -> None:
    """Prints the report; writes it with the feedback and the plots into the folder `out`, if given."""
    from cornerman.local.evaluation import said_rows
    from cornerman_training.evaluate.markdown import as_markdown

    values = report.to_dict()
    full = {**values, "costs": dict(report.costs)}
    if out is not None:
        from cornerman_training.evaluate.plots import draw_all

        (out / "report.md").write_text(as_markdown(report), encoding="utf-8")
        (out / "report.json").write_text(json.dumps(full, indent=1) + "\n", encoding="utf-8")
        (out / "said.json").write_text(json.dumps(said_rows(results), indent=1) + "\n", encoding="utf-8")
        draw_all(results, report, out)
    print(json.dumps(full if costs else values, indent=1) if as_json else as_markdown(report))
