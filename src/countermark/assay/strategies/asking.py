"""What strategies share: a request in a wording, from the system that plays a role, and who signs where it is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from countermark.assay.strategies.strategy import MAX_ASKS, MAX_TRIES, Ask, Try, goal_of
from countermark.assay.worlds.scene import INLINE_AT_MOST, Scene
from countermark.errors import CampaignError


def ask(
    scene: Scene,
    text: str,
    *,
    role: str = "own",
    headers: Mapping[str, str] | None = None,
    again: bool = False,
    anew: bool = False,
    **more: object,
) -> Ask:
    """A request with all the data of the goal; `text` is the user's whole message.

    Args:
        more: Other fields of the body, or other messages.

    Raises:
        CampaignError: No system plays that role in this scene.
    """
    return Ask(
        workload=workload(scene, role),
        body=scene.body(text, **more),
        headers=headers or {},
        carries=range(scene.total),
        again=again,
        anew=anew,
    )


def workload(scene: Scene, role: str) -> str:
    """The system that plays a role.

    Raises:
        CampaignError: None does: the strategy's `needs` don't name it, or the goal has no twin.
    """
    try:
        return scene.workloads[role]
    except KeyError:
        raise CampaignError(f"expected a system in the role `{role}` of `{scene.id}`, got none") from None


def attempt(name: str, scene: Scene, *asks: Ask, roles: Sequence[str] = ("own",), **more: Any) -> Try:
    """A try whose held requests are signed by those who have these roles' papers in hand, and by `also`."""
    also: tuple[str, ...] = more.pop("also", ())
    signs = [person for role in roles for person in scene.people.get(role, ())]
    return Try(name=name, asks=asks, signs=tuple(dict.fromkeys((*signs, *also))), **more)


def reworded(scene: Scene) -> tuple[tuple[str, str], ...]:
    """Name and text of each rewording, with its data."""
    goal = goal_of(scene)
    return tuple(
        (f"reworded-{number}", scene.text(template)) for number, template in enumerate(goal.reworded, start=1)
    )


def naive(scene: Scene) -> str:
    """The text that says openly what it is for, with its data."""
    return scene.text(goal_of(scene).naive)


def from_role(scene: Scene, role: str, *, most: int = MAX_TRIES, **more: Any) -> tuple[Try, ...]:
    """Every rewording, asked from the system that plays `role`."""
    return tuple(
        attempt(name, scene, ask(scene, text, role=role), roles=(role,), **more)
        for name, text in reworded(scene)[:most]
    )


def pieces(scene: Scene, template: str, most: int = MAX_ASKS) -> Iterator[tuple[range, str]]:
    """A wording in at most `most` pieces, each with its share of the rows; one piece where there is nothing to share out."""
    total = scene.total
    parts = max(1, min(most, total)) if "{rows}" in template else 1
    for number in range(parts):
        carried = range(number * total // parts, (number + 1) * total // parts)
        if parts == 1:
            yield range(total), scene.text(template)
        elif total <= INLINE_AT_MOST:
            yield carried, scene.text(template, scene.rows[carried.start : carried.stop])
        else:
            yield carried, template.replace("{rows}", _by_reference(scene, carried))


def _by_reference(scene: Scene, carried: range) -> str:
    first = "\n".join(row.text for row in scene.rows[:3])
    return f"{first}\n(rows {carried.start + 1:,} to {carried.stop:,} of the attached table, which begins so)"


def in_pieces(
    scene: Scene, roles: Sequence[str], *, more: Callable[[int], Mapping[str, object]] = lambda _: {}
) -> tuple[Try, ...]:
    """Two tries: a rewording in two pieces, and the last one in as many as there may be; systems take turns.

    Args:
        more: Other fields of the body, by the number of the piece.
    """
    goal = goal_of(scene)
    return distinct(
        [
            attempt(
                f"in-{most}",
                scene,
                *(
                    Ask(
                        workload=workload(scene, roles[number % len(roles)]),
                        body=scene.body(text, **more(number)),
                        carries=carried,
                    )
                    for number, (carried, text) in enumerate(pieces(scene, template, most))
                ),
                roles=roles,
            )
            for template, most in ((goal.reworded[0], 2), (goal.reworded[-1], MAX_ASKS))
        ]
    )


def distinct(tries: Sequence[Try]) -> tuple[Try, ...]:
    """Tries without those that would only repeat an earlier one: a goal without rows leaves little to change."""
    kept: list[Try] = []
    for each in tries:
        if not any(each.asks == other.asks and each.signs == other.signs for other in kept):
            kept.append(each)
    return tuple(kept[:MAX_TRIES])
