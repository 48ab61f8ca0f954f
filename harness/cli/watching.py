"""The command that grades a folder while it fills."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import assignments
from harness.cli.app import EXIT_INTERRUPTED
from harness.cli.console import fail, note
from harness.cli.grading import (
    AssignmentOption,
    DataOption,
    EarlierOption,
    ExecutorOption,
    FullOption,
    JobsOption,
    JudgeOption,
    KeepAnswersOption,
    ReferencesOption,
    ResultsOption,
    SchedulerOption,
    SeedOption,
    SiteOption,
    TimingOption,
    TrustOption,
    grade_paths,
    keep_earlier,
    prepared,
    remember_run,
)
from harness.cli.interrupt import stoppable
from harness.cli.reporting import (
    HideOption,
    LeaveOutOption,
    NamesOption,
    StaffOption,
    TeamsOption,
    graded_in,
    hide,
    kept_teams,
    render,
    seen_by,
)
from harness.run.executors import DEFAULT
from harness.text import one_line

if TYPE_CHECKING:
    from harness.run.arrivals import Arrivals, Look
    from harness.run.prepare import Request
    from harness.run.settings import Run
    from harness.types import Record

WIDTH = 80
"""Columns of a line of events, unless an id alone is longer."""
_MOST_WAITED = 64
"""Looks after which what could not be graded at all is tried again, at most."""


def watch(
    folder: Annotated[Path, typer.Argument(help="A class's folder, which fills.", show_default=False)],
    assignment: AssignmentOption = assignments.DEFAULT,
    results: ResultsOption = Path("results"),
    site_folder: SiteOption = None,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between two looks.")] = 30.0,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="End then: 18:00, or a date with its time.", show_default=False),
    ] = None,
    staff: StaffOption = False,
    names: NamesOption = None,
    leave_out: LeaveOutOption = None,
    hide_until: HideOption = None,
    teams_file: TeamsOption = None,
    earlier: EarlierOption = None,
    data: DataOption = None,
    judge: JudgeOption = None,
    jobs: JobsOption = 2,
    seed: SeedOption = 0,
    references: ReferencesOption = True,
    keep_answers: KeepAnswersOption = False,
    timing: TimingOption = False,
    full: FullOption = False,
    trust_code: TrustOption = False,
    executor: ExecutorOption = DEFAULT,
    scheduler: SchedulerOption = "",
) -> None:
    """Grade a folder while it fills: what is new or replaced, once its files have stopped changing.

    Looks every 30 seconds, which works on network shares, too. A hand-in is taken when names, sizes and times of its
    files are those of the look before. Pages are made anew after each batch. Ctrl-C ends it; the same command, or
    [bold]gradebench grade[/], goes on from there.

    Example: [bold]gradebench watch handed-in --site site --until 18:00[/]
    """
    from harness.run.arrivals import Arrivals
    from harness.run.prepare import Request
    from harness.summary import exit_code
    from harness.types import Role

    if not folder.is_dir():
        raise fail(f"{folder}: no such folder")
    end = moment(until, datetime.now().astimezone()) if until is not None else None
    beside = [path for path in (site_folder, data) if path is not None]
    wanted = Request(
        assignment,
        results,
        data,
        seed,
        judge,
        jobs,
        trust_code=trust_code,
        beside="all" if references else "none",
        keep_answers=keep_answers,
        executor=executor,
        scheduler=scheduler,
        timing=timing,
        full=full,
        earlier=earlier or [],
    )
    run = prepared(wanted)
    hide(results, [run.assignment.name], run.assignment.hide_until, hide_until)
    kept_teams(results, teams_file)
    keep_earlier(run)
    audience = seen_by(staff, names, leave_out)

    def pages() -> None:
        if site_folder is not None:
            event("pages", str(render(graded_in(results), results, site_folder, audience)))

    arrivals = Arrivals(folder, [path.resolve() for path in (results, *beside)])
    watching = _Watching(arrivals, wanted, beside, pages)
    with stoppable(lambda: _how_to_go_on(results), lambda: None):
        ending = f" until {end:%H:%M}" if end is not None else "; Ctrl-C ends it"
        event("watch", f"{folder}, every {every:g} s{ending}")
        while True:
            began = datetime.now().astimezone()
            watching.look()
            # The last look is at the end, or after it, where grading took longer.
            if end is not None and began >= end:
                break
            left = (end - datetime.now().astimezone()).total_seconds() if end is not None else every
            threading.Event().wait(min(every, max(left, 0.0)))
        if waiting := watching.waiting:
            event("left", f"{len(waiting)} still changing or not graded: {', '.join(waiting)}")
        event("end", f"{end:%H:%M}", "`gradebench grade` grades what comes later")
    raise typer.Exit(exit_code([record for record in graded_in(results) if record.role is Role.STUDENT]))


def moment(text: str, now: datetime) -> datetime:
    """Return the end that a person wrote: a time of this day, or a date with its time. Ends the command for others."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            hours = datetime.strptime(text.strip(), "%H:%M")
        except ValueError:
            raise fail(f"--until {text}: is no time; write --until 18:00, or --until 2026-12-01T18:00") from None
        found = now.replace(hour=hours.hour, minute=hours.minute, second=0, microsecond=0)
    found = found.astimezone() if found.tzinfo is None else found
    if found <= now:
        hint = (now + timedelta(days=1)).strftime("%Y-%m-%d") + f"T{found:%H:%M}"
        raise fail(f"--until {text}: has passed already; of another day write the date, --until {hint}")
    return found


