"""HTML of what people wrote about a picture."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from eval.analysis.slices import SELECTION, TAG
from eval.app.page_files import TEMPLATES
from eval.app.view_state import ViewState
from eval.runs.annotations import PictureNote


def written(
    note: PictureNote | None,
    selections: Mapping[str, Sequence[str]],
    pair: str,
    state: ViewState,
) -> Markup:
    """Tags, note and selections of a picture; each tag and selection leads to its pictures.

    Args:
        note: Tags and note of the picture; None where it has none.
        selections: Pairs of every selection of the run, by name.
        pair: Id of the picture.
        state: State of the view.
    """

    def links(fact: str, names: Sequence[str]) -> list[tuple[str, str]]:
        shown = {"view": "pictures", "which": "all", "pair": None}
        return [
            (name, f"?{state.model_copy(update={**shown, 'slices': (f'{fact}={name}',)}).query()}")
            for name in names
        ]

    within = [name for name, pairs in selections.items() if pair in pairs]
    if note is None and not within:
        return Markup("")
    return TEMPLATES.render(
        "notes",
        tags=links(TAG, note.tags if note else ()),
        selections=links(SELECTION, within),
        note=note.note if note else "",
    )