def event(what: str, said: str, *more: str) -> None:
    """Print what happened, and when: on one line of 80 columns where it fits, else the parts on lines of their own.

    `what` has six letters at most, so that an id, of 64, is never broken.
    """
    line = f"{time.strftime('%H:%M:%S')} {what:6}"
    parts = [part for part in (said, *more) if part]
    whole = f"{line} {', '.join(parts)}"
    if len(whole) > WIDTH and len(parts) > 1:
        whole = "\n".join([f"{line} {parts[0]}", *(f"{'':15} {part}" for part in parts[1:])])
    typer.echo(whole)
    sys.stdout.flush()


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def _how_to_go_on(results: Path) -> str:
    return f"Ended. What is graded lies in {results}; the same command goes on from there."


def _let_interruption_through(ended: typer.Exit) -> None:
    """Raise the end of the command again where it is Ctrl-C's; any other was told, and costs what it ended alone."""
    if ended.exit_code == EXIT_INTERRUPTED:
        raise ended


@dataclass
class _Watching:
    """Grades what each look finds, and goes on whatever happens."""

    arrivals: Arrivals
    wanted: Request
    beside: Sequence[Path]
    make_pages: Callable[[], None]
    _told: set[str] = field(default_factory=set)
    _trouble: str = ""
    _stale: bool = False
    """True while pages could not be made since something was graded."""
    _put_off: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """By seat that could not be graded: its state, the looks that it is left alone, and how often it was tried."""

    @property
    def waiting(self) -> list[str]:
        """The hand-ins that are not graded as they are now."""
        known = self.arrivals.graded
        return [seat for seat, state in self.arrivals.states.items() if known.get(seat) != state.digest]

    def look(self) -> None:
        """Look once; an error is told, and costs this look alone."""
        try:
            found = self.arrivals.look()
            if self._trouble:
                self._trouble = ""
                event("back", str(self.arrivals.folder), "can be read again")
            self._take(found)
            if self._stale:
                self._pages()
        except OSError as error:
            self._tell_trouble(f"{error.strerror or error}; goes on looking")
        except typer.Exit as ended:
            _let_interruption_through(ended)
        except Exception as error:
            self._tell_trouble(f"{type(error).__name__}: {one_line(str(error), 200)}; goes on looking")

    def _take(self, found: Look) -> None:
        for seat in found.seen:
            self._tell_seen(seat)
        for seat in found.gone:
            event("gone", seat, "its records stay")
        ready = [seat for seat in found.ready if not self._is_put_off(seat)]
        if not ready or self._graded(ready):
            return
        # One of them is at fault, or needs others, whose ids it changes.
        for seat in ready:
            if not self._graded([seat]) and not self._graded([*self.arrivals.states]):
                self._put(seat)

    def _graded(self, seats: Sequence[str]) -> bool:
        """Grade hand-ins, and make the pages anew; False where it could not be done."""
        taken = {seat: self.arrivals.states[seat] for seat in seats}
        names = {name for state in taken.values() for name in state.names}

        def after_class(run: Run, own: list[Record], seconds: float) -> None:
            own, lost = self._without_lost(own, run)
            for seat in lost:
                taken.pop(seat, None)
            self._forget_former_ids(own, run)
            self._tell_graded(own)
            remember_run(run.results)

        def settled(run: Run) -> Run:
            hide(run.results, [run.assignment.name], run.assignment.hide_until, None)
            return run

        try:
            grade_paths(
                [self.arrivals.folder],
                self.wanted,
                "class",
                self.beside,
                after_class=after_class,
                before_asking=self._pages,
                adjusted=settled,
                on_note=self._note_once,
                chosen=names.__contains__,
            )
        except typer.Exit as ended:
            _let_interruption_through(ended)
            return False
        except Exception as error:
            self._tell_trouble(f"{type(error).__name__}: {one_line(str(error), 200)}")
            return False
        self.arrivals.take(taken)
        for seat in seats:
            self._put_off.pop(seat, None)
        self._pages()
        return True

    def _pages(self) -> None:
        """Make the pages; where they can't be made, which is told, they are made at a later look."""
        self._stale = True
        try:
            self.make_pages()
        except typer.Exit as ended:
            _let_interruption_through(ended)
            return
        self._stale = False

    def _without_lost(self, own: list[Record], run: Run) -> tuple[list[Record], set[str]]:
        """Forget the failure of what vanished, or changed, while it was graded: that it isn't there says nothing.

        Returns the other records, and the seats of which some was forgotten.
        """
        from harness import intake, records
        from harness.types import Status

        failed = [record for record in own if record.status is Status.FAILED]
        changed = self.arrivals.changed() if failed else set()
        lost = set()
        for record in failed:
            seat = record.place.partition("@")[0]
            seat = intake.seat_of(seat.partition("/")[2]) if "/" in seat else seat
            if seat in changed:
                records.remove(run.results, record)
                own = [one for one in own if one is not record]
                lost.add(seat)
        for seat in sorted(lost):
            event("lost", seat, "changed while it was graded")
        return own, lost

    def _forget_former_ids(self, own: Sequence[Record], run: Run) -> None:
        """Delete records of hand-ins that have another id since one came that is called alike."""
        from harness import records
        from harness.types import Role

        ids = {record.place: record.submission for record in own if record.place}
        for record in records.load_all(run.results).records:
            if record.role is Role.STUDENT and ids.get(record.place, record.submission) != record.submission:
                records.remove(run.results, record)

    def _tell_seen(self, seat: str) -> None:
        state, former = self.arrivals.states[seat], self.arrivals.graded.get(seat)
        if (key := f"{seat} {former}") in self._told:
            return
        self._told.add(key)
        files = "1 file" if state.files == 1 else f"{state.files:,} files"
        event("new" if former is None else "again", seat, f"{files}, {_size(state.bytes)}")

    def _tell_graded(self, own: Sequence[Record]) -> None:
        from harness.totals import total

        by_submission: dict[str, list[Record]] = {}
        for record in own:
            by_submission.setdefault(record.submission, []).append(record)
        for submission, of in sorted(by_submission.items()):
            summed = total(of)
            points = f"{summed.points:g} of {summed.full_marks:g} points" if summed.points is not None else "no points"
            states = [record.state for record in summed.records]
            odd = [f"{states.count(state)} {state.replace('-', ' ')}" for state in sorted({*states} - {"scored"})]
            event("graded", submission, ", ".join([points + " so far" * (not summed.complete), *odd]))

    def _note_once(self, sentence: str) -> None:
        # Which hand-ins are taken, the events say.
        if sentence not in self._told and "was taken as a class" not in sentence:
            self._told.add(sentence)
            note(sentence)

    def _tell_trouble(self, said: str) -> None:
        if said != self._trouble:
            self._trouble = said
            event("error", str(self.arrivals.folder), said)

    def _is_put_off(self, seat: str) -> bool:
        state, left, tries = self._put_off.get(seat, ("", 0, 0))
        if not left or state != self.arrivals.states[seat].digest:
            return False
        self._put_off[seat] = (state, left - 1, tries)
        return True

    def _put(self, seat: str) -> None:
        """Leave a hand-in alone for a while that grows: what hinders it may be mended, and is told at each try."""
        _, _, tries = self._put_off.get(seat, ("", 0, 0))
        self._put_off[seat] = (self.arrivals.states[seat].digest, min(2**tries, _MOST_WAITED), tries + 1)
        event("delay", seat, "could not be graded; is tried again")
